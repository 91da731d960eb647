"""Reading HDF5 files that mean harm: each is refused at once, and for little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from weights import convert_hostile

from zoo.errors import IntegrityError, WeightsError
from zoo.weights import hdf5
from zoo.weights.tensors import TensorSpec

REASONS = {
    "external-link": "'weight' is a link to another file",
    "external-group": "'layers' is a link to another file",
    "soft-link": "'b' is a link to another place",
    "dangling-link": "'b' is a link to another place",
    "external-storage": "'weight' is kept in another file",
    "virtual": "'weight' is kept in another file",
    "strings": "'weight' has the type object",
    "fixed-strings": "'weight' has the type |S2",
    "ragged": "'weight' has the type object",
    "reference": "'weight' has the type object",
    "compound": "not one of plain numbers",
    "complex": "'weight' has the type complex64",
    "named-type": "'type' is neither a group nor a dataset",
    "dots": "'..' is not a name",
    "dots-inside": "'a..b' is not a name",
    "escape": r"'a\x1b[31m' is not a name",
    "null": "'weight' is empty",
    "compressed": "'weight' is compressed",
    "checksummed": "'weight' is compressed or filtered",
    "unallocated": "declares 1,073,741,824 bytes and stores 0",
    "chunked": "declares 1,073,741,824 bytes and stores 0",
    "huge-chunk": "larger than the tensor (4,)",
    "cycle": "'layers/again' is a second name of another object",
    "two-names": "'b' is a second name of another object",
    "nested": "nested more than 32 deep",
    "many": "more than 50,000 objects",
    "truncated": "truncated file",
    "no-hdf5": "the HDF5 library says",
    "empty": "it does not start like one",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What opening each file came to, with the time and the memory that it took."""
    folder = tmp_path_factory.mktemp("hostile") / "files"
    folder.mkdir()
    root = Path(hdf5.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, convert_hostile.__file__, str(folder)], capture_output=True, text=True, env={"PYTHONPATH": str(root)}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_every_file_has_a_reason(outcomes):
    assert set(outcomes["files"]) == {*REASONS, "good"}
    assert set(convert_hostile.MAKERS) <= set(REASONS)
    assert outcomes["files"]["good"]["outcome"] == "read"


@pytest.mark.parametrize("name", REASONS)
def test_it_is_refused_at_once_and_for_little_memory(name, outcomes):
    found = outcomes["files"][name]
    assert found["outcome"].startswith("IntegrityError: ")
    assert REASONS[name] in found["outcome"]
    assert found["seconds"] < 1
    assert found["megabytes"] < 100


def test_bytes_changed_at_random_never_lead_to_anything_else(outcomes):
    kinds = {outcome.partition(":")[0] for outcome in outcomes["damaged"]}
    assert kinds == {"read", "IntegrityError"}


@pytest.fixture
def file(tmp_path):
    """Two tensors, one of them in a group."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as made:
        made["a/b"] = np.arange(6, dtype="float32").reshape(2, 3)
        made["c"] = np.int64(7)
    return path


def test_names_shapes_and_types_come_first_and_tensors_as_asked(file):
    specs = hdf5.datasets(file)
    assert specs == {"a/b": TensorSpec(shape=(2, 3), dtype="float32"), "c": TensorSpec(shape=(), dtype="int64")}
    arrays = hdf5.read(file, ("c", "a/b"))
    assert list(arrays) == ["c", "a/b"]
    np.testing.assert_array_equal(arrays["a/b"], [[0, 1, 2], [3, 4, 5]])
    assert arrays["c"].dtype == np.int64
    assert hdf5.read(file, {"c": specs["c"]})["c"] == 7


def test_the_caller_sets_how_much_a_tensor_may_declare(file):
    with pytest.raises(IntegrityError, match=r"'a/b' declares 24 bytes, more than the 23 that are allowed"):
        hdf5.datasets(file, most_bytes=23)
    with pytest.raises(IntegrityError, match="more than the 23 that are allowed"):
        hdf5.read(file, ("a/b",), most_bytes=23)
    assert len(hdf5.datasets(file, most_bytes=24)) == 2


def test_a_file_that_changed_in_between_is_refused_before_it_is_read(file):
    specs = hdf5.datasets(file)
    with h5py.File(file, "r+") as made:
        del made["a/b"]
        made["a/b"] = np.zeros((2000, 3), "float32")
    with pytest.raises(IntegrityError, match=r"'a/b' is .*\(2000, 3\).*, not .*\(2, 3\).* as before"):
        hdf5.read(file, specs)
    with h5py.File(file, "r+") as made:
        del made["a/b"]
        made["a/b"] = h5py.ExternalLink("secret.h5", "/x")
    with pytest.raises(IntegrityError, match="'a/b' is a link to another file"):
        hdf5.read(file, specs)


@pytest.mark.parametrize("name", ["nowhere", "a", "a/b/c", "a/nowhere", "", "/", "../x"])
def test_what_is_no_dataset_cannot_be_read(name, file):
    with pytest.raises(IntegrityError, match="has no dataset"):
        hdf5.read(file, (name,))


def test_a_path_that_is_no_file_is_said_to_be_none(tmp_path):
    with pytest.raises(WeightsError, match="which does not exist"):
        hdf5.datasets(tmp_path / "x.h5")
    with pytest.raises(WeightsError, match="which is a folder"):
        hdf5.read(tmp_path, ("a",))
