"""State dicts named and shaped like the originals', with the values of which the parity fixtures hold the outputs."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path

import numpy as np
from parity.case import Case, all_cases
from safetensors.numpy import save_file

from zoo.weights.convert.tables import resenc_unet

FIXTURE = Path(__file__).parent / "state_dicts.json.gz"
CASES = all_cases()


@functools.cache
def recorded() -> dict[str, list]:
    """What `convert_record.py` wrote: `[name, type, shape]` of each tensor, by case."""
    return json.loads(gzip.decompress(FIXTURE.read_bytes()))["state_dicts"]


def state_dict(name: str) -> dict[str, np.ndarray]:
    """A state dict with values by formula: of a case, or of torchvision's ResNet with those of the same one within smp's Unet."""
    torchvision = name.startswith("torchvision-")
    case = CASES[name.removeprefix("torchvision-")]
    kinds = {theirs: kind for theirs, _, kind in case.table()}
    tensors = {}
    for stored, dtype, shape in recorded()[name]:
        own = f"encoder.{stored}" if torchvision else resenc_unet.own_name(stored)
        if own in kinds:
            tensors[stored] = case.value(own, kinds[own], tuple(shape))
        else:
            tensors[stored] = np.full(shape, 7, dtype)  # what the network has no use for
    return tensors


def saved(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Writes a safetensors file and returns its path."""
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path)
    return path


def entry_of(case: Case) -> str:
    """The full name of the network of a case, sizes included."""
    from zoo.registry import info, resolve

    return resolve(info(case.entry), **case.overrides).name


def untold(case: Case) -> dict:
    """The overrides that a file cannot tell, or not before the others are valid: a stride of 3 needs a larger kernel."""
    fields = ("activation", "strides", "up_kernel") if case.entry.startswith("monai-unet") else ("deep_supervision",)
    given = {field: case.overrides[field] for field in fields if field in case.overrides}
    return given | ({"norm": case.overrides["norm"]} if case.overrides.get("norm", "") in ("instance", None) else {})
