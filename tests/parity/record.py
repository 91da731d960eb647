"""Records what the originals compute with weights by formula, for tests that run without their libraries.

    cd tests && python -m parity.record [CASE ...]

writes the fixtures, in an interpreter that has what the cases need. A file holds, per image size, a sample of each output
and of the gradient of `sum(output * cotangent)` by the image, channels last, computed in double and stored in single
precision, and how it was made. `--live FILE CASE SALT` instead writes everything, in double precision, for weights with
that salt: the parity tests run this in a process of its own. `--checkouts` prints the commands that fetch the clones.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import platform
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))  # Keras originals are compared on the zoo's own interpreter

import numpy as np

from parity.case import Case, all_cases, checkout_folder, label, thin


def filled(case: Case, salt: str = ""):
    """Returns the original with every tensor set by formula."""
    if case.checkout:
        sys.path.insert(0, str(checkout_folder(case.checkout)))
    network = case.original()
    tensors = network.tensors()
    kinds = {theirs: kind for theirs, _, kind in case.table()}
    unknown = (set(tensors) ^ set(kinds)) - set(case.unused)
    assert not unknown, f"tensors that only one side has: {sorted(unknown)[:9]}"
    for name, kind in kinds.items():
        network.assign(tensors[name], case.value(name, kind, tuple(tensors[name].shape), salt))
    return network


def provenance(case: Case) -> str:
    """Returns how a fixture was made, as JSON."""
    versions = {module: getattr(importlib.import_module(module), "__version__", "") for module in (*case.needs, "numpy")}
    facts = {
        "command": f"cd tests && python -m parity.record {case.name}",
        "source": case.source,
        "checkout": case.checkout,
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    return json.dumps(facts)


def record_fixture(case: Case) -> None:
    """Writes the file of one case."""
    network = filled(case)
    arrays = {"provenance": np.array(provenance(case)), "parameters": np.array(network.parameters())}
    for image in case.images():
        outputs, gradient = network.run(image)
        for place, output in enumerate(outputs):
            arrays[label(f"shape{place}", image)] = np.array(output.shape)
            arrays[label(f"output{place}", image)] = thin(output).astype("float32")
        arrays[label("gradient", image)] = thin(gradient).astype("float32")
    np.savez_compressed(case.fixture, **arrays)


def record_live(path: str, case: Case, salt: str) -> None:
    """Writes one file for the parity test."""
    network = filled(case, salt)
    arrays = {"parameters": np.array(network.parameters())}
    for image in case.images():
        outputs, arrays[label("gradient", image)] = network.run(image)
        arrays |= {label(f"output{place}", image): output for place, output in enumerate(outputs)}
    np.savez(path, **arrays)


def main(arguments: list[str]) -> None:
    """Runs the command line."""
    cases = all_cases()
    if arguments[:1] == ["--live"]:
        path, name, salt = arguments[1:]
        record_live(path, cases[name], salt)
    elif arguments[:1] == ["--checkouts"]:
        for checkout in sorted({case.checkout for case in cases.values() if case.checkout}):
            repository, _, commit = checkout.partition("@")
            folder = checkout_folder(checkout)
            print(f"git clone https://github.com/{repository} {folder} && git -C {folder} checkout {commit}")
    else:
        for case in [cases[name] for name in arguments] or cases.values():
            missing = [module for module in case.needs if importlib.util.find_spec(module) is None]
            if missing:
                print(f"{case.name}: left as it is, this interpreter has no {', '.join(missing)}")
            else:
                record_fixture(case)
                print(f"{case.name}: {case.fixture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
