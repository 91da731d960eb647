"""The zoo's networks against the originals, run live in a process of their own with other weights than the recorded ones.

TensorFlow and PyTorch in one process may crash. `ZOO_PARITY_PYTHON` names an interpreter that has the originals' libraries
(`make parity` makes one); `ZOO_PARITY_PYTHON_MXNET` one with mxnet. Originals that are on no index need a clone in the folder
that `ZOO_ORIGINALS` names: `python -m parity.record --checkouts` prints the commands.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from weights.convert_cases import entry_of, untold

import zoo
from parity.case import Case, all_cases, checkout_folder, fill, label
from parity.comparing import error
from parity.frameworks import float64, in_order, keras_run
from zoo.errors import IntegrityError
from zoo.weights.convert import convert

SALT = "live "
CASES = all_cases()

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="double precision and gradients on TensorFlow"),
]


def interpreter(case: Case) -> str:
    """The Python that runs a case; skips the test where there is none."""
    variable = "ZOO_PARITY_PYTHON_MXNET" if "mxnet" in case.needs else "ZOO_PARITY_PYTHON"
    if case.layout == "torch" and variable in os.environ:
        return os.environ[variable]
    missing = [module for module in case.needs if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, here or in the interpreter that {variable} names")
    return sys.executable


@pytest.mark.parametrize("name", CASES)
def test_outputs_input_gradients_and_parameters_are_those_of_the_original(name, tmp_path):
    case = CASES[name]
    if case.checkout and not checkout_folder(case.checkout).exists():
        pytest.skip(f"needs a clone of {case.checkout}; `cd tests && python -m parity.record --checkouts` prints how")
    path = tmp_path / "live.npz"
    command = [interpreter(case), "-m", "parity.record", "--live", str(path), name, SALT]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    live = np.load(path)

    single = zoo.get(case.entry, head_activation=None, **case.overrides)
    with float64():
        double = zoo.get(case.entry, head_activation=None, **case.overrides)
    for network in (single, double):
        fill(network, case, SALT)
    if not case.unused:
        assert sum(int(np.prod(weight.shape)) for weight in single.trainable_weights) == live["parameters"]
    for image in case.images():
        outputs, gradient = keras_run(double, image)
        for place, output in enumerate(in_order(single(image, training=False))):
            expected = live[label(f"output{place}", image)]
            assert np.std(expected) > 1e-3
            assert error(np.array(output), expected) <= 1e-5
            assert error(outputs[place], expected) <= case.tolerance
        assert error(gradient, live[label("gradient", image)]) <= case.tolerance


# Files that the originals' libraries write become the zoo's networks.

FORMS = ("plain.pt", "old.pth", "data-parallel.pth", "compiled.pt", "nnunet.pth", "half.pt", "model.safetensors")
CONVERTED = {
    "resnet18": ("plain.pt", "model.safetensors"),
    "monai-unet": FORMS,
    "monai-unet-3d": ("data-parallel.pth",),
    "segresnet-3d": ("data-parallel.pth", "plain.pt"),
    "resenc-2d-one-output": FORMS,
    "resenc-3d-slices": ("nnunet.pth",),
}
HOSTILE = {
    "bomb.pt": "asks for posix.system, which is not a tensor: loading it could run code",
    "bare.pt": "asks for posix.system, which is not a tensor: loading it could run code",
    "module.pt": "asks for torch.nn.modules.conv.Conv2d",
    "number.pt": "'conv1.weight' is not a plain tensor but a float",
    "expanded.pt": "'conv1.weight' is larger than what is stored of it",
    "complex.pt": "'conv1.weight' is of torch.complex64",
    "sparse.pt": "'conv1.weight' is not a plain tensor but a Tensor torch.sparse_coo",
    "list.pt": "it has no state dict but a list",
    "truncated.pt": "a damaged PyTorch file, perhaps cut off",
    "deflated.pt": "PyTorch does not compress its files",
    "whole.pt": "missing from the file: 'bn1.weight'",
}


def written(case: Case, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Writes files with the case's libraries; converting them reads PyTorch files with the same interpreter."""
    python = interpreter(case)
    command = [python, "-m", "weights.convert_record", *arguments]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setenv("ZOO_TORCH_PYTHON", python)


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_files_compute_what_the_original_does(name, tmp_path, monkeypatch):
    case = CASES[name]
    written(case, monkeypatch, "--live", str(tmp_path), name, SALT)
    live = np.load(tmp_path / "live.npz")
    network = zoo.get(case.entry, head_activation=None, **case.overrides)
    for form in CONVERTED[name]:
        converted = convert(tmp_path / form, entry_of(case), head_activation=None, **untold(case))
        for variable in network.variables:
            variable.assign(converted.tensors[variable.path])
        for image in case.images():
            for place, output in enumerate(in_order(network(image, training=False))):
                expected = live[label(f"output{place}", image)]
                assert error(np.array(output), expected) <= (2e-2 if form == "half.pt" else 1e-5), form


def test_hostile_files_are_refused_and_nothing_in_them_runs(tmp_path, monkeypatch):
    written(CASES["monai-unet"], monkeypatch, "--hostile", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == set(HOSTILE)
    for name, said in HOSTILE.items():
        with pytest.raises(IntegrityError) as caught:
            convert(tmp_path / name, "resnet34-unet", source="torchvision")
        assert said in str(caught.value), name
    assert not (tmp_path / "exploded").exists()
