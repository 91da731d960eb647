"""What blocks are made of, against what the papers say of the networks, and against small networks made by hand."""

from __future__ import annotations

import keras
import pytest
from keras import layers
from reports import report_of

from zoo.analysis import analyze


@pytest.mark.parametrize(
    ("name", "block", "traits"),
    [
        ("resunet-v1-d5-f64", "enc2", ("1 residual add",)),
        ("unet-d5-f64", "enc2", ()),
        ("resnet50-unet", "enc3", ("4 residual adds",)),  # He et al. 2015, table 1: 3, 4, 6, 3 units
        ("resnet50-unet", "enc4", ("6 residual adds",)),
        ("densenet121-unet", "enc3", ("dense ×12",)),  # Huang et al. 2017, table 1: 6, 12, 24, 16 layers
        ("densenet121-unet", "mid5", ("dense ×16",)),
        ("resunet-plus-plus-d4-f16", "mid3", ("1 residual add", "dilated 1 6 12 18", "squeeze-excite ×1")),
        ("resunet-a-d6-f32", "enc0", ("1 residual add", "dilated 1 3 15 31")),
        ("resunet-a-d6-f32", "mid5", ("1 residual add", "pyramid pooling ×4")),
        ("r2unet-d5-f64", "mid4", ("1 residual add", "recurrent ×3")),
        ("attention-resunet-d5-f64", "gate1", ("attention gate",)),
        ("mitb0-unet", "enc2", ("4 residual adds", "self-attention ×2")),
        ("residual-unet-3d-se-d5-f64", "dec0", ("1 residual add", "squeeze-excite ×1", "spatial excite ×1")),
        ("multiresunet-d5-f32", "skip0", ("4 residual adds",)),  # Ibtehaz and Rahman 2020: 4, 3, 2, 1 on the paths
        ("segresnet-3d-f8", "dec0", ("1 residual add",)),  # the sum with the skip is an arrow
    ],
)
def test_traits_of_entries(name, block, traits):
    assert next(found.traits for found in report_of(name).blocks if found.name == block) == traits


def only_block(x, y):
    return next(block for block in analyze(keras.Model(x, y)).blocks if block.name == "all0").traits


def test_a_sum_of_equal_branches_is_no_residual_add():
    x = keras.Input((16, 16, 4))
    branches = [layers.Conv2D(4, 3, padding="same")(x) for _ in range(3)]
    assert only_block(x, layers.Add()(branches)) == ()


def test_a_sum_of_two_branches_with_different_reach_is_one():
    x = keras.Input((16, 16, 4))
    assert only_block(x, layers.Add()([layers.Conv2D(4, 3, padding="same")(x), layers.Conv2D(4, 1)(x)])) == ("1 residual add",)


def test_an_identity_shortcut_is_a_residual_add():
    x = keras.Input((16, 16, 4))
    assert only_block(x, layers.Add()([layers.Conv2D(4, 3, padding="same")(x), x])) == ("1 residual add",)


def test_one_concatenation_is_not_dense():
    x = keras.Input((16, 16, 4))
    assert only_block(x, layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same")(x)])) == ()


def test_names_do_not_matter():
    x = keras.Input((16, 16, 4), name="gate0")
    assert only_block(x, layers.Conv2D(4, 3, padding="same", name="recurrent_dense_add")(x)) == ()
