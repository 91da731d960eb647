"""Multiply-accumulates of toy layers, each counted by hand; what is not understood is named."""

from __future__ import annotations

import importlib
import pkgutil

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo.depthwise
import zoo.layers
from zoo.analysis import analyze
from zoo.analysis.keras_layers import READERS
from zoo.analysis.operators import OPERATORS, kind_of


def functional(layer, *shapes, **kwargs):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(*inputs, **kwargs))


def joined(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(inputs))


ONE_INPUT = [
    # convolutions: output positions x kernel x input channels of a group x filters
    (layers.Conv1D(4, 3, padding="same"), (10, 2), 10 * 3 * 2 * 4),
    (layers.Conv1D(4, 3, padding="causal", dilation_rate=2), (10, 2), 10 * 3 * 2 * 4),
    (layers.Conv1D(4, 3, strides=2), (10, 2), 4 * 3 * 2 * 4),
    (layers.Conv2D(5, 3, padding="same", strides=2), (7, 9, 2), 4 * 5 * 9 * 2 * 5),
    (layers.Conv2D(5, (3, 2), activation="softmax"), (7, 9, 2), 5 * 8 * 6 * 2 * 5),
    (layers.Conv2D(5, 3, dilation_rate=2), (7, 9, 2), 3 * 5 * 9 * 2 * 5),
    (layers.Conv2D(6, 3, groups=2, padding="same", use_bias=False), (8, 8, 4), 64 * 9 * 2 * 6),
    (layers.Conv3D(3, 2, strides=(1, 2, 2)), (4, 6, 8, 2), 3 * 3 * 4 * 8 * 2 * 3),
    (layers.Conv3D(3, 1), (4, 6, 8, 2), 192 * 2 * 3),
    (layers.DepthwiseConv1D(3, depth_multiplier=2), (10, 3), 8 * 3 * 3 * 2),
    (layers.DepthwiseConv2D(3, strides=2, padding="same"), (8, 8, 3), 16 * 9 * 3),
    (layers.DepthwiseConv2D(3, dilation_rate=2), (8, 8, 3), 16 * 9 * 3),
    (zoo.depthwise.DepthwiseConv((3, 3), 2), (8, 8, 3), 9 * 9 * 3),
    (zoo.depthwise.DepthwiseConv((3, 3, 5), padding="same"), (4, 6, 8, 2), 192 * 45 * 2),
    (layers.SeparableConv1D(5, 3), (10, 2), 8 * (3 * 2 + 2 * 5)),
    (layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", strides=2), (8, 8, 2), 16 * (9 * 2 * 2 + 4 * 5)),
    # transposed: input positions x kernel x channels x filters, whatever the padding
    (layers.Conv1DTranspose(4, 3, strides=2), (5, 2), 5 * 3 * 4 * 2),
    (layers.Conv2DTranspose(4, 2, strides=2, padding="same"), (5, 6, 3), 30 * 4 * 3 * 4),
    (layers.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1), (5, 6, 3), 30 * 9 * 3 * 4),
    (layers.Conv2DTranspose(4, 3, dilation_rate=2), (5, 6, 3), 30 * 9 * 3 * 4),
    (layers.Conv3DTranspose(2, 2, strides=2), (2, 3, 4, 3), 24 * 8 * 3 * 2),
    (zoo.depthwise.DepthwiseConvTranspose((3, 3)), (5, 6, 3), 30 * 9 * 3),
    (zoo.depthwise.DepthwiseConvTranspose((5, 5, 5)), (2, 3, 4, 3), 24 * 125 * 3),
    # dense
    (layers.Dense(7), (5,), 5 * 7),
    (layers.Dense(7, activation="gelu"), (4, 6, 5), 24 * 5 * 7),
    (layers.EinsumDense("abc,cd->abd", (None, 7)), (4, 5), 4 * 5 * 7),
    (layers.EinsumDense("...x,xy->...y", 7), (4, 6, 5), 24 * 5 * 7),
    (layers.EinsumDense("ab...,bc->ac...", (7, None)), (4, 6), 6 * 4 * 7),
    (layers.EinsumDense("abc,bd->adc", (3, 5), bias_axes="c"), (4, 5), 4 * 5 * 3),
    (layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"), (4, 5), 4 * 5 * 2 * 3),
    (layers.SpectralNormalization(layers.Conv2D(5, 3, padding="same")), (4, 6, 2), 24 * 9 * 2 * 5),
    (layers.SpectralNormalization(layers.Dense(7)), (5,), 5 * 7),
]


@pytest.mark.parametrize(("layer", "shape", "expected"), ONE_INPUT, ids=lambda value: getattr(value, "name", None))
def test_layers_with_a_kernel(layer, shape, expected):
    model = functional(layer, shape)
    report = analyze(model)
    assert report.macs == expected
    assert report.flops == 2 * expected
    assert not [cause for cause in report.unsupported if "receptive field" not in cause]
    assert report.params == model.count_params()


FREE = [
    (layers.MaxPooling1D(2), (8, 3)), (layers.MaxPooling2D(3, strides=2, padding="same"), (8, 8, 3)),
    (layers.MaxPooling3D(2), (4, 4, 4, 1)), (layers.AveragePooling2D(2), (8, 8, 3)),
    (layers.GlobalAveragePooling2D(keepdims=True), (8, 8, 3)), (layers.GlobalMaxPooling3D(), (4, 4, 4, 2)),
    (layers.AdaptiveAveragePooling2D((3, 3)), (7, 8, 3)), (layers.AdaptiveMaxPooling1D(3), (7, 3)),
    (layers.UpSampling1D(2), (5, 3)), (layers.UpSampling2D((2, 3), interpolation="bilinear"), (4, 4, 3)),
    (layers.UpSampling3D(2), (2, 2, 2, 3)), (layers.Resizing(5, 7), (4, 4, 3)), (layers.CenterCrop(3, 3), (5, 6, 3)),
    (layers.ZeroPadding2D(((1, 2), (0, 3))), (4, 4, 3)), (layers.Cropping2D(1), (4, 4, 3)), (layers.ZeroPadding1D(2), (4, 3)),
    (layers.ZeroPadding3D(1), (4, 4, 4, 3)), (layers.Cropping1D((1, 0)), (4, 3)), (layers.Cropping3D(1), (4, 4, 4, 3)),
    (layers.BatchNormalization(), (4, 4, 3)), (layers.GroupNormalization(groups=1), (4, 4, 3)),
    (layers.LayerNormalization(), (4, 4, 3)), (layers.RMSNormalization(), (4, 4, 3)), (layers.UnitNormalization(), (4, 3)),
    (layers.Activation("silu"), (4, 3)), (layers.LeakyReLU(), (4, 3)), (layers.PReLU(), (4, 3)), (layers.Softmax(), (4, 3)),
    (layers.ELU(), (4, 3)), (layers.ReLU(max_value=6.0), (4, 3)), (layers.Dropout(0.5), (4, 3)),
    (layers.SpatialDropout2D(0.5), (4, 4, 3)), (layers.GaussianNoise(0.1), (4, 3)), (layers.Permute((2, 1)), (4, 3)),
    (layers.Flatten(), (4, 3)), (layers.Reshape((3, 4)), (4, 3)), (layers.RepeatVector(3), (4,)), (layers.Masking(), (4, 3)),
    (layers.Rescaling(1 / 255), (4, 4, 3)), (layers.Embedding(10, 4), (5,)), (layers.Identity(), (4, 3)),
    (zoo.layers.MatchChannels(5), (4, 4, 3)), (zoo.layers.ArgMax(), (4, 4, 3)),
    (zoo.layers.RepeatChannels(5), (4, 4, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape"), FREE, ids=lambda value: getattr(value, "name", None))
def test_layers_that_multiply_nothing(layer, shape):
    model = functional(layer, shape)
    report = analyze(model)
    assert (report.macs, report.params) == (0, model.count_params())
    assert all(row.macs == 0 for row in report.per_layer)


HEADS = layers.MultiHeadAttention
GROUPED = layers.GroupQueryAttention
PRODUCTS = [
    # (T, C) x (S, C): T * S * C for the scores, T * S * V for the weighted values
    (lambda: joined(layers.Attention(), (3, 4), (5, 4)), 3 * 5 * (4 + 4)),
    (lambda: joined(layers.Attention(), (3, 4), (5, 6), (5, 4)), 3 * 5 * (4 + 6)),
    (lambda: joined(layers.Attention(score_mode="concat"), (3, 4), (5, 4)), 3 * 5 * 4),
    (lambda: joined(layers.AdditiveAttention(), (3, 4), (5, 4)), 3 * 5 * (4 + 4)),
    (lambda: joined(layers.AdditiveAttention(use_scale=False), (3, 4), (5, 4)), 3 * 5 * 4),
    (lambda: joined(layers.Dot(axes=2), (3, 4), (5, 4)), 3 * 5 * 4),
    (lambda: joined(layers.Dot(axes=(1, 2)), (4, 3), (5, 4)), 3 * 5 * 4),
    (lambda: joined(layers.Dot(axes=-1), (4,), (4,)), 4),
    # projections of query, key, value, output; then scores and values
    (lambda: itself(HEADS(2, 4), (3, 8)), 4 * 3 * 8 * 8 + 2 * 9 * (4 + 4)),
    (lambda: functional(HEADS(2, 4, value_dim=5), (3, 8), (6, 8)), 3 * 64 + 6 * 64 + 6 * 80 + 3 * 80 + 2 * 18 * 9),
    (
        lambda: functional(HEADS(2, 4, output_shape=7), (3, 8), (6, 10), (6, 12)),
        3 * 8 * 8 + 6 * 12 * 8 + 6 * 10 * 8 + 3 * 8 * 7 + 2 * 18 * 8,
    ),
    (lambda: by_keyword(HEADS(2, 4), (3, 8), (6, 10)), 3 * 8 * 8 + 2 * 6 * 10 * 8 + 3 * 8 * 8 + 2 * 18 * 8),
    (lambda: itself(HEADS(1, 4), (3, 5, 8)), 4 * 15 * 8 * 4 + 15 * 15 * 8),
    (lambda: itself(HEADS(1, 4, attention_axes=(2,)), (3, 5, 8)), 4 * 15 * 8 * 4 + 3 * 5 * 5 * 8),
    (lambda: functional(GROUPED(4, 6, 2), (3, 8), (5, 8)), 3 * 8 * 24 * 2 + 5 * 8 * 8 * 2 + 6 * 15 * 8),
    (lambda: functional(GROUPED(4, 6, 2, use_gate=True), (3, 8), (5, 8)), 3 * 8 * 24 * 3 + 5 * 8 * 8 * 2 + 6 * 15 * 8),
    (lambda: functional(ops.matmul, (3, 4), (4, 5)), 3 * 4 * 5),
    (lambda: functional(lambda x: ops.matmul(x, np.ones((4, 5), "float32")), (3, 4)), 3 * 4 * 5),
    (lambda: functional(lambda x: ops.matmul(np.ones((1, 5, 3), "float32"), x), (3, 4)), 3 * 4 * 5),
    (lambda: functional(lambda x: ops.dot(x, np.ones((4, 5), "float32")), (3, 4)), 3 * 4 * 5),
    (lambda: functional(lambda x: ops.tensordot(x, np.ones((3, 4, 5), "float32"), axes=2), (3, 4)), 3 * 4 * 5),
    (lambda: functional(lambda x: ops.tensordot(x, np.ones((3, 5), "float32"), axes=[[1], [0]]), (3, 4)), 3 * 4 * 5),
    (lambda: functional(lambda a, b: ops.einsum("bij,bjk->bik", a, b), (3, 4), (4, 5)), 3 * 4 * 5),
    (lambda: functional(lambda a: ops.einsum("bij,jk->bik", a, np.ones((4, 5), "float32")), (3, 4)), 3 * 4 * 5),
]  # fmt: skip


def itself(layer, shape):
    x = keras.Input(shape)
    return keras.Model(x, layer(x, x, x))


def by_keyword(layer, query, value):
    q, v = keras.Input(query), keras.Input(value)
    return keras.Model([q, v], layer(key=v, value=v, query=q))


@pytest.mark.parametrize("number", range(len(PRODUCTS)))
def test_products(number):
    make, expected = PRODUCTS[number]
    model = make()
    report = analyze(model)
    assert report.macs == expected
    assert not [cause for cause in report.unsupported if "receptive field" not in cause]
    assert report.params == model.count_params()


def test_a_mask_is_not_taken_for_a_key():
    query, value, mask = keras.Input((3, 8)), keras.Input((6, 8)), keras.Input((3, 6), dtype="bool")
    masked = keras.Model([query, value, mask], HEADS(2, 4)(query, value, attention_mask=mask))
    assert analyze(masked).macs == analyze(functional(HEADS(2, 4), (3, 8), (6, 8))).macs


class Mine(keras.layers.Conv2D):
    def call(self, inputs):
        return super().call(inputs) + super().call(inputs)


UNKNOWN = [
    (lambda: functional(Mine(3, 3, name="mine"), (8, 8, 2)), "mine", "Mine"),
    (lambda: functional(layers.LSTM(4, name="rnn"), (5, 3)), "rnn", "LSTM"),
    (lambda: functional(layers.Bidirectional(layers.GRU(4), name="both"), (5, 3)), "both", "Bidirectional"),
    (lambda: functional(layers.ConvLSTM2D(4, 3, name="rnn"), (5, 8, 8, 3)), "rnn", "ConvLSTM2D"),
    (lambda: functional(layers.TimeDistributed(layers.Dense(4), name="time"), (5, 3)), "time", "TimeDistributed"),
    (lambda: functional(layers.Lambda(lambda x: x @ ops.transpose(x, (0, 2, 1)), name="free"), (5, 3)), "free", "Lambda"),
    (lambda: functional(lambda x: ops.conv(x, np.ones((3, 3, 2, 4), "float32")), (8, 8, 2)), "conv", "ops.Conv"),
    (lambda: functional(lambda x: ops.conv_transpose(x, np.ones((3, 3, 4, 2), "float32")), (8, 8, 2)), "conv", "ops.ConvTr"),
    (lambda: functional(lambda x: ops.depthwise_conv(x, np.ones((3, 3, 2, 1), "float32")), (8, 8, 2)), "depth", "ops.Depth"),
    (lambda: functional(lambda x: ops.max_pool(x, 2), (8, 8, 2)), "max_pool", "ops.MaxPool"),
    (lambda: functional(lambda x: ops.einsum("bij,jk,kl->bil", x, np.eye(4), np.eye(4)), (3, 4)), "einsum", "ops.Einsum"),
    (lambda: functional(lambda x: ops.dot_product_attention(x, x, x), (3, 2, 4)), "dot_product", "ops.DotProductAttention"),
    (lambda: functional(lambda x: ops.transpose(x, (1, 0)), (3,)), "transpose", "Transpose across the batch"),
]


@pytest.mark.parametrize("number", range(len(UNKNOWN)))
def test_what_is_not_understood_makes_the_report_partial_and_is_named(number):
    make, name, op = UNKNOWN[number]
    report = analyze(make())
    assert report.status == "partial"
    (cause,) = report.unsupported
    assert cause.startswith(name)
    assert op in cause
    assert next(row for row in report.per_layer if row.macs is None).name == cause.split()[0]


def test_packed_weights_are_not_counted_wrong():
    model = functional(layers.Dense(8, name="dense"), (16,))
    model.quantize("int4")
    report = analyze(model)
    assert report.macs == 16 * 8 or report.status == "partial"


def test_every_name_of_the_table_exists_in_keras():
    found = {
        kind_of(v.__name__)
        for module in (layers, zoo.layers, zoo.depthwise)
        for v in vars(module).values()
        if isinstance(v, type)
    }
    for package in ("keras.src.ops", "keras.src.activations"):
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
            if not module.name.endswith("_test"):
                found.update(
                    f"ops.{name}"
                    for name, value in vars(importlib.import_module(module.name)).items()
                    if isinstance(value, type) and issubclass(value, keras.Operation)
                )
    assert set(OPERATORS) <= found, set(OPERATORS) - found
    assert set(READERS) <= set(OPERATORS)


ELEMENTWISE = (
    "negative sign floor ceil round multiply:2 divide:2 add:2 subtract:2 maximum:2 minimum:2 power:2 square absolute log log1p "
    "sin cos erf leaky_relu celu gelu silu hard_sigmoid hard_silu softplus softsign log_sigmoid relu relu6 elu selu sigmoid tanh "
    "exp expm1 sqrt rsqrt reciprocal softmax log_softmax mean sum max min var std logsumexp equal:2 greater:2"
).split()


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_element_wise_operations_are_known_by_the_class_that_they_make(name):
    name, _, count = name.partition(":")
    inputs = [keras.Input((4, 4, 3)) for _ in range(int(count or 1))]
    report = analyze(keras.Model(inputs, getattr(ops, name)(*inputs)))
    assert report.macs == 0
    assert not [row for row in report.per_layer if row.macs is None]


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "softmax", "tanh", "leaky_relu", "log_softmax"])
def test_activations_called_as_functions(name):
    report = analyze(functional(getattr(keras.activations, name), (4, 4, 3)))
    assert (report.macs, report.status) == (0, "complete")
