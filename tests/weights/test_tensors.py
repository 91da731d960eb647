"""Files of tensors: what is written is read, and nothing that is wrong gets in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from zoo.errors import IntegrityError, ZooError
from zoo.weights.load import check_names
from zoo.weights.metadata import from_metadata
from zoo.weights.tensors import LARGEST_HEAD, file_sha256, open_tensors, write_tensors

TENSORS = {
    "b/kernel": np.arange(24, dtype="float32").reshape(2, 3, 4),
    "a/bias": np.linspace(-1, 1, 5).astype("float16"),
    "c/scale": np.asarray([1.5, -2], ml_dtypes.bfloat16),
    "d/empty": np.zeros((0, 3), "float32"),
    "e/one": np.array(7, "float32"),
}


def file_of(head: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(head) if length is None else length).to_bytes(8, "little") + head + data


def head_of(**tensors: object) -> bytes:
    return json.dumps(tensors).encode()


def spec(shape, end, dtype="F32", start=0):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def opened(path, content: bytes):
    path.write_bytes(content)
    with open_tensors(path) as file:
        return dict(file.tensors())


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {"format": "mine"})
    with open_tensors(path, file_sha256(path)) as file:
        assert dict(file.metadata) == {"format": "mine"}
        assert {name: (found.shape, found.dtype) for name, found in file.specs.items()} == {
            name: (array.shape, array.dtype.name) for name, array in TENSORS.items()
        }
        found = dict(file.tensors())
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_wrong_hash_is_an_error_before_anything_is_given_away_as_whole(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {})
    right = file_sha256(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=f"damaged: its SHA-256 is .*must be {right}"), open_tensors(path, right) as file:
        list(file.tensors())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file, or is cut off: 0 bytes"),
        (b"1234567", "cut off"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "not a safetensors file"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "not a safetensors file"),
        (file_of(b"{}", length=2**63), "its head would be 9,223,372,036,854,775,808"),
        (file_of(b"{}", length=3), "cut off"),
        (file_of(b"{" + b" " * LARGEST_HEAD + b"}"), "allowed are up to 2,097,152"),
        (file_of(b"[" * 100_000), "not a well-formed safetensors file"),
        (file_of(b'{"a":' * 100_000), "not a well-formed safetensors file"),
        (file_of(b"\xff\xfe{}"), "not a well-formed safetensors file"),
        (file_of(b"[]"), "not a well-formed"),
        (file_of(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": 3}', bytes(4)), "names 'a' twice"),
        (file_of(head_of(a=spec([1], 4, "F31")), bytes(4)), "not a well-formed"),
        (file_of(head_of(a=spec([1], 4, "I32")), bytes(4)), "weights are of float64, float32"),
        (file_of(head_of(a=spec([2**62, 2**62], 4)), bytes(4)), "not a well-formed"),
        (file_of(head_of(a=spec([2**40], 2**42)), bytes(4)), "not a well-formed"),
        (file_of(head_of(a=spec([-1], 4)), bytes(4)), "not a well-formed"),
        (file_of(head_of(a=spec([1], 4), b=spec([1], 4)), bytes(4)), "not a well-formed"),
        (file_of(head_of(a=spec([1], 4), b=spec([1], 12, start=8)), bytes(12)), "not a well-formed"),
        (file_of(head_of(a=spec([1], 4)), bytes(3)), "not a well-formed"),
        (file_of(head_of(a=spec([1], 4)), bytes(5)), "not a well-formed"),
        (file_of(head_of(__metadata__={"x": 3}, a=spec([1], 4)), bytes(4)), "not a well-formed"),
    ],
)
def test_what_is_not_well_formed_is_refused(tmp_path, content, message):
    with pytest.raises(IntegrityError, match=message) as caught:
        opened(tmp_path / "x.safetensors", content)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 40, -1, -5])
def test_a_file_that_is_cut_off_is_refused(tmp_path, cut):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {"format": "mine"})
    content = path.read_bytes()
    with pytest.raises(IntegrityError):
        opened(path, content[: cut % len(content)])


def test_a_file_that_is_cut_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": np.zeros(100_000, "float32")}, {})
    with open_tensors(path) as file:
        os.truncate(path, 1000)
        with pytest.raises(IntegrityError, match="ends in the middle of a tensor"):
            list(file.tensors())


def test_places_that_hold_no_file_are_refused(tmp_path):
    with pytest.raises(IntegrityError, match="is not a file"), open_tensors(tmp_path):
        pass
    with pytest.raises(IntegrityError, match="No such file"), open_tensors(tmp_path / "nothing"):
        pass
    os.mkfifo(tmp_path / "pipe")  # opening one waits for a writer, unless one is careful
    with pytest.raises(IntegrityError, match="is not a file"), open_tensors(tmp_path / "pipe"):
        pass


def test_the_same_content_makes_the_same_file(tmp_path):
    tensors = {"a/kernel": np.arange(6, dtype="float32").reshape(2, 3), "b": np.ones(2, "float16")}
    metadata = {f"key {index}": 'värde, "quoted"\n' for index in range(20)}
    for name in ("one", "two", "three"):
        write_tensors(tmp_path / name, tensors, dict(reversed(metadata.items())) if name == "two" else metadata)
    assert len({(tmp_path / name).read_bytes() for name in ("one", "two", "three")}) == 1
    with open_tensors(tmp_path / "one") as file:
        assert file.metadata == metadata


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {})
    before = path.read_bytes()

    def broken(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, {"a": np.ones(3, "float32")}, {})
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(IntegrityError, match="cannot be written"):
        write_tensors(tmp_path / "nowhere" / "x.safetensors", TENSORS, {})


INPUTS = int(os.environ.get("ZOO_FUZZ_INPUTS", "400"))
words = st.sampled_from(
    ["a", "../b", "__metadata__", "dtype", "shape", "data_offsets", "F32", "BF16", "format", "resunet-zoo-1", ""]
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), words, st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
specs = st.fixed_dictionaries(
    {
        "dtype": st.one_of(st.sampled_from(["F32", "F16", "BF16", "I8"]), values),
        "shape": st.one_of(st.lists(st.integers(-1, 2**64), max_size=3), values),
        "data_offsets": st.one_of(st.lists(st.integers(-1, 2**64), min_size=2, max_size=2), values),
    }
)
heads = st.one_of(
    st.dictionaries(words, st.one_of(specs, values), max_size=3).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "x.safetensors"
    write_tensors(path, {"a": np.ones((2, 2), "float32")}, {"format": "resunet-zoo-1", "entry": "unet", "config": "{}"})
    return path, path.read_bytes()


@settings(max_examples=INPUTS, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(head=heads, data=st.binary(max_size=16), length=st.one_of(st.none(), st.none(), st.integers(0, 2**64 - 1)))
def test_made_up_heads_end_in_the_error_for_it(whole, head, data, length):
    read_to_the_end(whole[0], file_of(head, data, length))


@settings(max_examples=INPUTS, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 400)),
)
def test_changed_bytes_end_in_the_error_for_it(whole, changes, cut):
    content = bytearray(whole[1])
    for place, value in changes:
        content[place % len(content)] = value
    read_to_the_end(whole[0], bytes(content[:cut]))


def read_to_the_end(path, content: bytes) -> None:
    """Goes the way of loading; only the zoo's own errors may come out."""
    path.write_bytes(content)
    try:
        with open_tensors(path) as file:
            from_metadata(file.metadata, "x")
            check_names({name: found.shape for name, found in file.specs.items()}, {"a": (2, 2)}, "x", "y")
            assert all(array.size <= 4 for _, array in file.tensors())
    except ZooError as error:
        assert len(str(error)) < 2000


HOSTILE = {
    "huge shape": file_of(head_of(a=spec([2**34], 2**36)), bytes(64)),
    "huge head": file_of(b"{" + b" " * (LARGEST_HEAD - 2) + b"}"),
    "many names": file_of(json.dumps({f"t{i}": spec([0], 0) for i in range(30_000)}).encode()),
    "many metadata": file_of(json.dumps({"__metadata__": {f"k{i}": "v" * 20 for i in range(50_000)}}).encode()),
    "deep": file_of(b'{"a":' * 300_000),
    "not a file of tensors": os.urandom(2**20),
}

PROGRAM = """
import resource, sys, time
from zoo.errors import ZooError
from zoo.weights.load import check_names
from zoo.weights.metadata import from_metadata
from zoo.weights.tensors import open_tensors
import json, numpy, safetensors, zoo.registry, zoo.weights.manifest, msgspec
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.process_time()
for path in sys.argv[1:]:
    try:
        with open_tensors(path) as file:
            check_names({n: s.shape for n, s in file.specs.items()}, {"a": (2, 2)}, "x", "y")
            from_metadata(file.metadata, "x")
    except ZooError as error:
        print(type(error).__name__, time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)
    begin = time.process_time()
"""


def test_hostile_files_are_refused_within_a_second_and_100_megabytes(tmp_path):
    for name, content in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in HOSTILE]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *paths], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == len(HOSTILE)
    for (kind, seconds, kilobytes), name in zip(lines, HOSTILE, strict=True):
        assert kind == "IntegrityError", name
        assert float(seconds) < 1, name
        assert int(kilobytes) < 100_000, name
