"""Which weights there are: manifests of the package, of plug-ins, of the environment, and added ones."""

from __future__ import annotations

import json

import msgspec
import pytest

import zoo
from zoo.errors import RegistryError, UnknownModelError, UnknownWeightsError
from zoo.weights import library
from zoo.weights.manifest import LARGEST, manifest_bytes, parse_manifest, record_from, to_fields

ROW = {
    "name": "unet-d2-f2.cells-v1",
    "sources": ["https://example.org/x.safetensors"],
    "bytes": 10,
    "sha256": "0" * 64,
    "licence": "CC0-1.0",
    "data_licence": "CC-BY-4.0",
    "task": "cells",
}


def entry_of(**fields):
    return zoo.WeightsEntry(**{**ROW, "sources": tuple(ROW["sources"]), **fields})


def text_of(*rows, **fields) -> bytes:
    return json.dumps({"format": 1, "weights": [{**ROW, **row} for row in rows], **fields}).encode()


@pytest.fixture(autouse=True)
def _own_manifests(monkeypatch):
    """Each test sees only what it adds, besides the package's own."""
    monkeypatch.delenv(library.VARIABLE, raising=False)
    library.forget_manifests()
    yield
    library.forget_manifests()


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(
        text_of({}, {"name": "unet-d2-f2.cells-v2", "default": True}, {"name": "resunet-v2-d3-f4.roads-v1", "task": "roads"})
    )
    return path


def test_added_weights_are_listed_and_found(manifest):
    names = zoo.add_weights(manifest)
    assert names == ["unet-d2-f2.cells-v1", "unet-d2-f2.cells-v2", "resunet-v2-d3-f4.roads-v1"]
    assert set(names) <= set(zoo.list_weights())
    assert zoo.list_weights("unet-*", task="CELL*") == names[:2]
    assert zoo.list_weights("unet-d2-f2") == names[:2]
    assert zoo.list_weights("*.cells-v2") == names[1:2]
    assert zoo.list_weights("unet-*", licence="CC0*", data_licence="cc-by-*") == names[:2]
    assert zoo.list_weights("unet-*", licence="MIT") == []
    entry = zoo.weights_info(names[0])
    assert (entry.entry, entry.tag, entry.config.name) == ("unet-d2-f2", "cells-v1", "unet-d2-f2")
    assert zoo.weights_info("unet-d2-f2.default").tag == "cells-v2"
    assert zoo.weights_info("resunet-v2-d3-f4.default").tag == "roads-v1"


def test_entries_of_the_catalog_know_their_weights():
    name = zoo.list_models("resunet-v2-*")[0]
    before = zoo.list_models(has_weights=True)
    zoo.add_weights(entry_of(name=f"{name}.cells-v1"))
    assert set(zoo.list_models(has_weights=True)) == {*before, name}
    assert name not in zoo.list_models(has_weights=False)


def test_manifests_of_the_environment(manifest, monkeypatch):
    monkeypatch.setenv(library.VARIABLE, f" {manifest} , ")
    assert "resunet-v2-d3-f4.roads-v1" in zoo.list_weights()
    manifest.write_bytes(text_of({"name": "unet-d2-f2.other-v1"}))
    assert "unet-d2-f2.other-v1" in zoo.list_weights()
    assert "resunet-v2-d3-f4.roads-v1" not in zoo.list_weights()
    monkeypatch.setenv(library.VARIABLE, f"{manifest},{manifest}")
    with pytest.raises(RegistryError, match=r"'unet-d2-f2.other-v1' are defined twice: by .*manifest.json and by"):
        zoo.list_weights()
    monkeypatch.setenv(library.VARIABLE, "/nowhere/manifest.json")
    with pytest.raises(RegistryError, match=r"/nowhere/manifest.json cannot be read: No such file"):
        zoo.list_weights()


def test_a_manifest_from_elsewhere_is_fetched_once(manifest):
    calls = []

    def fetch(request):
        calls.append(request.url)
        return [manifest.read_bytes()]

    undo = zoo.register_fetcher("mine", fetch)
    try:
        assert len(zoo.add_weights("mine:there")) == 3
        assert calls == ["mine:there"]
    finally:
        undo()


def test_a_manifest_from_elsewhere_is_not_read_without_end(manifest):
    def fetch(request):
        while True:
            yield bytes(2**20)

    undo = zoo.register_fetcher("mine", fetch)
    try:
        with pytest.raises(zoo.DownloadError, match="more than 4,194,304 bytes"):
            zoo.add_weights("mine:there")
    finally:
        undo()


def test_what_is_taken_is_not_added(manifest):
    zoo.add_weights(entry_of())
    with pytest.raises(RegistryError, match=r"'unet-d2-f2\.cells-v1' exist already"):
        zoo.add_weights(manifest)
    assert "unet-d2-f2.cells-v2" not in zoo.list_weights()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "unet-d2-f2.cells-v3",
            UnknownWeightsError,
            r"has no weights 'cells-v3'; did you mean 'cells-v[12]'.*It has: 'cells-v1'",
        ),
        ("unet-d3-f2.cells-v1", UnknownWeightsError, r"none are published for it. 'cells-v1' exists for unet-d2-f2."),
        ("unet-d2-f2", UnknownWeightsError, "names a network, not weights: those are called <entry>.<tag>"),
        ("unot-d2-f2.cells-v1", UnknownModelError, "did you mean"),
        (7, UnknownWeightsError, "is a string such as"),
    ],
)
def test_weights_that_there_are_not(manifest, name, kind, message):
    zoo.add_weights(manifest)
    with pytest.raises(kind, match=message):
        zoo.weights_info(name)


def test_a_manifest_is_written_as_it_is_read(manifest):
    entries = parse_manifest(manifest.read_bytes(), "x")
    metric = zoo.Metric(name="Dice", value=0.9, data="cells", split="val", protocol="as it is", images=3)
    card = {"metrics": (metric,), "recipe": zoo.Recipe(command="make"), "palette": ((1, 2, 3),), "classes": ("cell",)}
    entries = (entries[0].replace(overrides=(("classes", 2), ("input_shape", (None, None, 1))), **card), *entries[1:])
    assert parse_manifest(manifest_bytes(entries), "x") == entries
    assert entries[0].config.classes == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a manifest"),
        (b"\xff", "is not a manifest"),
        (b"[" * 5000, "is not a manifest"),
        (b"[]", "Expected `object`, got `array`"),
        (b" " * (LARGEST + 1), "a manifest has 4,194,304 at most"),
        (b'{"format": 2, "weights": []}', "format=2"),
        (b'{"format": 1}', "must have exactly 'format' and 'weights'"),
        (text_of(more=1), "must have exactly"),
        (text_of({}, {}), "'unet-d2-f2.cells-v1' twice"),
        (text_of({"sha265": ""}), r"weights\[0\]: unknown field 'sha265'; did you mean 'sha256'"),
        (text_of({"bytes": "10"}), r"Expected `int`, got `str` - at `\$.bytes`"),
        (text_of({"bytes": 0}), "`bytes` is the size of the file, received 0"),
        (text_of({"sha256": "0" * 63}), "`sha256` is 64 hexadecimal digits"),
        (text_of({"sources": []}), "names no place to get the file from"),
        (text_of({"sources": ["x.safetensors"]}), "'x.safetensors' has no scheme"),
        (text_of({"licence": ""}), "`licence` is missing"),
        (text_of({"name": "unet-d2-f2.v1"}), "the tag 'v1' is not <data set>-v<number>"),
        (text_of({"name": "UNet.cells-v1"}), "Ill-formed model name"),
        (text_of({"recipe": {"comand": "x"}}), "unknown field 'comand'; did you mean 'command'"),
        (text_of({"palette": [[1, 2, 3]]}), "one colour per class"),
        (text_of({"classes": ["a"], "palette": [[1, 2, 300]]}), "from 0 to 255"),
        (text_of({"preprocessing": {"channels": []}}), "at least one channel"),
        (json.dumps({"format": 1, "weights": [{"name": "unet.cells-v1"}]}).encode(), "missing required field `sources`"),
    ],
)
def test_manifests_that_are_wrong_say_where(content, message):
    with pytest.raises(RegistryError, match=message):
        parse_manifest(content, "the manifest")


def test_defaults_are_left_out():
    assert msgspec.json.decode(msgspec.json.encode(to_fields(entry_of(default=False)))) == ROW
    assert record_from(to_fields(zoo.Card(task="x")), zoo.Card, "x") == zoo.Card(task="x")
    assert msgspec.json.decode(manifest_bytes(())) == {"format": 1, "weights": []}


class Point:
    value = "mine:X"
    name = "mine"
    dist = None

    def __init__(self, named):
        self.named = named

    def load(self):
        if isinstance(self.named, Exception):
            raise self.named
        return self.named


@pytest.mark.parametrize("kind", ["entry", "tuple", "path"])
def test_plugins_bring_weights(manifest, monkeypatch, kind):
    named = {"entry": entry_of(), "tuple": (entry_of(),), "path": manifest}[kind]
    monkeypatch.setattr(library, "entry_points", lambda group: [Point(named)])
    assert "unet-d2-f2.cells-v1" in zoo.list_weights()
    assert library.broken_manifests() == {}


@pytest.mark.parametrize("named", [ImportError("no mine"), (3,), "/nowhere"])
def test_a_plugin_that_does_not_load_breaks_nothing_else(monkeypatch, named):
    monkeypatch.setattr(library, "entry_points", lambda group: [Point(named)])
    zoo.add_weights(entry_of())
    assert "unet-d2-f2.cells-v1" in zoo.list_weights()
    assert list(library.broken_manifests()) == ["mine (unknown package: mine:X)"]
    with pytest.raises(UnknownWeightsError, match=r"the plug-in mine .* could not be loaded and may define them"):
        zoo.weights_info("resunet-v2-d2-f2.x-v1")
