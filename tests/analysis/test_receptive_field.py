"""The receptive field against impulses and gradients: positive weights and no maxima, so that nothing can hide."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import zoo
import zoo.depthwise
import zoo.layers
from zoo.analysis import analyze


def line(*parts, size=48, channels=1):
    x = inputs = keras.Input((size, channels))
    for part in parts:
        x = part(x)
    return keras.Model(inputs, x)


def run(model, images):
    """Calls a model; by XLA where TensorFlow's own kernels lack an operation on this CPU, as dilated transposed convolution."""
    try:
        return model(images, training=False)
    except tf.errors.InvalidArgumentError:
        return tf.function(model, jit_compile=True)(images)


def reach(model, axis=0):
    """Measures the first and last input position that each output position sees along an axis.

    The networks are linear for what is not negative, so an impulse reaches exactly the outputs whose gradient is not zero.
    """
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.0, weight.shape) if weight.name != "bias" else np.zeros(weight.shape))
    size = model.input_shape[1 + axis]
    impulses = np.zeros((size, *model.input_shape[1:]), "float32")
    np.moveaxis(impulses, axis + 1, 1)[np.arange(size), np.arange(size)] = 1
    outputs = run(model, impulses)
    outputs = np.abs(np.asarray(outputs[0] if isinstance(outputs, list) else outputs))
    seen = outputs.max(axis=tuple(a for a in range(1, outputs.ndim) if a != axis + 1)).T > 0
    return [(int(np.flatnonzero(row)[0]), int(np.flatnonzero(row)[-1])) if row.any() else None for row in seen]


def measured(model, axis=0):
    """Smallest and largest extent over the middle third of the output positions, far from the border."""
    seen = reach(model, axis)
    extents = [b - a + 1 if (a, b) != (0, -1) else 0 for a, b in (pair or (0, -1) for pair in seen)]
    third = len(extents) // 3
    return min(extents[third:-third]), max(extents[third:-third])


def conv(size, **kwargs):
    return layers.Conv1D(1, size, padding=kwargs.pop("padding", "same"), **kwargs)


def transposed(size, strides, **kwargs):
    return layers.Conv1DTranspose(1, size, strides=strides, padding=kwargs.pop("padding", "same"), **kwargs)


def resized(factor, mode="bilinear"):
    def layer(x):
        image = layers.Reshape((x.shape[1], 1, x.shape[2]))(x)
        image = layers.Resizing(round(x.shape[1] * factor), 1, interpolation=mode)(image)
        return layers.Reshape((image.shape[1], image.shape[3]))(image)

    return layer


LINES = {
    "one convolution": [conv(3)],
    "even kernels": [conv(2), conv(4)],
    "strides": [conv(3, strides=2), conv(3, strides=2), conv(3)],
    "strides of even kernels": [conv(2, strides=2), conv(4, strides=2)],
    "unpadded strides": [conv(5, strides=3, padding="valid"), conv(3)],
    "dilation": [conv(3, dilation_rate=3), conv(3, dilation_rate=2, padding="valid")],
    "causal": [conv(3, dilation_rate=2, padding="causal"), conv(2, padding="causal")],
    "pooling": [layers.AveragePooling1D(2), conv(3), layers.AveragePooling1D(3, strides=2, padding="same")],
    "depthwise": [layers.DepthwiseConv1D(3, padding="same"), layers.SeparableConv1D(1, 5, padding="same")],
    "depthwise of the zoo": [zoo.depthwise.DepthwiseConv((5,), 2), zoo.depthwise.DepthwiseConv((3,), padding="same"), conv(2)],
    "transposed depthwise 3": [conv(3, strides=2), zoo.depthwise.DepthwiseConvTranspose((3,)), conv(3)],
    "transposed depthwise 4 by 3": [conv(3, strides=3), zoo.depthwise.DepthwiseConvTranspose((4,), 3), conv(3)],
    "transposed depthwise 7, padded": [
        conv(3, strides=2),
        zoo.depthwise.DepthwiseConvTranspose((7,)),
        layers.ZeroPadding1D((1, 0)),
    ],
    "nearest": [layers.AveragePooling1D(2), conv(3), layers.UpSampling1D(2), conv(2)],
    "nearest by three": [layers.AveragePooling1D(3), conv(3), layers.UpSampling1D(3), conv(3)],
    "transposed 2": [conv(3, strides=2), transposed(2, 2), conv(3)],
    "transposed 3": [conv(3, strides=2), transposed(3, 2)],
    "transposed 4": [conv(3, strides=2), transposed(4, 2), conv(2)],
    "transposed 5 by 3": [conv(3, strides=3), transposed(5, 3)],
    "transposed unpadded": [conv(3, strides=2), transposed(3, 2, padding="valid"), conv(3)],
    "transposed dilated": [transposed(3, 1, dilation_rate=2), conv(3)],
    "transposed with output padding": [conv(3, strides=2), transposed(3, 2, output_padding=1), conv(2)],
    "transposed with no output padding": [conv(3, strides=2), transposed(3, 2, output_padding=0), conv(2)],
    "transposed 1 by 2": [transposed(1, 2), conv(3)],
    "bilinear by two": [layers.AveragePooling1D(2), resized(2), conv(3)],
    "bilinear by three halves": [conv(3), resized(1.5), conv(2)],
    "bilinear down": [resized(0.4), conv(3)],
    "bilinear down by three": [resized(1 / 3), conv(3)],
    "nearest up and down": [resized(1.75, "nearest"), conv(3), resized(0.6, "nearest")],
    "bicubic": [resized(2, "bicubic")],
    "padding and cropping": [layers.ZeroPadding1D((3, 1)), conv(3, padding="valid"), layers.Cropping1D((1, 2)), conv(2)],
    "adaptive": [layers.AdaptiveAveragePooling1D(20), conv(3)],
}


@pytest.mark.parametrize("name", LINES)
def test_lines_against_impulses(name):
    model = line(*LINES[name])
    report = analyze(model)
    assert report.status == "complete", report.unsupported
    assert report.receptive_field == (measured(model),)


@pytest.mark.parametrize("shared", [True, False])
def test_branches_merge_to_their_hull(shared):
    x = keras.Input((64, 1))
    wide, narrow = conv(3, dilation_rate=5), conv(3)
    y = layers.Concatenate()([wide(x), narrow(narrow(x)) if shared else narrow(x)])
    y = layers.Add()([y, layers.UpSampling1D(2)(layers.AveragePooling1D(2)(y))])
    model = keras.Model(x, y)
    assert analyze(model).receptive_field == (measured(model),)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_a_transposed_depthwise_convolution_lies_where_its_cut_and_its_padding_put_it(kernel):
    x = keras.Input((48, 1))
    up = zoo.depthwise.DepthwiseConvTranspose((kernel,))(conv(1, strides=2)(x))
    y = layers.Add()([layers.ZeroPadding1D((1, 0))(up), conv(1)(x)])
    model = keras.Model(x, y)
    assert analyze(model).receptive_field == (measured(model),)


def averaging(model):
    """The same network with average pooling, which no maximum can hide behind."""

    def swapped(layer):
        if isinstance(layer, layers.MaxPooling2D):
            return layers.AveragePooling2D(layer.pool_size, layer.strides, layer.padding, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=swapped)


@pytest.mark.parametrize(
    ("name", "size", "fields"),
    [
        ("resunet-v1-d2-f2", 40, {"batch_norm": False}),
        ("resunet-v1-d3-f1", 96, {"batch_norm": False}),
        ("resunet-v2-d2-f1", 48, {}),
        ("unet-d3-f1", 96, {}),
    ],
)
def test_networks_against_impulses(name, size, fields):
    config = zoo.info(name).config.replace(input_shape=(size, size, 3), head_activation=None, **fields)
    model = averaging(zoo.build(config))
    report = analyze(config)
    assert report.receptive_field == analyze(model).receptive_field
    for axis in (0, 1):
        assert report.receptive_field[axis] == measured(model, axis)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes gradients by TensorFlow's tape")
@pytest.mark.parametrize(("depth", "extent"), {2: (18, 20), 3: (44, 48), 4: (100, 108)}.items())
def test_gradients_of_resunet_v1_reach_as_far(depth, extent):
    """The gradient of one output by the image is not zero exactly where the field says; at every position of one period."""
    import tensorflow as tf

    size, period = 2 ** (depth + 4), 2 ** (depth - 1)
    name, fields = f"resunet-v1-d{depth}-f1", {"activation": "linear", "batch_norm": False, "head_activation": None}
    model = averaging(zoo.build(zoo.info(name).config.replace(input_shape=(size, period, 1), **fields)))
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.0 if weight.name == "bias" else 0.5))
    image = tf.ones((1, size, period, 1))
    extents = []
    for position in range(size // 2, size // 2 + period):
        with tf.GradientTape() as tape:
            tape.watch(image)
            output = model(image, training=False)[0, position, 0, 0]
        rows = np.flatnonzero(np.abs(tape.gradient(output, image).numpy()).sum(axis=(0, 2, 3)))
        extents.append(int(rows[-1] - rows[0] + 1))
    assert (min(extents), max(extents)) == extent == analyze(name, (256, 256, 3)).receptive_field[0]


@pytest.mark.parametrize(("depth", "extent"), {2: (18, 20), 3: (44, 48), 4: (100, 108), 5: (204, 220)}.items())
def test_the_field_of_resunet_v1(depth, extent):
    assert analyze(f"resunet-v1-d{depth}-f2", (512, 512, 3)).receptive_field == (extent, extent)
    volume = analyze(f"resunet-v1-3d-d{depth}-f1", (16, 16, 32, 1)).receptive_field
    assert len(volume) == 3


def test_the_field_of_resunet_v2():
    assert analyze("resunet-v2").receptive_field == ((207, 223), (207, 223))


def test_axes_are_told_apart():
    x = keras.Input((32, 32, 1))
    model = keras.Model(x, layers.Conv2D(1, (3, 5), dilation_rate=(1, 2), padding="same")(layers.AveragePooling2D((2, 1))(x)))
    assert analyze(model).receptive_field == (measured(model, 0), measured(model, 1)) == ((6, 6), (9, 9))


def field(make, shape=(8, 8, 4)):
    x = keras.Input(shape)
    report = analyze(keras.Model(x, make(x)))
    return report.receptive_field, report.status, report.unsupported


def squeezed(x):
    y = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
    return layers.Multiply()([x, layers.Reshape((1, 1, 4))(y)])


def attended(x):
    tokens = layers.Reshape((64, 4))(layers.Conv2D(4, 3, padding="same")(x))
    return layers.Reshape((8, 8, 4))(layers.MultiHeadAttention(1, 4)(tokens, tokens))


WHOLE = {
    "global pooling": lambda x: layers.GlobalAveragePooling2D(keepdims=True)(x),
    "classifier": lambda x: layers.Dense(3)(layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(x))),
    "flattened": lambda x: layers.Dense(3)(layers.Flatten()(layers.MaxPooling2D(2)(x))),
    "squeeze and excitation": squeezed,
    "attention over all tokens": attended,
    "mean": lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True),
    "mean without its axes": lambda x: ops.mean(x, axis=(1, 2)),
    "attention over both axes": lambda x: layers.MultiHeadAttention(1, 4)(x, x),
    "adaptive pooling to one": lambda x: layers.AdaptiveAveragePooling2D(1)(x),
    "largest of one cell": lambda x: zoo.layers.CellMax(1)(x),
    "softmax over the image": lambda x: ops.softmax(x, axis=(1, 2)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_sees_the_whole_input(name):
    assert field(WHOLE[name])[:2] == ((None, None), "complete")


KNOWN = {
    "axial attention": (lambda x: layers.MultiHeadAttention(1, 4, attention_axes=(2,))(x, x), ((1, 1), None)),
    "softmax over channels": (lambda x: ops.softmax(layers.Conv2D(4, 3, padding="same")(x)), ((3, 3), (3, 3))),
    "channels cut": (lambda x: layers.Conv2D(1, 3)(x[..., :2]), ((3, 3), (3, 3))),
    "slice": (lambda x: layers.Conv2D(1, 3)(x[:, 2:7, :, :]), ((3, 3), (3, 3))),
    "channels split": (lambda x: ops.concatenate(ops.split(x, 2, axis=-1)[::-1], axis=-1), ((1, 1), (1, 1))),
    "channels folded": (lambda x: layers.Reshape((8, 8, 4))(layers.Reshape((8, 8, 2, 2))(x)), ((1, 1), (1, 1))),
    "mean over channels": (lambda x: ops.mean(layers.Conv2D(4, 3)(x), axis=-1, keepdims=True), ((3, 3), (3, 3))),
    "broadcast of one position": (lambda x: x + layers.AveragePooling2D(8)(x), ((8, 8), (8, 8))),
    "largest of a cell": (lambda x: zoo.layers.CellMax(2)(layers.Conv2D(1, 3, padding="same")(x)), ((6, 6), (6, 6))),
    "average of the largest": (lambda x: layers.AveragePooling2D((1, 2), 1)(zoo.layers.CellMax(2)(x)), ((4, 4), (4, 8))),
    "largest channel": (lambda x: zoo.layers.ArgMax()(layers.Conv2D(3, 3)(x)), ((3, 3), (3, 3))),
    "every second column": (
        lambda x: layers.Conv2D(2, 3)(layers.Conv2D(4, 3, padding="same")(x)[:, :, ::2]),
        ((5, 5), (7, 7)),
    ),
    "cut behind an ellipsis": (lambda x: layers.Conv2D(2, 3)(x[..., 1::2, 3:, :]), ((5, 5), (3, 3))),
    "the first channel behind an ellipsis": (lambda x: layers.Conv2D(2, 3)(x)[..., :1], ((3, 3), (3, 3))),
    "matched channels": (lambda x: zoo.layers.MatchChannels(7)(layers.Conv2D(3, 3)(x)), ((3, 3), (3, 3))),
    "repeated channels": (lambda x: zoo.layers.RepeatChannels(7)(layers.Conv2D(3, 3)(x)), ((3, 3), (3, 3))),
    "resized like": (
        lambda x: zoo.layers.ResizeLike()([layers.AveragePooling2D(2)(x), layers.Conv2D(1, 7, padding="same")(x)]),
        ((4, 4), (4, 4)),
    ),
    "padded": (lambda x: layers.Conv2D(1, 3)(ops.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)))), ((3, 3), (3, 3))),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_followed(name):
    make, expected = KNOWN[name]
    assert field(make) == (expected, "complete", ())


class Mystery(layers.Layer):
    def call(self, x):
        return ops.flip(x, axis=1)


HIDDEN = {
    "permute": lambda x: layers.Permute((2, 1, 3), name="it")(x),
    "reshape": lambda x: layers.Reshape((16, 4, 4), name="it")(x),
    "reverse": lambda x: x[:, ::-1],
    "flip": lambda x: ops.flip(x, axis=1),
    "tile": lambda x: ops.tile(x, (1, 2, 1, 1)),
    "stacked beside": lambda x: layers.Concatenate(axis=1)([x, x]),
    "matrix product": lambda x: ops.matmul(x, ops.transpose(x, (0, 1, 3, 2))),
    "unknown layer": lambda x: Mystery()(x),
    "resizing that crops": lambda x: layers.Resizing(5, 4, crop_to_aspect_ratio=True)(x),
    "antialiased": lambda x: layers.Resizing(4, 4, antialias=True)(x),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_not_followed_has_no_field_and_is_named(name):
    found, status, unsupported = field(lambda x: layers.Conv2D(2, 3)(HIDDEN[name](layers.Conv2D(4, 3, padding="same")(x))))
    assert (found, status) == ((), "partial")
    assert unsupported


@pytest.mark.parametrize("target", [7, 8, 11])
def test_a_nearest_resize_takes_the_positions_that_it_says(target):
    x = keras.Input((24, 1))
    low = layers.AveragePooling1D(4)(x)
    size = layers.Conv1D(1, 25 - target)(x)
    model = keras.Model(x, zoo.layers.ResizeLike("nearest")([low, size]))
    picked = np.arange(target) * 6 // target
    assert analyze(model).receptive_field == ((4, 4),)
    values = np.arange(24, dtype="float32").reshape(1, 24, 1)
    np.testing.assert_array_equal(np.array(model(values))[0, :, 0], 1.5 + 4 * picked)


def test_slices_are_followed_in_a_network_that_was_loaded_from_its_config():
    """Its keys are lists then, and so are those of the slices."""
    x = keras.Input((16, 16, 1))
    parts = [x[..., row::2, column::2, :] for row in (0, 1) for column in (0, 1)]
    model = keras.Model(x, layers.Conv2D(1, 3)(layers.Concatenate()(parts)))
    for network in (model, keras.Model.from_config(model.get_config())):
        report = analyze(network)
        assert (report.receptive_field, report.status) == (((6, 6), (6, 6)), "complete")
        assert report.per_layer[0].level == 0
        assert report.per_layer[-1].level == 1


def test_unknown_layers_beside_the_way_do_not_matter():
    x, y = keras.Input((8, 8, 2)), keras.Input((8, 8, 2))
    out = layers.Conv2D(1, 3)(layers.Concatenate()([x, layers.Permute((2, 1, 3))(y)]))
    report = analyze(keras.Model([x, y], out))
    assert (report.receptive_field, report.status) == (((3, 3), (3, 3)), "complete")


def test_it_is_that_of_the_first_output_for_the_first_input():
    x = keras.Input((8, 8, 2))
    y = layers.Conv2D(1, 3)(x)
    model = keras.Model(x, [y, layers.GlobalAveragePooling2D()(y)])
    assert analyze(model).receptive_field == ((3, 3), (3, 3))
    a, b = keras.Input((8, 8, 2)), keras.Input((8, 8, 2))
    assert analyze(keras.Model([a, b], [layers.Conv2D(1, 3)(b), a])).receptive_field == ((0, 0), (0, 0))
