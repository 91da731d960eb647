"""Where tiles lie: they cover everything, their weights add up to 1, and what a tile cannot know has weight 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.prediction.tiles import mirrored, tiled_axis, whole_axis


@given(st.integers(1, 40), st.integers(0, 90), st.integers(0, 90))
def test_mirroring_is_that_of_numpy(size, before, after):
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    np.testing.assert_array_equal(mirrored(-before, size + after, size), expected)


@st.composite
def axes(draw):
    multiple = draw(st.sampled_from([1, 2, 4, 16]))
    tile = multiple * draw(st.integers(2, 12))
    overlap = multiple * draw(st.integers(0, tile // 2 // multiple))
    size = draw(st.integers(1, 9 * tile))
    reach = draw(st.none() | st.tuples(st.integers(0, 30), st.integers(0, 30)))
    return multiple, overlap, reach, tiled_axis(size, multiple, tile, overlap, reach)


@given(axes())
def test_tiles_cover_everything_and_their_weights_add_up_to_one(made):
    multiple, _, _, axis = made
    total = np.zeros(axis.padded)
    for start, weight in zip(axis.starts, axis.weights(), strict=True):
        assert start % multiple == 0
        assert (weight >= 0).all()
        total[start : start + axis.tile] += weight
    assert axis.padded >= axis.size
    assert axis.padded % multiple == 0
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(axes())
def test_what_a_cut_tile_cannot_know_does_not_count(made):
    _, overlap, reach, axis = made
    if reach is None or sum(reach) > overlap:
        return
    assert axis.trims == reach
    for place, weight in enumerate(axis.weights()):
        assert place == 0 or not weight[: reach[0]].any()
        assert place == len(axis.starts) - 1 or not weight[axis.tile - reach[1] :].any()


def test_weights_pass_smoothly_where_the_overlap_is_too_small_to_be_exact():
    axis = tiled_axis(400, 4, 128, 32, None)
    for weight in axis.weights():
        assert np.abs(np.diff(weight)).max() < 0.2
    hard = tiled_axis(400, 4, 128, 48, (22, 26))
    assert np.abs(np.diff(hard.weights()[1])).max() == 1  # no ramp is needed where both tiles are right


def test_one_tile_for_all():
    axis = whole_axis(50, 16)
    assert (axis.padded, axis.starts) == (64, (0,))
    np.testing.assert_array_equal(axis.weights()[0], 1)
    np.testing.assert_array_equal(axis.sources(48, 52), [48, 49, 48, 47])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_an_axis_shorter_than_what_is_missing_is_mirrored_again_and_again(size):
    assert set(whole_axis(size, 16).sources(0, 16)) == set(range(size))
