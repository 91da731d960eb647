"""At which input two networks are compared."""

from __future__ import annotations

import keras
import pytest

import zoo
from zoo.analysis.pair import _candidates, _Network, analyze_pair


def shapes(a, b, input_shape=None):
    """The inputs of both, found in either order."""
    first, second = (report.input_shape for report in analyze_pair(a, b, input_shape))
    assert tuple(report.input_shape for report in analyze_pair(b, a, input_shape)) == (second, first)
    return first, second


def a_model(shape=(None, None, 3), **options):
    inputs = keras.Input(shape)
    rank = len(shape) - 1
    layer = keras.layers.Conv2D if rank == 2 else keras.layers.Conv3D
    return keras.Model(inputs, layer(1, 3, **options)(inputs))


def a_config(name="resunet-v1-d3-f4", **options):
    return zoo.info(name).config.replace(**options)


class TestOwnSizes:
    def test_the_stated_size_where_it_is_the_same(self):
        assert shapes("resunet-v1-d3-f8", "unet-d3-f4") == ((256, 256, 3), (256, 256, 3))

    def test_each_keeps_its_own_channels(self):
        assert shapes("resunet-v1-d3-f8", "vnet-2d-f4") == ((256, 256, 3), (256, 256, 1))

    @pytest.mark.parametrize(
        ("a", "b", "sizes"),
        [
            ("resunet-v1-d5-f64", "resunet-v1-d3-f8", (256, 256)),  # 512 and 256
            ("deep-resunet-bilinear-d4-f64", "resunet-v1-d5-f64", (512, 512)),  # 500 is no multiple of 16, 512 suits both
            ("rsunet", "segresnet-3d-f8", (64, 64, 64)),  # fewer voxels than 32 x 160 x 160
            (a_config(input_shape=(64, 32, 3)), a_config(input_shape=(48, 48, 3)), (64, 32)),  # built for a size, and for another
        ],
    )
    def test_else_the_smaller_one_that_both_take(self, a, b, sizes):
        assert {shape[:-1] for shape in shapes(a, b)} == {sizes}

    def test_a_network_that_is_made_for_one_size_stays_at_it(self):
        made, other = _Network.of("mitb0-unet"), _Network.of("resenc-unet-d6-f32")
        assert [made.takes(sizes) for sizes in ((256, 256), (128, 128))] == [True, False]
        assert [other.takes(sizes) for sizes in ((256, 256), (128, 128))] == [True, True]
        assert _candidates(made, other) == _candidates(other, made) == [(128, 128), (256, 256)]

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ("resunet-v1-d3-f8", "resunet-v1-3d-d3-f8"),
            (a_model((40, 40, 3)), a_model((36, 36, 3))),
            (a_model((100, 100, 3)), "resunet-v1-d5-f64"),
        ],
    )
    def test_each_its_own_where_none_suits_both(self, a, b):
        first, second = shapes(a, b)
        assert first[:-1] != second[:-1]
        for given, shape in ((a, first), (b, second)):
            assert shape == (zoo.info(given).analysis_shape if isinstance(given, str) else given.input_shape[1:])


class TestOpenSizes:
    def test_what_is_open_takes_the_size_of_the_other(self):
        assert shapes(a_model(), "resunet-v1-d5-f16")[0] == (256, 256, 3)
        assert shapes(a_model((None, None, 1)), "resenc-unet-d6-f32") == ((128, 128, 1), (128, 128, 1))
        assert shapes(a_config(), a_model((64, 32, 3))) == ((64, 32, 3), (64, 32, 3))
        assert shapes(a_config(), "resenc-unet-d6-f32")[0] == (128, 128, 3)

    def test_two_open_ones_are_compared_at_the_usual_size(self):
        assert shapes(a_model(), a_config()) == ((256, 256, 3), (256, 256, 3))
        assert shapes(a_model((None, None, None, 1)), a_model((None, None, None, 2))) == ((64, 64, 64, 1), (64, 64, 64, 2))

    def test_a_model_that_does_not_take_the_size_of_the_other_is_compared_at_its_own(self):
        inputs = keras.Input((None, None, 3))
        down = keras.layers.MaxPooling2D()(inputs)
        model = keras.Model(inputs, keras.layers.Concatenate()([inputs, keras.layers.UpSampling2D()(down)]))
        assert shapes(model, a_model((35, 35, 3))) == ((256, 256, 3), (35, 35, 3))


class TestGivenSizes:
    def test_a_given_shape_is_that_of_both(self):
        assert shapes("resunet-v1-d3-f4", "vnet-2d-f4", (32, 48, 2)) == ((32, 48, 2), (32, 48, 2))

    def test_channels_may_be_left_to_each(self):
        assert shapes("resunet-v1-d3-f4", "vnet-2d-f4", (32, 48, None)) == ((32, 48, 3), (32, 48, 1))
        assert shapes(a_model((None, None, 5)), "vnet-2d-f4", [32, 48, None])[0] == (32, 48, 5)

    @pytest.mark.parametrize(
        ("a", "b", "shape", "error", "message"),
        [
            ("resunet-v1", "unet", (250, 256, 3), zoo.ConfigError, "height 250 is not a multiple of 16"),
            ("resunet-v1", "vnet", (64, 64, 3), zoo.AnalysisError, "'vnet-f16' is a 3D network.*which is 2D"),
            (a_model((8, 8, 3)), a_config(), (16, 16, 3), zoo.AnalysisError, "does not fit .*built for"),
            ("resunet-v1", "unet", 256, zoo.ConfigError, "input_shape is"),
        ],
    )
    def test_what_does_not_fit_is_said(self, a, b, shape, error, message):
        with pytest.raises(error, match=message):
            analyze_pair(a, b, shape)


class TestReports:
    def test_a_report_is_taken_as_it_is(self):
        report = zoo.analyze("resunet-v1-d3-f4", (32, 48, 3))
        assert shapes(report, "vnet-2d-f4") == ((32, 48, 3), (32, 48, 1))
        assert analyze_pair(report, report)[1] is report

    def test_its_size_cannot_be_changed(self):
        report = zoo.analyze("resunet-v1-d3-f4", (32, 48, 3))
        assert shapes(report, report, (32, 48, 3)) == ((32, 48, 3), (32, 48, 3))
        with pytest.raises(
            zoo.AnalysisError, match=r"at input_shape=\(32, 48, 3\) only. Received: input_shape=\(64, 64, 3\); leave"
        ):
            analyze_pair(report, "unet", (64, 64, 3))

    def test_two_sizes_stay_two_sizes(self):
        pair = [zoo.analyze("resunet-v1-d3-f4", (side, side, 3)) for side in (16, 32)]
        assert shapes(*pair) == ((16, 16, 3), (32, 32, 3))


def test_several_inputs_are_analysed_as_they_are():
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 1))]
    model = keras.Model(inputs, keras.layers.Concatenate()(inputs))
    assert shapes(model, "resunet-v1-d3-f4") == ((8, 8, 3), (256, 256, 3))
    assert shapes(model, model) == ((8, 8, 3), (8, 8, 3))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ("resunt-v1", zoo.UnknownModelError, "Unknown model: 'resunt-v1'; did you mean"),
        (5, zoo.AnalysisError, "functional Keras model. Received: 5 of type int"),
        (None, zoo.AnalysisError, "Received: None"),
        (keras.Sequential([keras.layers.Dense(1)]), zoo.AnalysisError, "is not built yet"),
        (keras.layers.Dense(1), zoo.AnalysisError, "Only functional"),
    ],
)
def test_what_is_no_network_is_said(wrong, error, message):
    for a, b in ((wrong, "resunet-v1-d3-f4"), ("resunet-v1-d3-f4", wrong)):
        with pytest.raises(error, match=message):
            analyze_pair(a, b)
