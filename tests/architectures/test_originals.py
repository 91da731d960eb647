"""Every family against recorded outputs and input gradients of its original, without the original's libraries.

How they were recorded is in each file's provenance; `tests/parity` has the recorder and the live comparison.
"""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from parity.case import all_cases, label, thin
from parity.comparing import error, filled, recorded_errors
from parity.frameworks import float64, keras_run
from parity.mutations import MUTATIONS

CASES = all_cases()


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_recorded(name):
    case = CASES[name]
    assert max(recorded_errors(case, filled(case))) <= 1e-5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="double precision needs TensorFlow")
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_input_gradients_in_double_precision_are_those_recorded(name):
    case = CASES[name]
    with float64():
        network = filled(case)
    with np.load(case.fixture) as file:
        for image in case.images():
            outputs, gradient = keras_run(network, image)
            for place, output in enumerate(outputs):
                expected = file[label(f"output{place}", image)]
                assert np.std(expected) > 1e-3, "the original is constant: the comparison would say nothing"
                assert error(thin(output), expected) <= 1e-6
            assert error(thin(gradient), file[label("gradient", image)]) <= 1e-6


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", CASES)
def test_the_recorded_outputs_notice(name, mutation):
    """A fault is noticed wherever the network has something that it can befall; the case says where that is."""
    case = CASES[name]
    network = filled(case)
    touched = MUTATIONS[mutation](network)
    assert bool(touched) == (mutation in case.mutations)
    if touched:
        assert max(recorded_errors(case, network)) > 1e-4


@pytest.mark.parametrize("name", CASES)
def test_fixtures_are_small_and_say_where_they_come_from(name):
    case = CASES[name]
    assert case.fixture.stat().st_size <= 50_000
    with np.load(case.fixture) as file:
        provenance = json.loads(str(file["provenance"]))
    assert provenance["source"] == case.source
    assert provenance["checkout"] == case.checkout
    assert set(case.needs) <= set(provenance["versions"])


def test_every_fixture_belongs_to_a_case():
    folder = next(iter(CASES.values())).fixture.parent
    assert {path.stem for path in folder.iterdir()} == set(CASES)
