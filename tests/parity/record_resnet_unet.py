"""Records what `segmentation_models_pytorch.Unet` computes with weights by formula, for tests that run without PyTorch.

    cd tests && python -m parity.record_resnet_unet

writes the fixtures; it needs torch and segmentation-models-pytorch, not Keras. A file holds, per image size, the output and
every 4th pixel of the gradient of `sum(output * cotangent)` by the image, channels last, computed in double and stored in
single precision, and how it was made. `--live FILE ENCODER SALT` instead writes everything in double precision, for weights
with that salt, with the names of all tensors: the parity test runs this in a process of its own.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import numpy as np

from parity import formula

FIXTURES = Path(__file__).parent / "fixtures"
SIZES = {"resnet18": ((64, 64), (64, 96)), "resnet34": ((64, 64), (64, 96)), "resnet50": ((64, 64),), "resnet101": ((32, 64),)}
LIVE_SIZES = ((64, 64), (64, 96))
STEP = 4


def filled(encoder: str, salt: str = ""):
    """Returns smp's network in evaluation mode and double precision, every tensor but the counters set by formula."""
    import segmentation_models_pytorch
    import torch

    model = segmentation_models_pytorch.Unet(encoder, encoder_weights=None, in_channels=3, classes=1).eval().double()
    with torch.no_grad():
        for name, tensor in weights_of(model).items():
            tensor.copy_(torch.tensor(formula.weight(name, tuple(tensor.shape), salt)))
    return model


def weights_of(model) -> dict:
    """Returns the state dict without the counters of batches."""
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def run(model, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns output (1, H, W, 1) and gradient by the image (1, H, W, 3) of a torch model."""
    import torch

    image = torch.tensor(formula.image(size).transpose(0, 3, 1, 2), dtype=torch.float64, requires_grad=True)
    output = model(image)
    (output * torch.tensor(formula.cotangent(size).transpose(0, 3, 1, 2))).sum().backward()
    return tuple(tensor.detach().numpy().transpose(0, 2, 3, 1) for tensor in (output, image.grad))


def provenance(encoder: str) -> str:
    """Returns how a fixture was made, as JSON."""
    import segmentation_models_pytorch
    import torch
    import torchvision

    facts = {
        "command": "cd tests && python -m parity.record_resnet_unet",
        "model": "segmentation_models_pytorch.Unet(encoder, encoder_weights=None, in_channels=3, classes=1).eval().double()",
        "encoder": encoder,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "segmentation_models_pytorch": segmentation_models_pytorch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    return json.dumps(facts)


def record_fixtures() -> None:
    """Writes one file per encoder."""
    for encoder, sizes in SIZES.items():
        model = filled(encoder)
        arrays = {"provenance": np.array(provenance(encoder))}
        for size in sizes:
            output, gradient = run(model, size)
            arrays[f"output_{size[0]}x{size[1]}"] = output.astype("float32")
            arrays[f"gradient_{size[0]}x{size[1]}"] = gradient[:, ::STEP, ::STEP].astype("float32")
        np.savez_compressed(FIXTURES / f"{encoder}.npz", **arrays)


def record_live(path: str, encoder: str, salt: str) -> None:
    """Writes one file for the parity test."""
    model = filled(encoder, salt)
    parameters = sum(tensor.numel() for tensor in model.parameters())
    arrays = {"names": np.array(list(weights_of(model))), "parameters": np.array(parameters)}
    for size in LIVE_SIZES:
        arrays[f"output_{size[0]}x{size[1]}"], arrays[f"gradient_{size[0]}x{size[1]}"] = run(model, size)
    np.savez(path, **arrays)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--live"]:
        record_live(*sys.argv[2:])
    else:
        record_fixtures()
