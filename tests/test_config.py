from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.config import ACTIVATIONS, ModelConfig, boolean, choice, integer
from zoo.errors import ConfigError, ZooError


@dataclass(frozen=True, kw_only=True)
class SampleConfig(ModelConfig):
    """A family of the tests, with a field of every kind."""

    family: ClassVar[str] = "sample"
    depth: int = integer(3, low=2, high=8)
    filters: int = integer(8, low=1, high=512)
    batch_norm: bool = boolean(True)
    activation: str = choice("relu", ACTIVATIONS)

    @property
    def stride(self) -> int:
        return 2 ** (self.depth - 1)


@dataclass(frozen=True, kw_only=True)
class FlatConfig(ModelConfig):
    """A family for volumes only whose first axis is never halved."""

    family: ClassVar[str] = "slab"
    ranks: ClassVar[tuple[int, ...]] = (3,)
    input_shape: tuple[int | None, ...] = (None, None, None, 1)

    @property
    def size_multiples(self) -> tuple[int, ...]:
        return (1, 8, 8)


REFUSED = [
    ({"filter": 8}, r"`filter` is not a field of sample; did you mean 'filters'\? Received: filter=8; fields: input_shape,"),
    ({"x": 8}, r"`x` is not a field of sample\. Received: x=8"),
    ({"depth": 1}, r"`depth` must be a whole number from 2 to 8; the nearest is 2\. Received: depth=1"),
    ({"depth": 99}, r"the nearest is 8\. Received: depth=99"),
    ({"depth": 3.0}, r"`depth` must be a whole number from 2 to 8\. Received: depth=3\.0"),
    ({"depth": "3"}, r"Received: depth='3'"),
    ({"depth": True}, r"Received: depth=True"),
    ({"depth": None}, r"Received: depth=None"),
    ({"classes": 0}, r"`classes` must be a whole number from 1 to 65536; the nearest is 1\. Received: classes=0"),
    ({"batch_norm": 1}, r"`batch_norm` must be True or False\. Received: batch_norm=1"),
    ({"activation": "rellu"}, r"`activation` must be one of 'relu', .*; did you mean 'relu'.*\? Received: activation='rellu'"),
    ({"activation": "prelu"}, r"Received: activation='prelu'"),
    ({"activation": None}, r"Received: activation=None"),
    ({"activation": ["relu"]}, r"Received: activation=\['relu'\]"),
    ({"head_activation": "softmax"}, r"'softmax' over one class is the constant 1 .*use 'sigmoid' or 'auto', or classes=2\."),
    ({"head_activation": "logits"}, r"`head_activation` must be one of 'auto', None, 'sigmoid'"),
    ({"input_shape": (102, 64, 3)}, r"^height 102 is not a multiple of 4; use 100 or 104\. Received: input_shape="),
    ({"input_shape": (64, 2, 3)}, r"^width 2 is not a multiple of 4; use 4 or more\."),
    ({"input_shape": (101, 103, 3)}, r"^height 101 .*use 100 or 104; width 103 .*use 100 or 104\."),
    ({"input_shape": (3, 102, 102)}, r"channels come last: did you mean \(102, 102, 3\)\?"),
    ({"input_shape": (64, 64)}, r"which has one spatial axis \(1D\)"),
    ({"input_shape": (64,)}, r"which has no spatial axis"),
    ({"input_shape": ()}, r"which has no axes"),
    ({"input_shape": (8, 8, 8, 8, 1)}, r"which has 4 spatial axes"),
    ({"input_shape": (64, 64, None)}, r"^The channels are missing: .* for example \(64, 64, 3\)\. Received: .*None\)"),
    ({"input_shape": (64, 64, 64, None)}, r"for example \(64, 64, 64, 1\)"),
    ({"input_shape": (0, 64, 3)}, r"^Sizes are whole numbers from 1 to 2147483647: .*where 0 is not one"),
    ({"input_shape": (-8, 64, 3)}, r"where -8 is not one"),
    ({"input_shape": (64.0, 64, 3)}, r"where 64\.0 is not one"),
    ({"input_shape": ("64", 64, 3)}, r"where '64' is not one"),
    ({"input_shape": 64}, r"for example \(None, None, 3\)\. Received: input_shape=64"),
    ({"input_shape": None}, r"Received: input_shape=None"),
    ({"input_shape": "64,64,3"}, r"Received: input_shape='64,64,3'"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=[repr(fields)[1:-1] for fields, _ in REFUSED])
def test_a_bad_field_is_refused_in_words(fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        SampleConfig().replace(**fields)
    assert "Received" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_family_of_volumes_refuses_images():
    with pytest.raises(
        ConfigError, match=r"^slab is 3D only\. Received: input_shape=\(64, 64, 3\), which is 2D; give \(D, H, W, C\)\."
    ):
        FlatConfig(input_shape=(64, 64, 3))


def test_multiples_are_per_axis():
    assert FlatConfig(input_shape=(5, 16, 24, 1)).input_shape == (5, 16, 24, 1)
    with pytest.raises(
        ConfigError, match=r"^height 5 is not a multiple of 8; use 8 or more; width 20 .* use 16 or 24\. Received"
    ):
        FlatConfig(input_shape=(5, 5, 20, 1))


def test_values_come_out_as_plain_python():
    config = SampleConfig(input_shape=[np.int64(64), None, np.int32(3)], depth=np.int8(4), classes=np.uint16(2))
    assert config.input_shape == (64, None, 3)
    assert all(type(size) is int for size in config.input_shape if size is not None)
    assert type(config.depth) is int
    assert type(config.classes) is int
    assert hash(config) == hash(SampleConfig(input_shape=(64, None, 3), depth=4, classes=2))


def test_a_config_is_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SampleConfig().depth = 4
    with pytest.raises(TypeError):
        SampleConfig((64, 64, 3))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "sample-d3-f8"),
        ({"depth": 4, "filters": 16}, "sample-d4-f16"),
        ({"input_shape": (None, None, None, 1)}, "sample-3d-d3-f8"),
        ({"classes": 5, "batch_norm": False}, "sample-d3-f8"),
    ],
)
def test_a_config_knows_its_name(fields, name):
    assert SampleConfig(**fields).name == name


def test_a_family_of_volumes_only_has_no_3d_in_its_name():
    assert FlatConfig().name == "slab"


@pytest.mark.parametrize(
    ("fields", "activation"),
    [
        ({}, "sigmoid"),
        ({"classes": 3}, "softmax"),
        ({"head_activation": None}, None),
        ({"classes": 2, "head_activation": "sigmoid"}, "sigmoid"),
    ],
)
def test_auto_decides_the_head(fields, activation):
    assert SampleConfig(**fields).output_activation == activation


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 70), st.floats(), st.text(max_size=8), st.binary(max_size=4),
    st.sampled_from(("relu", "auto", "softmax", "conv", "nearest", "batch")), st.lists(st.integers(-2, 70), max_size=5),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2), st.just(np.int64(4)), st.just(np.arange(3)), st.just(object),
)  # fmt: skip
SIZE = st.one_of(st.none(), st.integers(-1, 300), st.integers(), st.floats(), st.text(max_size=2), st.just(np.int64(64)))
SHAPES = st.one_of(st.lists(SIZE, max_size=6), st.lists(SIZE, max_size=6).map(tuple), ANYTHING)
FIELDS = ("input_shape", "classes", "head_activation", "depth", "filters", "batch_norm", "activation", "shortcut", "upsample")


def configs() -> list[ModelConfig]:
    """One config per family and dimension."""
    first = {}
    for name in zoo.list_models():
        config = zoo.info(name).config
        first.setdefault(config.base, config)
    return list(first.values())


@given(st.sampled_from(configs()), st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), ANYTHING, max_size=3))
def test_random_fields_give_a_config_or_a_zoo_error(config, fields):
    try:
        changed = config.replace(**fields)
    except ZooError as error:
        assert "Received" in str(error)
    else:
        assert changed.replace() == changed


@given(st.sampled_from(configs()), SHAPES)
def test_random_shapes_give_a_config_or_a_zoo_error(config, shape):
    try:
        changed = config.replace(input_shape=shape)
    except ZooError as error:
        assert "Received" in str(error)
    else:
        assert isinstance(changed.input_shape, tuple)
        sized = zip(changed.input_shape, changed.size_multiples, strict=False)
        assert all(size is None or size % multiple == 0 for size, multiple in sized)


@given(st.sampled_from(configs()), st.integers(1, 2000), st.integers(1, 2000))
def test_the_sizes_that_a_message_names_are_accepted(config, height, width):
    shape = (height, width, 3) if config.ndim == 2 else (height, width, width, 1)
    try:
        config.replace(input_shape=shape)
    except ZooError as error:
        assert re.search("is not a multiple of|cannot be halved|takes square images only", str(error))
        for axis, wrong, nearest in re.findall(r"(height|width|depth axis) (\d+) is not .*?; use (\d+)", str(error)):
            assert abs(int(nearest) - int(wrong)) <= max(config.size_multiples)
            place = {"depth axis": 0, "height": config.ndim - 2, "width": config.ndim - 1}[axis]
            open_shape = [None if config.takes_open_sizes else int(nearest)] * config.ndim + [config.input_shape[-1]]
            open_shape[place] = int(nearest)
            config.replace(input_shape=tuple(open_shape))


@pytest.mark.parametrize(
    "fields", [{"classes": 10**5000}, {"classes": -(10**5000)}, {"input_shape": (10**5000, 8, 3)}, {"classes": "x" * 10**6}]
)
def test_values_without_end_are_refused_in_short(fields):
    with pytest.raises(ConfigError) as error:
        zoo.info("resunet-v1").config.replace(**fields)
    assert len(str(error.value)) < 1000


def test_an_entry_is_checked_as_a_whole():
    entry = zoo.info("resunet-v1")
    with pytest.raises(zoo.RegistryError, match=r"`config` of an entry is a zoo.ModelConfig. Received: config=None"):
        zoo.Entry(config=None, summary="", reference=entry.reference)
    with pytest.raises(ConfigError, match="height 100 is not a multiple of 16; use 96 or 112"):
        zoo.Entry(config=entry.config, summary="", reference=entry.reference, analysis_shape=(100, 96, 3))
