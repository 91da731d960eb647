"""Formulas over the input size: they give what the analysis of that size gives, or there are none."""

from __future__ import annotations

import itertools

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from zoo import ZooError
from zoo.analysis import analyze
from zoo.analysis.polynomial import Polynomial, UndecidedError
from zoo.analysis.scaling import Sized, scaling
from zoo.analysis.sizes import least_multiples


def net(build, sizes=(None, None), channels=3, head=True):
    """A functional model of what `build` does to its input."""
    x = keras.Input((*sizes, channels), name="input")
    y = build(x)
    rank = len(sizes)
    return keras.Model(x, getattr(layers, f"Conv{rank}D")(2, 1, name="head")(y) if head else y)


def check(model, shape, others, multiples=()):
    """Asserts that the formulas from one size give the numbers at others; returns the formulas."""
    found = scaling(analyze(model, shape).graph, multiples)
    assert found is not None
    for other in (shape, *others):
        assert found.at(other) == Sized.of(analyze(model, other))
    return found


def u(x, stride=2, pad=False):
    a = layers.Conv2D(4, 3, padding="same", activation="gelu", name="a")(x)
    low = layers.ZeroPadding2D(1, name="pad")(a) if pad else a
    b = layers.Conv2D(8, 3, strides=stride, padding="valid" if pad else "same", name="b")(low)
    up = layers.UpSampling2D(stride, name="up")(b)
    return layers.Conv2D(4, 3, padding="same", name="d")(layers.Concatenate(name="cat")([up, a]))


def test_without_margins_a_number_is_a_constant_and_a_rate_per_cell():
    found = check(net(u), (16, 16, 3), [(2, 2, 3), (6, 22, 3), (128, 64, 3)])
    assert found.multiples == (2, 2)
    assert found.macs.coefficients == {(1, 1): 4 * 9 * (3 * 4 + 12 * 4) + 4 * 4 * 2 + 9 * 4 * 8}
    assert [name for _, name in found.peak] == ["cat"]


def test_margins_add_terms_in_the_sides():
    found = check(net(lambda x: u(x, pad=True)), (16, 16, 3), [(2, 4, 3), (6, 22, 3), (2, 2, 3)])
    assert set(found.activation_bytes.coefficients) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_strides_may_differ_between_axes_and_need_not_be_two():
    def build(x):
        y = layers.AveragePooling3D((1, 2, 3), name="pool")(x)
        y = layers.Conv3D(4, 3, padding="same", name="b")(y)
        return layers.Concatenate(name="cat")([layers.UpSampling3D((1, 2, 3), name="up")(y), x])

    found = check(net(build, (None,) * 3), (4, 4, 6, 3), [(1, 2, 3, 3), (5, 8, 3, 3)])
    assert found.multiples == (1, 2, 3)


def test_given_multiples_count():
    assert check(net(u), (24, 16, 3), [(12, 4, 3)], multiples=(3, 4)).multiples == (6, 4)


def test_what_does_not_depend_on_the_input_is_a_constant():
    def build(x):
        y = layers.Conv2D(8, 3, padding="same", name="a")(x)
        s = layers.Dense(4, activation="relu", name="down")(layers.GlobalAveragePooling2D(name="pool")(y))
        s = layers.Reshape((1, 1, 8), name="shape")(layers.Dense(8, activation="sigmoid", name="up")(s))
        pooled = layers.AdaptiveAveragePooling2D(1, name="mean")(y)
        pooled = layers.GlobalMaxPooling2D(keepdims=True, name="max")(layers.Conv2D(8, 3, padding="same", name="c")(pooled))
        return layers.Multiply(name="scale")([y, s, pooled])

    found = check(net(build), (8, 8, 3), [(1, 5, 3), (64, 32, 3), (1, 1, 3)])
    assert found.macs.coefficients[0, 0] == 2 * 8 * 4 + 9 * 8 * 8


def test_what_a_layer_keeps_inside_grows_or_not():
    def build(x):
        y = layers.Conv2D(8, 3, padding="same", activation="silu", name="a")(x)
        y = layers.Dropout(0.5, name="drop")(layers.SpatialDropout2D(0.5, name="channels")(y))
        return layers.BatchNormalization(dtype="float16", name="norm")(y)

    check(net(build), (8, 8, 3), [(1, 5, 3), (1, 1, 3), (64, 32, 3)])


def test_the_peak_may_move_with_the_size():
    """The squeezed vectors are the largest tensors of a small image, the image's own tensors of a large one."""

    def build(x):
        y = layers.Conv2D(8, 3, padding="same", name="a")(x)
        s = layers.Dense(4000, name="wide2")(layers.Dense(4000, name="wide")(layers.GlobalAveragePooling2D(name="pool")(y)))
        s = layers.Reshape((1, 1, 8), name="shape")(layers.Dense(8, name="narrow")(s))
        return layers.Activation("relu", name="act")(layers.Conv2D(16, 1, name="b")(layers.Multiply(name="scale")([y, s])))

    found = check(net(build), (8, 8, 3), [(1, 1, 3), (40, 40, 3), (90, 90, 3), (1, 8000, 3)])
    assert [found.at((side, side, 3)).peak_layer for side in (4, 90)] == ["wide2", "act"]
    assert {name for _, name in found.peak} == {"wide2", "act"}


def test_of_equal_peaks_the_first_counts():
    def build(x):
        return layers.ReLU(name="second")(layers.ReLU(name="first")(x))

    found = check(net(build, head=False, channels=4), (8, 8, 4), [(2, 2, 4)])
    assert [name for _, name in found.peak] == ["first"]


RESIZED = {
    "same": lambda x: layers.Conv2D(4, 3, 2, padding="same")(x),
    "valid": lambda x: layers.Conv2D(4, 3, 2, padding="valid")(layers.ZeroPadding2D(((1, 2), (2, 1)))(x)),
    "dilated": lambda x: layers.Conv2D(4, 3, dilation_rate=2, padding="same")(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(5, 2, padding="same")(x),
    "separable": lambda x: layers.SeparableConv2D(6, 3, padding="same")(x),
    "pool": lambda x: layers.MaxPooling2D(3, 2, padding="same")(x),
    "pool valid": lambda x: layers.AveragePooling2D(2)(x),
    "up": lambda x: layers.UpSampling2D(2)(x),
    "bilinear": lambda x: layers.UpSampling2D((3, 2), interpolation="bilinear")(x),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3, 2, padding="same")(x),
    "transposed valid": lambda x: layers.Cropping2D(((1, 0), (0, 1)))(layers.Conv2DTranspose(4, 3, 2)(x)),
    "relu": lambda x: layers.ReLU()(x),
    "pad": lambda x: ops.pad(x, [(0, 0), (1, 0), (0, 2), (0, 0)]),
    "softmax": lambda x: layers.Softmax(axis=(1, 2))(x),
    "mean": lambda x: x * ops.mean(x, axis=(1, 2), keepdims=True),
    "maximum": lambda x: x + ops.max(x, axis=-1, keepdims=True),
    "doubled": lambda x: layers.Concatenate()([x, layers.Conv2D(3, 1)(x)]),
}


@settings(max_examples=25)
@given(st.lists(st.sampled_from(sorted(RESIZED)), min_size=1, max_size=5))
def test_any_chain_of_operations(names):
    """Where formulas come out, they hold at every allowed size, whatever stands in the chain."""

    def build(x):
        for name in names:
            x = RESIZED[name](x)
        return x

    model = net(build)
    multiples = least_multiples(analyze(model, (96, 96, 3)).graph)
    assert multiples is not None
    shapes = [(*(step * n for step, n in zip(multiples, counts, strict=True)), 3) for counts in ((5, 3), (4, 7), (1, 1))]
    found = scaling(analyze(model, shapes[0]).graph)
    if found is None:
        if "bilinear" not in names:  # which might have another level at other sizes; else an input is too small for some layer
            with pytest.raises(ZooError):
                analyze(model, shapes[-1])
        return
    for shape in shapes[1:]:
        assert found.at(shape) == Sized.of(analyze(model, shape))


def attended(x):
    flat = layers.Reshape((-1, 4))(layers.Conv2D(4, 1)(x))
    return layers.Reshape((8, 8, 4))(layers.MultiHeadAttention(2, 4)(flat, flat))


class Foreign(layers.Layer):
    def call(self, x):
        return x * 2


@pytest.mark.parametrize(
    "build",
    [
        attended,
        lambda x: layers.Reshape((1, 1, 64 * 3))(x),
        lambda x: layers.Reshape((1, 1, 4))(layers.Dense(4)(layers.Flatten()(x))),
        lambda x: x[:, ::2, ::2],
        lambda x: x[:, :4],
        lambda x: layers.Permute((2, 1, 3))(x),
        lambda x: layers.EinsumDense("...c,cd->...d", (4,))(x),
        lambda x: layers.Resizing(4, 4)(x),
        lambda x: layers.CenterCrop(4, 4)(x),
        lambda x: x * layers.GlobalMaxPooling2D(keepdims=True)(layers.AdaptiveAveragePooling2D(2)(x)),
        lambda x: ops.image.resize(x, (4, 4)),
        lambda x: x + ops.broadcast_to(ops.mean(x, axis=(1, 2), keepdims=True), (1, 8, 8, 3)),
        lambda x: layers.Add()([x, layers.UpSampling2D(4)(layers.AdaptiveAveragePooling2D(2)(x))]),
        lambda x: layers.Concatenate(axis=1)([x, x]),
        Foreign(),
    ],
)
def test_there_are_no_formulas_for_what_is_not_provable(build):
    graph = analyze(net(build, (8, 8)), (8, 8, 3)).graph
    assert scaling(graph) is None


def test_there_are_no_formulas_where_levels_depend_on_the_size():
    """What is resized has the level of the first tensor of its size; with 3 cells along an axis that is the padded one."""

    def build(x):
        low = layers.Conv2D(4, 3, 4, padding="same", name="low")(x)
        padded = layers.Conv2D(1, 1, name="one")(layers.ZeroPadding2D(((3, 0), (3, 0)), name="pad")(low))
        weights = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(padded)
        return layers.Multiply()([layers.UpSampling2D(2, interpolation="bilinear", name="up")(low), weights])

    model = net(build)
    reports = [analyze(model, (4 * n, 4 * n, 3)) for n in (2, 3, 4)]
    levels = [{row.name: row.level for row in report.per_layer} for report in reports]
    assert [level["up"] == level["low"] for level in levels] == [False, True, False]
    assert scaling(analyze(model, (8, 8, 3)).graph) is None


def test_there_are_no_formulas_for_several_inputs():
    a, b = keras.Input((None, None, 3), name="a"), keras.Input((None, None, 3), name="b")
    model = keras.Model([a, b], layers.Conv2D(1, 1)(layers.Add()([a, b])))
    assert scaling(analyze(model, [(8, 8, 3), (8, 8, 3)]).graph) is None


def test_an_input_between_the_multiples_gives_the_multiples_only():
    graph = analyze(net(lambda x: layers.Conv2D(4, 3, 2, padding="same")(x)), (15, 16, 3)).graph
    assert scaling(graph) is None
    assert least_multiples(graph) == (2, 2)
    assert least_multiples(graph, (4, 3)) == (4, 6)


def test_a_network_that_takes_no_single_cell_has_no_formulas():
    graph = analyze(net(lambda x: layers.Conv2D(4, 3)(x)), (16, 16, 3)).graph
    assert scaling(graph) is None


@pytest.mark.parametrize("shape", [(15, 16, 3), (16, 16, 1), (16, 16), (0, 16, 3), (16, 16, 16, 3), (-2, 16, 3)])
def test_other_sizes_are_refused(shape):
    found = scaling(analyze(net(u), (16, 16, 3)).graph)
    with pytest.raises(ZooError, match=r"inputs of multiple of 2 x multiple of 2 x 3. Received: input_shape=\("):
        found.at(shape)


def n(axis, offset=0, rate=1):
    return Polynomial.linear(2, axis, offset, rate)


def test_polynomials_are_numbers():
    h, w = n(0, 2, 3), n(1, -1, 4)
    for a, b in itertools.product((1, 2, 7), repeat=2):
        x, y = 2 + 3 * a, 4 * b - 1
        pairs = [(h * w + 5, x * y + 5), (2 * h - w, 2 * x - y), (h - h, 0), (7 + h * h * w, 7 + x * x * y), (h * 0, 0)]
        assert [polynomial.at((a, b)) for polynomial, _ in pairs] == [value for _, value in pairs]
    assert n(0) * n(1) == n(1) * n(0)
    assert (n(0) - n(0)).coefficients == {}


def test_polynomials_compare_for_all_counts_or_not_at_all():
    assert n(0) * n(1) + 1 > n(0)
    assert not n(0) > n(0)
    assert not n(0) > n(0) * n(1)  # equal where the other count is 1, never above
    assert n(0, 0, 3) > 2
    assert 2 < n(0, 0, 3)  # noqa: SIM300
    for a, b in ((n(0), n(1)), (n(0, 0, 3), n(0, 3, 1))):
        with pytest.raises(UndecidedError):
            a > b  # noqa: B015
