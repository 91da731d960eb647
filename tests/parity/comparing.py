"""Comparing what the zoo's network and its original compute."""

from __future__ import annotations

from typing import Any

import numpy as np

import zoo
from parity.case import Case, fill, label, thin
from parity.frameworks import in_order


def error(received: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest expected value."""
    assert received.shape == expected.shape
    return float(np.max(np.abs(received - expected)) / np.max(np.abs(expected)))


def filled(case: Case) -> Any:
    """Returns the zoo's network with the weights of the recorded original."""
    network = zoo.get(case.entry, head_activation=None, **case.overrides)
    fill(network, case)
    return network


def recorded_errors(case: Case, network: Any) -> list[float]:
    """Returns how far each output at each size is from the recorded one; shapes must agree."""
    errors = []
    with np.load(case.fixture) as file:
        for image in case.images():
            for place, output in enumerate(in_order(network(image, training=False))):
                assert tuple(output.shape) == tuple(file[label(f"shape{place}", image)])
                errors.append(error(thin(np.array(output)), file[label(f"output{place}", image)]))
    return errors
