"""Reads a PyTorch file and writes its tensors as safetensors, in a process of its own: `python torch_reader.py FILE OUT`.

PyTorch and TensorFlow in one process may crash, and what cannot be read safely is better met elsewhere. The interpreter
needs PyTorch and NumPy, nothing else, so it can be one of another environment.

Only tensors are unpickled (`weights_only=True`), and beside them numbers of NumPy, which the checkpoints of nnU-Net have in
their logs. Tensors that share their memory are written once; the metadata names the others.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

DONE, NO_TORCH, REFUSED = 0, 3, 4
"""What the process ends with; the reason is on its standard output."""

OLDEST = (2, 6)
"""Before PyTorch 2.6, `weights_only=True` could be made to run code (CVE-2025-32434)."""

WRAPPERS = ("state_dict", "model_state_dict", "network_weights", "model")
"""Keys under which programs keep a state dict beside other things."""

DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "int16": "I16",
    "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")


class Refused(Exception):
    """The file is not one of plain tensors."""


def harmless() -> list[Any]:
    """Returns what may be unpickled beside tensors: scalars of NumPy, under the names that NumPy 1 and 2 give them."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), np.dtype, *(type(np.dtype(kind)) for kind in NUMBERS)]


def loaded(path: str, torch: Any) -> Any:
    """Returns what the file has.

    Raises:
        Refused: It cannot be read, or has objects that are not tensors.
    """
    try:
        with torch.serialization.safe_globals(harmless()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  whatever a damaged or hostile file leads to
        raise Refused(reason(error)) from None


def reason(error: Exception) -> str:
    """Says why a file was refused, without PyTorch's advice on how to load it all the same."""
    text = " ".join(str(error).split())
    asked = re.search(r"GLOBAL ([\w.]+)", text)
    if asked:
        return f"it asks for {asked[1]}, which is not a tensor: loading it could run code"
    own = text.rpartition("WeightsUnpickler error: ")[2].partition(" Check the documentation")[0]
    return f"PyTorch says: {type(error).__name__}: {own[:300]}"


def state_dict(value: Any, torch: Any) -> dict[str, Any]:
    """Returns the tensors by name, out of what other things they are kept with.

    Raises:
        Refused: There is no state dict, or it has something else than plain tensors.
    """
    for _ in range(4):
        inner = [value[key] for key in WRAPPERS if isinstance(value, dict) and isinstance(value.get(key), dict)]
        if not inner:
            break
        value = inner[0]
    if not isinstance(value, dict) or not value:
        message = f"it has no state dict but a {type(value).__name__}; save `model.state_dict()`"
        raise Refused(message)
    for name, tensor in value.items():
        plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout is torch.strided
        if not isinstance(name, str) or not plain or tensor.is_quantized or tensor.device.type != "cpu":
            kind = getattr(tensor, "layout", "")
            message = f"{name!r} is not a plain tensor but a {type(tensor).__name__} {kind}".rstrip()
            raise Refused(message[:300])
        if str(tensor.dtype).removeprefix("torch.") not in DTYPES:
            message = f"{name!r} is of {tensor.dtype}, which is no type of weights"
            raise Refused(message[:300])
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            message = f"{name!r} is larger than what is stored of it"
            raise Refused(message[:300])
    return value


def write(tensors: dict[str, Any], path: Path, torch: Any) -> None:
    """Writes a safetensors file: the size of the head, the head, the bytes of the tensors."""
    head: dict[str, Any] = {}
    first: dict[Any, str] = {}
    aliases: dict[str, str] = {}
    end = 0
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and key in first:
            aliases[name] = first[key]
            continue
        first[key] = name
        size = tensor.numel() * tensor.element_size()
        kind = DTYPES[str(tensor.dtype).removeprefix("torch.")]
        head[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps({**head, "__metadata__": {"aliases": json.dumps(aliases)}}).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in head:
            flat = tensors[name].detach().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().data if flat.numel() else b"")


def main(path: str, out: str) -> int:
    """Reads `path`, writes `out`, and returns how the process ends."""
    here = Path(__file__).parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here.resolve()]  # its modules are not PyTorch's
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        sys.stdout.write(f"{error}")
        return NO_TORCH
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST:
        sys.stdout.write(f"PyTorch {torch.__version__} is too old")
        return NO_TORCH
    try:
        write(state_dict(loaded(path, torch), torch), Path(out), torch)
    except Refused as error:
        sys.stdout.write(str(error))
        return REFUSED
    return DONE


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
