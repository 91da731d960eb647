"""What MONAI computes for batches in a file: `python -m parity.monai_losses IN.npz OUT.npz`, in a process of its own.

For each batch, `NAME/labels` `(N, *spatial)` and `NAME/logits` `(N, *spatial, C)`, it writes the loss of each image, the
gradient of their sum by the logits, and scores.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def losses(channels: int) -> dict[str, Any]:
    """Returns MONAI's losses by the names that the test gives them."""
    from monai.losses import DiceCELoss, DiceLoss, FocalLoss, SoftclDiceLoss, TverskyLoss

    activation: dict[str, Any] = {"sigmoid": True} if channels == 1 else {"softmax": True, "to_onehot_y": True}
    smooth: dict[str, Any] = {"smooth_nr": 0.5, "smooth_dr": 0.5, **activation}
    found: dict[str, Any] = {
        "dice": DiceLoss(reduction="none", **smooth),
        "dice of the batch": DiceLoss(batch=True, **smooth),
        "jaccard": DiceLoss(jaccard=True, reduction="none", **smooth),
        "tversky": TverskyLoss(alpha=0.3, beta=0.7, reduction="none", **smooth),
        "dice and cross-entropy": DiceCELoss(lambda_dice=0.5, lambda_ce=2.0, **smooth),
    }
    if channels == 1:
        found["focal"] = FocalLoss(gamma=1.5, reduction="none")
        found["cldice"] = SoftclDiceLoss(iter_=3, sigmoid=True, smooth=1e-12, reduction="none")
    else:
        found["focal"] = FocalLoss(gamma=1.5, use_softmax=True, to_onehot_y=True, reduction="none")
        found["dice without background"] = DiceLoss(include_background=False, reduction="none", **smooth)
    if channels == 2:
        found["cldice"] = SoftclDiceLoss(
            iter_=3, softmax=True, to_onehot_y=True, include_background=False, smooth=1e-12, reduction="none"
        )
    return found


def per_image(kind: str, values: Any) -> Any:
    """Returns one value per image of what MONAI keeps apart: classes, and pixels, which are 0 for all but the true class."""
    if values.ndim < 2:
        return values
    values = values.sum(1) if kind == "focal" else values.mean(1)
    return values.flatten(1).mean(1) if values.ndim > 1 else values


def scores(labels: Any, logits: Any) -> dict[str, Any]:
    """Returns MONAI's Dice and IoU of each image and class, NaN where the truth has none of a class."""
    import torch
    from monai.metrics import compute_dice, compute_iou
    from monai.networks import one_hot

    channels = logits.shape[1]
    if channels == 1:
        found, truth = (logits > 0).double(), labels
    else:
        found, truth = (one_hot(x, channels) for x in (torch.argmax(logits, dim=1, keepdim=True), labels))
    return {"scores of dice": compute_dice(found, truth), "scores of iou": compute_iou(found, truth)}


def main() -> None:
    """Reads batches and writes what MONAI says of them."""
    import torch

    given, found = np.load(sys.argv[1]), {}
    for name in sorted({key.split("/")[0] for key in given}):
        labels = torch.tensor(given[f"{name}/labels"][:, None].astype("float64"))
        for kind, loss in losses(given[f"{name}/logits"].shape[-1]).items():
            moved = np.moveaxis(given[f"{name}/logits"].astype("float64"), -1, 1)
            logits = torch.tensor(moved, requires_grad=True)
            values = per_image(kind, loss(logits, labels))
            values.sum().backward()
            found[f"{name}/{kind}"] = values.detach().numpy()
            found[f"{name}/{kind}/gradient"] = np.moveaxis(logits.grad.numpy(), 1, -1)
        with torch.no_grad():
            for kind, values in scores(labels, logits).items():
                found[f"{name}/{kind}"] = values.numpy()
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
