"""Equal units are folded into one, and only where one tells the truth about all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import pytest
from layer_rows import names_in

import zoo
from zoo.render.folds import Fold, find_folds

if TYPE_CHECKING:
    from collections.abc import Callable

layers = keras.layers


def _folds(build: Callable[[object], object], name: str = "all0") -> tuple[Fold, ...]:
    inputs = keras.Input((8, 8, 4), name="in")
    report = zoo.analyze(keras.Model(inputs, build(layers.Conv2D(4, 1, name="stem")(inputs)), name="net"))
    return find_folds(report, [row for row in report.per_layer if row.block == name])


def _unit(x: object, k: int, size: int = 3, kernel: int = 3) -> object:
    y = x
    for j in range(1, size + 1):
        y = layers.Conv2D(4, kernel, padding="same", name=f"block{k}_conv{j}")(y)
        y = layers.ReLU(name=f"block{k}_act{j}")(y)
    return layers.Add(name=f"block{k}_add")([x, y])


def _chain(x: object, count: int) -> object:
    for k in range(1, count + 1):
        x = _unit(x, k)
    return x


def test_equal_units_are_one() -> None:
    assert _folds(lambda x: _chain(x, 4)) == (
        Fold(
            start=1,
            size=7,
            count=4,
            names=tuple(f"block{{1…4}}_{part}" for part in ("conv1", "act1", "conv2", "act2", "conv3", "act3", "add")),
        ),
    )


def test_two_units_are_shown_as_they_are() -> None:
    assert _folds(lambda x: _chain(x, 2)) == ()


def test_another_kernel_ends_the_run() -> None:
    (fold,) = _folds(lambda x: _unit(_chain(x, 3), 4, kernel=5))
    assert (fold.count, fold.stop) == (3, 22)


def test_a_unit_that_others_read_ends_the_run() -> None:
    """The sum of the first unit is read at the end too: the first of the units that are shown would have a line too few."""

    def build(x: object) -> object:
        first = _unit(x, 1)
        end = first
        for k in range(2, 6):
            end = _unit(end, k)
        return layers.Concatenate(name="cat")([first, end])

    (fold,) = _folds(build)
    assert (fold.start, fold.count) == (8, 4)


def test_units_that_share_an_input_are_not_folded() -> None:
    def build(x: object) -> object:
        end = x
        for k in range(1, 6):
            end = layers.Add(name=f"block{k}_all")([x, _unit(end, k)])
        return end

    assert _folds(build) == ()


def test_units_that_hand_on_two_tensors_are_not_folded() -> None:
    """A picture of one unit could not say which of the two becomes which."""

    def build(x: object) -> object:
        left = right = x
        for k in range(1, 12):
            new = layers.Conv2D(4, 3, padding="same", name=f"block{k}_conv")(right)
            right = layers.Add(name=f"block{k}_add")([left, new])
            left = new
        return right

    assert _folds(build) == ()


@pytest.mark.parametrize("name", [lambda k: "abcd"[k], lambda k: f"l{k * k}", lambda k: f"l{k}_{k}"])
def test_names_without_a_number_that_goes_up_are_not_folded(name: Callable[[int], str]) -> None:
    def build(x: object) -> object:
        for k in range(4):
            for j in range(5):
                x = layers.Conv2D(4, 3, padding="same", name=f"{name(k)}x{'vwxyz'[j]}")(x)
        return x

    assert all(fold.count * fold.size < 20 for fold in _folds(build))


def test_the_22_equal_units_of_resnet101() -> None:
    report = zoo.analyze("resnet101-unet")
    (fold,) = find_folds(report, [row for row in report.per_layer if row.block == "enc4"])
    assert (fold.count, fold.size, fold.names[0]) == (22, 10, "enc4_block{2…23}_conv1")


def test_names_stand_for_all_units() -> None:
    assert names_in("enc4_conv{13,17…25}x") == ["enc4_conv13x", "enc4_conv17x", "enc4_conv21x", "enc4_conv25x"]
    assert names_in("enc4_block{2…4}_add") == ["enc4_block2_add", "enc4_block3_add", "enc4_block4_add"]
    assert names_in("plain") == ["plain"]
