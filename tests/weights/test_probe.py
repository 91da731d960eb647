"""The image that every machine can make, and comparing what networks make of it."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest

import zoo
from zoo.weights.entry import ProbeOutput
from zoo.weights.probe import make_probe, probe_error, probe_image, run_probe

OUTPUT = ProbeOutput(shape=(2, 2, 1), mean=0.5, std=0.1, minimum=0.0, maximum=1.0, values=(0.0, 1.0))


@pytest.mark.parametrize(("shape", "crc"), [((64, 64, 3), 4105240057), ((32, 32, 32, 1), 482336071), ((16, 24, 2), 326187456)])
def test_the_image_is_the_same_everywhere(shape, crc):
    image = probe_image(shape)
    assert image.shape == shape
    assert image.dtype == "uint8"
    assert zlib.crc32(image.tobytes()) == crc
    assert image.std() > 20


def test_differences_are_parts_of_the_range():
    other = ProbeOutput(shape=(2, 2, 1), mean=0.5, std=0.1, minimum=0.0, maximum=1.0, values=(0.0, 0.75))
    assert probe_error((OUTPUT,), (OUTPUT,)) == 0
    assert probe_error((other,), (OUTPUT,)) == 0.25
    assert probe_error((), (OUTPUT,)) == math.inf
    wider = ProbeOutput(shape=(2, 3, 1), mean=0.5, std=0.1, minimum=0.0, maximum=1.0, values=(0.0, 1.0))
    assert probe_error((wider,), (OUTPUT,)) == math.inf
    nothing = ProbeOutput(shape=(2, 2, 1), mean=math.nan, std=0.1, minimum=0.0, maximum=1.0, values=(0.0, 1.0))
    assert probe_error((nothing,), (OUTPUT,)) == math.inf


def test_every_output_is_looked_at_and_the_image_is_prepared():
    model = zoo.get("unet3plus-d3-f2", deep_supervision=True)
    probe = make_probe(model, (4, 4), None)
    assert len(probe.outputs) == len(model.outputs) > 1
    assert probe_error(run_probe(model, probe.shape, probe.seed, None), probe.outputs) == 0
    prepared = zoo.Preprocessing(channels=("red", "green", "blue"), normalisation="image")
    assert probe_error(run_probe(model, probe.shape, probe.seed, prepared), probe.outputs) > 0.01
    assert all(np.isfinite(output.values).all() for output in probe.outputs)
