"""Preparing images: the same numbers from any way of storing them."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError

RGB = ("red", "green", "blue")


def image(*shape, dtype="uint8"):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def test_whole_numbers_are_divided_by_the_largest_of_their_type():
    prepare = zoo.Preprocessing(channels=("gray",))
    eight = image(4, 5)
    np.testing.assert_allclose(prepare(eight), eight[..., None] / 255, rtol=1e-6)
    np.testing.assert_allclose(prepare(eight.astype("uint16") * 257), prepare(eight), rtol=1e-6)
    np.testing.assert_array_equal(prepare(np.float32([[0.25, 3]])), np.float32([[[0.25], [3]]]))
    np.testing.assert_array_equal(prepare(np.array([[True, False]])), np.float32([[[1], [0]]]))
    raw = zoo.Preprocessing(channels=("ct",), scaling="none")
    np.testing.assert_array_equal(raw(np.int16([[-1000, 400]])), np.float32([[[-1000], [400]]]))
    assert prepare(eight).dtype == "float32"


def test_colour_and_gray():
    colour, gray = zoo.Preprocessing(channels=RGB), zoo.Preprocessing(channels=("gray",))
    pixels = image(4, 5, 3)
    alpha = np.concatenate([pixels, image(4, 5, 1)], axis=-1)
    np.testing.assert_array_equal(colour(alpha), colour(pixels))
    luma = (pixels / 255) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(gray(pixels)[..., 0], luma, rtol=1e-5)
    np.testing.assert_array_equal(colour(pixels[..., 0]), np.repeat(gray(pixels[..., :1]), 3, -1))
    np.testing.assert_array_equal(gray(image(4, 5, 2)), gray(image(4, 5, 2)[..., 0]))


def test_normalisations():
    pixels = image(6, 7, 3) // np.array([1, 2, 4], "uint8")
    whole = zoo.Preprocessing(channels=RGB, normalisation="image")(pixels)
    assert abs(whole.mean()) < 1e-5
    assert abs(whole.std() - 1) < 1e-5
    each = zoo.Preprocessing(channels=RGB, normalisation="channel")(pixels)
    np.testing.assert_allclose(each.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(each.std((0, 1)), 1, atol=1e-5)
    fixed = zoo.Preprocessing(channels=RGB, normalisation="fixed", mean=(0.1, 0.2, 0.3), std=(1, 2, 4))(pixels)
    np.testing.assert_allclose(fixed, (pixels / 255 - [0.1, 0.2, 0.3]) / [1, 2, 4], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(zoo.Preprocessing(channels=("gray",), normalisation="image")(np.full((3, 3), 9, "uint8")), 0)


def test_normalisation_takes_away_brightness_and_contrast():
    prepare = zoo.Preprocessing(channels=("gray",), normalisation="image")
    pixels = image(8, 8, dtype="uint16")
    np.testing.assert_allclose(prepare(pixels / 7 + 100), prepare(pixels.astype("float64")), atol=1e-4)


def test_volumes():
    prepare = zoo.Preprocessing(channels=("mr",), normalisation="image")
    assert prepare(image(4, 5, 6), ndim=3).shape == (4, 5, 6, 1)
    assert prepare(image(4, 5, 6, 1), ndim=3).shape == (4, 5, 6, 1)


def test_a_part_is_prepared_with_the_statistics_of_the_whole():
    prepare = zoo.Preprocessing(channels=RGB, normalisation="channel")
    pixels = image(9, 8, 3)
    np.testing.assert_allclose(prepare.like(pixels, pixels[2:5, 1:7]), prepare(pixels)[2:5, 1:7], atol=1e-6)


@pytest.mark.parametrize("normalisation", ["image", "channel"])
def test_statistics_of_parts_are_those_of_the_whole(normalisation):
    prepare = zoo.Preprocessing(channels=RGB, normalisation=normalisation)
    pixels = image(40, 8, 3, dtype="uint16") // np.array([1, 20, 400], "uint16")
    pixels[7:30] //= 9  # parts that differ in brightness and contrast
    found = prepare.statistics(pixels[start : start + 7] for start in range(0, 40, 7))
    np.testing.assert_allclose(prepare.apply(pixels[5:9], found), prepare(pixels)[5:9], atol=1e-6)
    for one, two in zip(found, prepare.statistics([pixels]), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_statistics_that_the_image_has_no_part_in_read_nothing():
    def unread():
        pytest.fail("was read")
        yield

    zoo.Preprocessing(channels=RGB).statistics(unread())
    zoo.Preprocessing(channels=RGB, normalisation="fixed", mean=(0, 0, 0), std=(1, 2, 3)).statistics(unread())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 5, 7)), r"read 3 channels: red, green, blue. Received: an image of 7 channels.*adapt="),
        (np.zeros((4, 5, 2)), None),
        (np.zeros((1, 4, 5, 3)), r"\(H, W\) or \(H, W, C\), without a batch. Received: shape \(1, 4, 5, 3\)"),
        (np.zeros((0, 5, 3)), r"shape \(0, 5, 3\)"),
        (np.array([["a"]]), "an array of numbers"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([[np.nan, 1]]), "not finite"),
    ],
)
def test_images_that_cannot_be_prepared(given, message):
    prepare = zoo.Preprocessing(channels=RGB)
    if message is None:
        assert prepare(given).shape == (4, 5, 3)  # gray with a channel of how opaque it is
        return
    with pytest.raises(ConfigError, match=message):
        prepare(given)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": ()}, "at least one channel"),
        ({"channels": RGB, "scaling": "255"}, "`scaling` is one of 'dtype', 'none'. Received: scaling='255'"),
        ({"channels": RGB, "normalisation": "z"}, "`normalisation` is one of"),
        ({"channels": RGB, "normalisation": "fixed"}, "one number per channel"),
        ({"channels": RGB, "normalisation": "fixed", "mean": (0, 0, 0), "std": (1, 0, 1)}, "std above 0"),
        ({"channels": RGB, "mean": (0, 0, 0)}, "none otherwise"),
    ],
)
def test_preprocessings_that_there_are_not(fields, message):
    with pytest.raises(ConfigError, match=message):
        zoo.Preprocessing(**fields)
