from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

import zoo
import zoo.architectures
from zoo import catalog
from zoo.entry import Numbers
from zoo.errors import ConfigError
from zoo.registry import family_entries

FAMILY = '''
"""A family that somebody adds: one file, nothing else edited."""
from dataclasses import dataclass
from typing import ClassVar
from zoo.config import ModelConfig, integer
from zoo.entry import Entry, Reference

@dataclass(frozen=True, kw_only=True)
class AddedConfig(ModelConfig):
    family: ClassVar[str] = "added"
    filters: int = integer(8, low=1, high=64)

ENTRIES = (
    Entry(config=AddedConfig(), summary="Added.", reference=Reference(title="t", authors=("a",), year=2024, url="u")),
    Entry(config=AddedConfig(filters=4), summary="Added.", reference=Reference(title="t", authors=("a",), year=2024, url="u")),
)

def build(config):
    from zoo import blocks
    inputs = blocks.image(config)
    return blocks.network(inputs, inputs, config)
'''
NUMBERS = {
    "params": 100, "trainable_params": 90, "macs": 1000, "layers": 3, "weight_bytes": 400, "activation_bytes": 1, "peak_bytes": 1,
    "peak_layer": "x", "training_activation_bytes": 1, "receptive_field": [[1, 3], None], "status": "complete",
}  # fmt: skip


@pytest.fixture
def own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of the family `added` alone, whose numbers are not stored; returns its file's folder."""
    folder = tmp_path / "architectures"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "added.py").write_text(FAMILY)
    monkeypatch.setattr(catalog, "FAMILIES_FOLDER", str(folder))
    monkeypatch.setattr(catalog, "CATALOG_FILE", str(tmp_path / "catalog.json"))
    monkeypatch.setattr(catalog, "_file", None)
    monkeypatch.setattr(zoo.architectures, "__path__", [str(folder)])
    monkeypatch.delitem(sys.modules, "zoo.architectures.added", raising=False)
    yield folder
    sys.modules.pop("zoo.architectures.added", None)


def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes the catalog file as it would be with invented numbers."""
    rows = {}
    for entry in family_entries("added"):
        row = {name: value for name, value in catalog.live_row(entry).items() if name != "entry"}
        numbers = {**NUMBERS, "input_shape": list(entry.analysis_shape), "params": 10 * entry.config.filters}
        rows[entry.name] = {**row, "config": catalog.config_fields(entry), "numbers": numbers}
    families = {"added": {"checksum": catalog.module_checksum("added"), "entries": rows}}
    Path(catalog.CATALOG_FILE).write_text(json.dumps({"families": families}))
    monkeypatch.setattr(catalog, "_file", None)


class TestFilters:
    def test_without_filters_everything_is_listed_once(self):
        names = zoo.list_models()
        assert len(names) == len(set(names)) > 10
        assert names.index("resunet-v1-d5-f64") < names.index("resunet-v1-d5-f32")

    def test_a_wildcard_is_over_full_names(self):
        assert zoo.list_models("resunet-v1-d?-f16") == ["resunet-v1-d5-f16", "resunet-v1-d4-f16", "resunet-v1-d3-f16"]
        assert zoo.list_models("*-3d-*-f64") == [name for name in zoo.list_models() if "-3d-" in name and name.endswith("-f64")]
        assert zoo.list_models("[!r]*", family="resunet-v1") == []

    def test_a_bare_base_is_its_default_entry(self):
        assert zoo.list_models("resunet-v1") == ["resunet-v1-d5-f64"]
        assert zoo.list_models("resunet-v1-3d") == ["resunet-v1-3d-d4-f16"]

    def test_a_full_name_is_that_entry(self):
        assert zoo.list_models("resunet-v1-d3-f8") == ["resunet-v1-d3-f8"]

    def test_dimension_and_family_split_the_list(self):
        every = set(zoo.list_models())
        flat, solid = (set(zoo.list_models(ndim=ndim)) for ndim in (2, 3))
        assert flat | solid == every
        assert not flat & solid
        families = {zoo.info(name).family for name in every}
        assert sorted(name for family in families for name in zoo.list_models(family=family)) == sorted(every)
        assert zoo.list_models(family="resunet") == []

    def test_filters_are_joined_by_and(self):
        assert zoo.list_models("*f64", family="resunet-v1", ndim=3) == ["resunet-v1-3d-d5-f64"]

    def test_entries_with_weights_and_without(self):
        published = {name.partition(".")[0] for name in zoo.list_weights()}
        assert published
        assert set(zoo.list_models(has_weights=True)) == published & set(zoo.list_models())
        assert set(zoo.list_models(has_weights=False)) == set(zoo.list_models()) - published

    @pytest.mark.parametrize(
        ("filters", "message"),
        [
            ({"pattern": 5}, r"^`pattern` is a wildcard such as 'resunet-\*'\. Received: pattern=5"),
            ({"pattern": None}, r"Received: pattern=None"),
            ({"ndim": 1}, r"^`ndim` is 2 \(images\) or 3 \(volumes\)\. Received: ndim=1"),
            ({"ndim": "2"}, r"Received: ndim='2'"),
            ({"max_params": -1}, r"^`max_params` is a number from 0 on, such as 5_000_000 or 5e6\. Received: max_params=-1"),
            ({"max_params": "5M"}, r"Received: max_params='5M'"),
            ({"max_macs": float("nan")}, r"^`max_macs` .*Received: max_macs=nan"),
        ],
    )
    def test_a_bad_filter_is_refused_in_words(self, filters, message):
        with pytest.raises(ConfigError, match=message):
            zoo.list_models(**filters)


class TestStored:
    def test_a_new_file_is_listed_at_once(self, own_catalog):
        assert zoo.list_models() == ["added-f8", "added-f4"]
        assert zoo.info("added").name == "added-f8"
        assert zoo.list_models(max_params=4 * 8) == ["added-f8", "added-f4"]  # counted on the spot: 3 + 1 weights

    def test_stored_numbers_answer_without_the_family(self, own_catalog, monkeypatch):
        store(own_catalog, monkeypatch)
        sys.modules.pop("zoo.architectures.added")
        assert zoo.list_models(max_params=40) == ["added-f4"]
        assert zoo.list_models(max_macs=999) == []
        assert "zoo.architectures.added" not in sys.modules

    def test_stored_numbers_belong_to_the_entry(self, own_catalog, monkeypatch):
        store(own_catalog, monkeypatch)
        numbers = zoo.info("added-f4").numbers
        assert type(numbers) is Numbers
        assert (numbers.params, numbers.flops) == (40, 2000)
        assert numbers.receptive_field == ((1, 3), None)
        assert numbers.input_shape == (256, 256, 3)

    def test_an_unlisted_size_has_no_stored_numbers(self, own_catalog, monkeypatch):
        store(own_catalog, monkeypatch)
        assert catalog.stored_numbers(zoo.info("added-f5")) is None
        assert zoo.info("added-f5").numbers.params == 4

    def test_an_edited_family_is_read_anew(self, own_catalog, monkeypatch):
        store(own_catalog, monkeypatch)
        edited = own_catalog / "added.py"
        edited.write_text(FAMILY.replace("filters=4", "filters=2"))
        os.utime(edited, (time.time() + 10,) * 2)  # Python's own cache of compiled files knows seconds and sizes only
        sys.modules.pop("zoo.architectures.added")
        assert zoo.list_models() == ["added-f8", "added-f2"]

    def test_numbers_of_an_edited_family_are_not_believed(self, own_catalog, monkeypatch):
        store(own_catalog, monkeypatch)
        (own_catalog / "added.py").write_text(FAMILY + "\n# build was edited\n")
        assert catalog.stored_numbers(zoo.info("added-f4")) is None
        assert zoo.info("added-f4").numbers.params == 4

    def test_a_removed_family_is_gone(self, own_catalog, monkeypatch):
        store(own_catalog, monkeypatch)
        (own_catalog / "added.py").unlink()
        assert zoo.list_models() == []


@pytest.mark.parametrize("module", catalog.family_modules())
def test_stored_rows_say_what_the_family_says(module):
    stored = catalog.stored_rows(module)
    assert stored is not None, f"{module}.py was edited since the numbers were stored: run `make numbers`"
    entries = {entry.name: entry for entry in family_entries(module)}
    assert list(stored) == list(entries)
    for name, row in stored.items():
        live = catalog.live_row(entries[name])
        assert {field: row[field] for field in live if field != "entry"} == {
            field: live[field] for field in live if field != "entry"
        }
        assert row["config"] == json.loads(json.dumps(catalog.config_fields(entries[name])))
        assert catalog.stored_numbers(entries[name]) is not None


@pytest.mark.parametrize(
    "name", ["resunet-v1", "resunet-v1-d5-f64", "resunet-v1-3d-d4-f16", "vnet-2d", "resenc-unet-d6", "unet-f", "d"]
)
def test_the_base_of_a_listed_name(name):
    from zoo.names import parse_name

    assert catalog.base_of(name) == parse_name(name)[0]
