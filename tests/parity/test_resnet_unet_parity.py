"""The ResNet U-Nets against a live `segmentation_models_pytorch`.

PyTorch runs in a process of its own, as TensorFlow and PyTorch in one process may crash. `ZOO_PARITY_PYTHON` names an
interpreter that has torch and segmentation-models-pytorch; it needs nothing else. Without it, this interpreter is tried.
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
from parity import formula, resnet_unet
from parity.record_resnet_unet import LIVE_SIZES

PYTHON = os.environ.get("ZOO_PARITY_PYTHON") or sys.executable
SALT = "live "

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="double precision and gradients on TensorFlow"),
    pytest.mark.skipif(
        "ZOO_PARITY_PYTHON" not in os.environ and importlib.util.find_spec("segmentation_models_pytorch") is None,
        reason="needs segmentation-models-pytorch, here or in the interpreter that ZOO_PARITY_PYTHON names",
    ),
]


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "resnet50", "resnet101"])
def test_outputs_input_gradients_and_parameters_are_those_of_smp(encoder, tmp_path):
    path = tmp_path / "live.npz"
    command = [PYTHON, "-m", "parity.record_resnet_unet", "--live", str(path), encoder, SALT]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True)
    live = np.load(path)
    assert {name for name, _, _ in resnet_unet.table(encoder)} == set(live["names"].tolist())

    single = zoo.get(f"{encoder}-unet", head_activation=None)
    with resnet_unet.float64():
        double = zoo.get(f"{encoder}-unet", head_activation=None)
    for network in (single, double):
        resnet_unet.fill(network, encoder, lambda name, shape: formula.weight(name, shape, SALT))
    assert sum(int(np.prod(weight.shape)) for weight in single.trainable_weights) == live["parameters"]

    for size in LIVE_SIZES:
        image, cotangent = formula.image(size), formula.cotangent(size)
        output, gradient = (live[f"{kind}_{size[0]}x{size[1]}"] for kind in ("output", "gradient"))
        assert np.std(output) > 1e-2
        assert resnet_unet.error(np.array(single(image, training=False)), output) <= 1e-5
        assert resnet_unet.error(np.array(double(image, training=False)), output) <= 1e-10
        assert resnet_unet.error(resnet_unet.input_gradient(double, image, cotangent), gradient) <= 1e-10
