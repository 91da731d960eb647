"""Memory: the inference peak against a replay with reference counts, training activations against hand counts."""

from __future__ import annotations

from collections import Counter

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from zoo.analysis import analyze
from zoo.analysis.graph import Graph, Node
from zoo.analysis.memory import inference_peak, training_activations

VIEWS = {"Identity", "Dropout", "Reshape"}


@st.composite
def graphs(draw):
    """Random graphs of up to twelve nodes: views, sums, splits with several outputs, several model outputs."""
    nodes = [Node(name="in", op="InputLayer", inputs=(), shapes=((draw(st.integers(1, 9)), 1),), dtype="float32")]
    sizes = {"in": nodes[0].shape}
    for step in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(["Conv2D", "Add", "Identity", "Dropout", "Reshape", "ops.Split"]))
        read = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=1 if op in VIEWS else 3))
        shapes = tuple((draw(st.integers(1, 9)), 1) for _ in range(draw(st.integers(1, 3)) if op == "ops.Split" else 1))
        shapes = (sizes[read[0]],) if op in VIEWS else shapes
        dtype = draw(st.sampled_from(["float32", "float16"])) if op == "Conv2D" else "float32"
        node = Node(name=f"n{step}", op=op, inputs=tuple(read), shapes=shapes, dtype=dtype)
        nodes.append(node)
        sizes |= dict(zip(node.outputs, shapes, strict=True))
    outputs = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=3))
    return Graph(name="random", nodes=tuple(nodes), inputs=("in",), outputs=tuple(outputs))


def replayed(graph):
    """Runs the graph with one handle per tensor and one reference count per buffer."""
    reads = Counter(tensor for node in graph.nodes for tensor in node.inputs) + Counter(graph.outputs)
    buffers, sizes, handles = {}, {}, Counter()
    peaks = []

    def drop(tensor):
        buffer = buffers[tensor]
        handles[buffer] -= 1
        if not handles[buffer]:
            del sizes[buffer]

    for node in graph.nodes:
        for tensor, shape in zip(node.outputs, node.shapes, strict=True):
            size = shape[0] * (2 if node.dtype == "float16" else 4)
            shares = node.op in VIEWS and sizes[buffers[node.inputs[0]]] == size
            buffers[tensor] = buffers[node.inputs[0]] if shares else tensor
            sizes.setdefault(buffers[tensor], size)
            handles[buffers[tensor]] += 1
        peaks.append((sum(sizes.values()), node.name))
        for tensor in node.inputs:
            reads[tensor] -= 1
        for tensor in {*node.inputs, *node.outputs}:
            if not reads[tensor]:
                drop(tensor)
    highest = max(size for size, _ in peaks)
    return highest, next(name for size, name in peaks if size == highest)


@settings(max_examples=300)
@given(graphs())
def test_the_inference_peak_is_that_of_a_replay(graph):
    assert inference_peak(graph) == replayed(graph)


def test_the_peaks_of_the_seeds():
    v1, v2 = analyze("resunet-v1"), analyze("resunet-v2")
    assert (v1.peak_bytes, v1.peak_layer) == (256 * 2**20, "dec0_upconv")
    assert v2.peak_bytes == 768 * 2**20


def test_of_equal_peaks_the_first_one_counts_in_every_build():
    x = keras.Input((4, 4, 1))
    model = keras.Model(x, layers.ReLU(name="c")(layers.ReLU(name="b")(layers.ReLU(name="a")(x))))
    assert analyze(model).peak_layer == "a"
    assert analyze(keras.models.clone_model(model)).peak_layer == "a"


IMAGE = 4 * 4 * 2 * 4
"""Bytes of the tensor that all layers below read and write: 4 x 4, 2 channels, float32."""


def conv(**kwargs):
    return layers.Conv2D(2, 3, padding="same", **kwargs)


def kept(*parts, **kwargs):
    """Bytes kept by a line of layers between two trained convolutions, without the input that both kinds of line keep."""
    x = keras.Input((4, 4, 2))
    y = conv(name="first")(x)
    for part in parts:
        y = part(y)
    report = analyze(keras.Model(x, y), **kwargs)
    return (report.training_activation_bytes - IMAGE) / IMAGE


def dual(make):
    return lambda y: make(y, conv()(layers.Identity()(y)))


KEEPS = {
    # the first convolution's input is always kept and left out here
    "nothing": ([], 0),
    "convolution": ([conv()], 1),
    "two convolutions": ([conv(), conv()], 2),
    "fused relu": ([conv(activation="relu")], 2),
    "fused gelu keeps what is before it": ([conv(activation="gelu")], 2),
    "relu": ([layers.Activation("relu")], 1),
    "relu then convolution keep the same tensor": ([layers.ReLU(), conv()], 1),
    "sigmoid": ([layers.Activation("sigmoid")], 1),
    "silu keeps its input": ([layers.Activation("silu")], 1),
    "silu then convolution": ([layers.Activation("silu"), conv()], 2),
    "gelu as an operation": ([ops.gelu, conv()], 2),
    "linear": ([layers.Activation("linear"), conv()], 1),
    "batch normalisation": ([layers.BatchNormalization()], 1),
    "frozen batch normalisation": ([layers.BatchNormalization(trainable=False)], 0),
    "conv norm relu conv": ([layers.BatchNormalization(), layers.ReLU(), conv()], 2),
    "frozen convolution passes the gradient on": ([conv(trainable=False)], 0),
    "frozen convolution and relu": ([conv(trainable=False), layers.ReLU()], 1),
    "max pooling": ([layers.MaxPooling2D(2)], 1.25),
    "average pooling": ([layers.AveragePooling2D(2)], 0),
    "up-sampling": ([layers.UpSampling2D(2)], 0),
    "bilinear": ([layers.Resizing(8, 8)], 0),
    "padding": ([layers.ZeroPadding2D(1)], 0),
    "dropout keeps one byte each and makes a tensor": ([layers.ReLU(), layers.Dropout(0.5), conv()], 2.25),
    "no dropout": ([layers.ReLU(), layers.Dropout(0.0), conv()], 1),
    "noise": ([layers.GaussianNoise(0.1)], 0),
    "views": ([layers.Reshape((16, 2)), layers.Reshape((4, 4, 2)), conv()], 1),
    "add": ([dual(lambda a, b: layers.Add()([a, b]))], 1),
    "concatenate": ([dual(lambda a, b: layers.Concatenate()([a, b]))], 1),
    "multiply": ([dual(lambda a, b: layers.Multiply()([a, b]))], 2),
    "scaling by a constant": ([lambda y: y * 0.5], 0),
    "square": ([ops.square], 1),
}


@pytest.mark.parametrize("name", KEEPS)
def test_what_the_backward_pass_keeps(name):
    parts, tensors = KEEPS[name]
    assert kept(*parts) == tensors


def test_nothing_is_kept_before_the_first_trained_weight():
    x = keras.Input((4, 4, 2))
    y = layers.ReLU()(conv(trainable=False)(layers.ReLU()(conv(trainable=False)(x))))
    model = keras.Model(x, layers.ReLU()(conv()(y)))
    assert analyze(model).training_activation_bytes == 2 * IMAGE
    model.trainable = False
    assert analyze(model).training_activation_bytes == 0


def test_multiplying_by_what_does_not_learn_keeps_only_that():
    x, mask = keras.Input((4, 4, 2)), keras.Input((4, 4, 2))
    model = keras.Model([x, mask], layers.Multiply()([conv()(x), mask]))
    assert analyze(model).training_activation_bytes == 2 * IMAGE


def test_batch_normalisation_in_half_precision_keeps_a_copy():
    x = keras.Input((4, 4, 2), dtype="float16")
    y = conv(dtype="mixed_float16")(x)
    model = keras.Model(x, layers.BatchNormalization(dtype="mixed_float16")(y))
    half = IMAGE // 2
    assert analyze(model).training_activation_bytes == 2 * half + IMAGE


def test_attention_keeps_its_projections_and_scores():
    x = keras.Input((6, 8))
    model = keras.Model(x, layers.MultiHeadAttention(2, 4, value_dim=5)(x, x))
    projected, context, scores = 2 * 6 * (4 + 4 + 5), 2 * 6 * 5, 2 * 6 * 6
    assert analyze(model).training_activation_bytes == 4 * (6 * 8 + projected + context + scores)


def test_training_bytes_add_weights_gradients_and_optimizer():
    x = keras.Input((4, 4, 2))
    report = analyze(keras.Model(x, layers.BatchNormalization()(conv()(x))))
    activations, weights, trained = 2 * IMAGE, (38 + 8) * 4, (38 + 4) * 4
    assert report.training_bytes(batch=3, optimizer="sgd") == 3 * activations + weights + trained
    assert report.training_bytes(optimizer="adam") == activations + weights + 3 * trained
    assert report.weight_bytes_as("float16") == 2 * 46


def test_unknown_operations_add_nothing():
    x = Node(name="x", op="InputLayer", inputs=(), shapes=((4, 1),), dtype="float32")
    y = Node(name="y", op="mine.Layer", inputs=("x",), shapes=((4, 1),), dtype="float32")
    assert training_activations(Graph(name="g", nodes=(x, y), inputs=("x",), outputs=("y",))) == 0
