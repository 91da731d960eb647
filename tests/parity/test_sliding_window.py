"""`zoo.predict` in tiles against MONAI's `sliding_window_inference`, with the same weights: result and time.

MONAI's network runs in the interpreter that `ZOO_PARITY_PYTHON` names, as in `test_live.py`. Its windows count every pixel that
a window has, also where the window's edge is seen; the zoo's tiles leave those out.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import zoo
from parity.case import fill
from parity.sliding_window import CASE, MODES, SALT
from zoo.prediction.network import network_of

TILE = 256
SIZE = (1024, 1280)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif("ZOO_PARITY_PYTHON" not in os.environ, reason="needs MONAI, in the interpreter of ZOO_PARITY_PYTHON"),
]


@pytest.fixture(scope="module")
def network():
    """The zoo's network with the weights of MONAI's."""
    model = zoo.get(CASE.entry, head_activation=None, **CASE.overrides)
    fill(model, CASE, SALT)
    return model


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((*SIZE, 3), dtype="float32")


@pytest.fixture(scope="module")
def theirs(network, image, tmp_path_factory):
    """What MONAI gives, and its seconds."""
    folder = tmp_path_factory.mktemp("windows")
    np.save(folder / "image.npy", image)
    overlap = -(-sum(network_of(network).reach[0]) // 4) * 4
    (folder / "options.json").write_text(json.dumps({"tile": TILE, "overlap": overlap, "batch": 4}))
    command = [os.environ["ZOO_PARITY_PYTHON"], "-m", "parity.sliding_window", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    seconds = json.loads((folder / "seconds.json").read_text())
    return {name: np.load(folder / f"{name}.npy") for name in ("whole", *MODES)}, seconds, overlap


def test_the_whole_image_is_that_of_the_original(network, image, theirs):
    whole = theirs[0]["whole"]
    assert np.std(whole) > 1e-2
    np.testing.assert_allclose(zoo.predict(network, image, output="logits"), whole, atol=1e-4 * np.abs(whole).max())


def test_tiles_are_nearer_to_the_whole_image_than_windows(network, image, theirs, record_property):
    found, seconds, overlap = theirs
    extent = np.abs(found["whole"]).max()
    options = {"output": "logits", "tile": TILE, "overlap": overlap, "batch": 4}
    zoo.predict(network, image, **options)
    start = time.perf_counter()
    ours = zoo.predict(network, image, **options)
    taken = time.perf_counter() - start
    whole = zoo.predict(network, image, output="logits")
    errors = {"zoo": np.abs(ours - whole).max() / extent}
    errors |= {mode: np.abs(found[mode] - found["whole"]).max() / extent for mode in MODES}
    for name, value in {**errors, **{f"seconds {name}": value for name, value in {**seconds, "zoo": taken}.items()}}.items():
        record_property(name, float(value))  # pytest --junit-xml shows them
    assert errors["zoo"] <= 1e-5
    assert errors["zoo"] < min(errors[mode] for mode in MODES) / 10
