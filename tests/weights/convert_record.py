"""Names and shapes of the originals' state dicts, and files that the originals write; runs where their libraries are.

    cd tests && python -m weights.convert_record

writes `state_dicts.json.gz`, so that tests without these libraries convert what is named like the real thing.
`--live FOLDER CASE SALT` writes files of one original in the forms in which they go around, and what the original computes.
"""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from parity.case import all_cases
from parity.record import filled, record_live

FIXTURE = Path(__file__).parent / "state_dicts.json.gz"
FAMILIES = ("resnet", "monai-unet", "segresnet", "resenc")
TORCHVISION = ("resnet18", "resnet34", "resnet50")


def names() -> tuple[str, ...]:
    """Names of the cases whose originals have a table in the package, but for the largest, which is named like the others."""
    return tuple(name for name in all_cases() if name.startswith(FAMILIES) and name != "resnet101")


def described(module) -> list[list]:
    """Names, types and shapes of a state dict."""
    return [[name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for name, tensor in module.state_dict().items()]


def record() -> None:
    """Writes the fixture."""
    import torchvision

    cases = all_cases()
    needed = sorted({module for name in names() for module in cases[name].needs})
    versions = {module: getattr(importlib.import_module(module), "__version__", "") for module in needed}
    dicts = {name: described(cases[name].original().module) for name in names()}
    dicts |= {f"torchvision-{name}": described(getattr(torchvision.models, name)(weights=None)) for name in TORCHVISION}
    facts = {"command": "cd tests && python -m weights.convert_record", "versions": versions, "state_dicts": dicts}
    FIXTURE.write_bytes(gzip.compress(json.dumps(facts, separators=(",", ":")).encode(), mtime=0))


def nnunet_checkpoint(module) -> dict:
    """What nnU-Net 2 saves: the weights among numbers of NumPy, the optimizer and the plans."""
    import torch

    optimizer = torch.optim.SGD(module.parameters(), 0.01, momentum=0.99, nesterov=True)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return {
        "network_weights": module.state_dict(),
        "optimizer_state": optimizer.state_dict(),
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "ema_fg_dice": [np.float32(0.4)], "train_losses": [np.float16(1)]},
        "_best_ema": np.float64(0.5),
        "current_epoch": np.int64(1000),
        "init_args": {"plans": {"patch_size": [64, 64]}, "configuration": "2d", "fold": 0, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
    }


def save_live(folder: Path, name: str, salt: str) -> None:
    """Writes the original's outputs and its weights in several forms."""
    import safetensors.torch
    import torch

    case = all_cases()[name]
    record_live(str(folder / "live.npz"), case, salt)
    module = filled(case, salt).module.float()
    torch.save(module.state_dict(), folder / "plain.pt")
    torch.save(module.state_dict(), folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": torch.nn.DataParallel(module).state_dict()}, folder / "data-parallel.pth")
    torch.save({"model": {f"_orig_mod.{key}": value for key, value in module.state_dict().items()}}, folder / "compiled.pt")
    torch.save(nnunet_checkpoint(module), folder / "nnunet.pth")
    torch.save(module.half().state_dict(), folder / "half.pt")
    safetensors.torch.save_model(filled(case, salt).module.float(), str(folder / "model.safetensors"))


def save_hostile(folder: Path) -> None:
    """Writes files that must be refused."""
    import os
    import pickle
    import zipfile

    import torch

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {folder / 'exploded'}",)

    weights = {"conv1.weight": torch.zeros(64, 3, 7, 7)}
    torch.save({**weights, "bomb": Bomb()}, folder / "bomb.pt")
    (folder / "bare.pt").write_bytes(pickle.dumps({"bomb": Bomb()}, protocol=2))
    torch.save(torch.nn.Conv2d(3, 64, 7), folder / "module.pt")
    torch.save({"state_dict": {"conv1.weight": 3.0}}, folder / "number.pt")
    torch.save({"conv1.weight": torch.zeros(1).expand(10**12)}, folder / "expanded.pt")
    torch.save({"conv1.weight": torch.zeros(3, dtype=torch.complex64)}, folder / "complex.pt")
    torch.save({"conv1.weight": torch.eye(3).to_sparse()}, folder / "sparse.pt")
    torch.save([1, 2], folder / "list.pt")
    torch.save(weights, folder / "whole.pt")
    whole = (folder / "whole.pt").read_bytes()
    (folder / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    with (
        zipfile.ZipFile(folder / "whole.pt") as source,
        zipfile.ZipFile(folder / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for member in source.infolist():
            out.writestr(member.filename, source.read(member))


def main(arguments: list[str]) -> None:
    """Runs the command line."""
    if arguments[:1] == ["--live"]:
        save_live(Path(arguments[1]), *arguments[2:])
    elif arguments[:1] == ["--hostile"]:
        save_hostile(Path(arguments[1]))
    else:
        record()


if __name__ == "__main__":
    main(sys.argv[1:])
