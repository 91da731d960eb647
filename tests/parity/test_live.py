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

import zoo
from parity.case import Case, all_cases, checkout_folder, fill, label
from parity.comparing import error
from parity.frameworks import float64, in_order, keras_run

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
