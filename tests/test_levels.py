"""Strides and kernels for each level and axis: defaults, sizes that follow from them, and what is refused."""

from __future__ import annotations

import pytest

import zoo
from zoo.levels import LevelsConfig
from zoo.rules import IntegerRule

SLICES = (1, (1, 2, 2), (1, 2, 2), 2, 2, (1, 2, 2))


def config(**fields):
    return zoo.info("stunet-s").config.replace(**fields)


def test_defaults_halve_at_every_level_but_the_first_with_kernels_of_3():
    given = config()
    assert isinstance(given, LevelsConfig)
    assert (given.strides, given.kernel_sizes, given.deep_supervision) == (None, None, True)
    assert given.level_strides == ((1, 1, 1), *[(2, 2, 2)] * 5)
    assert given.level_kernels == ((3, 3, 3),) * 6
    assert (given.levels, given.stride, given.size_multiples) == (6, 32, (32, 32, 32))


def test_numbers_are_for_all_axes_and_lists_may_be_lists():
    given = config(strides=[list(level) if isinstance(level, tuple) else level for level in SLICES])
    assert given.strides == SLICES
    assert given.level_strides == ((1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2))
    assert (given.stride, given.size_multiples) == (32, (4, 32, 32))
    assert config(kernel_sizes=(1, (1, 3, 5), 7, 3, 3, 3)).level_kernels[:3] == ((1, 1, 1), (1, 3, 5), (7, 7, 7))


def test_sizes_are_multiples_of_the_strides_of_their_axis():
    assert config(strides=SLICES, input_shape=(20, 256, 224, 1)).input_shape == (20, 256, 224, 1)
    with pytest.raises(zoo.ConfigError, match="depth axis 22 is not a multiple of 4; use 20 or 24; width 240 is not a multiple"):
        config(strides=SLICES, input_shape=(22, 256, 240, 1))
    assert config(strides=(1,) * 6, input_shape=(7, 1, 5, 1)).size_multiples == (1, 1, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strides": (1, 2, 2, 2, 2)}, r"`strides` needs one entry for each of the 6 levels.*\(1, 2, 2, 2, 2\), which has 5"),
        ({"kernel_sizes": (3,) * 7}, "`kernel_sizes` needs one entry for each of the 6 levels.*which has 7"),
        ({"strides": (1, 2, 2, 2, 2, (2, 2))}, r"Each entry of `strides` is one number, or 3 of them.*where \(2, 2\) has 2"),
        ({"kernel_sizes": (3, 3, 3, 3, 3, (3, 3))}, r"Each entry of `kernel_sizes`.*where \(3, 3\) has 2"),
        ({"strides": (2,) * 6}, r"`strides` starts with 1.*strides=\(2, 2, 2, 2, 2, 2\); the first is 2"),
        ({"strides": ((1, 1, 2), *[2] * 5)}, r"`strides` starts with 1.*the first is \(1, 1, 2\)"),
        ({"kernel_sizes": (3, 3, 3, 3, 3, (3, 4, 3))}, "`kernel_sizes` are odd.*use 3 or 5 for 4. Received"),
        ({"strides": (1, 2, 2, 2, 2, 9)}, "`strides` must be None, or a whole number from 1 to 8 for each level"),
        ({"kernel_sizes": (3, 3, 3, 3, 3, 17)}, "`kernel_sizes` must be None, or a whole number from 1 to 15"),
        ({"kernel_sizes": 3}, "`kernel_sizes` must be None, or a whole number"),
        ({"deep_supervision": 1}, "`deep_supervision` must be True or False"),
    ],
)
def test_what_makes_no_network_is_refused(fields, message):
    with pytest.raises(zoo.ConfigError, match=message):
        config(**fields)


def test_whole_numbers_may_be_optional():
    rule = IntegerRule(2, 5, optional=True)
    assert (rule.check("size", None), rule.check("size", 3)) == (None, 3)
    assert rule.describe() == "None, or a whole number from 2 to 5"
    with pytest.raises(zoo.ConfigError, match="`size` must be None, or a whole number from 2 to 5; the nearest is 5"):
        rule.check("size", 6)
    with pytest.raises(zoo.ConfigError, match=r"`size` must be a whole number from 2 to 5\. Received: size=None"):
        IntegerRule(2, 5).check("size", None)
