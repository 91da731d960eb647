"""MONAI's network and its sliding window, run where torch and MONAI are: `python -m parity.sliding_window FOLDER`.

Reads `image.npy`, `(H, W, C)`, and `options.json` with `tile` and `overlap` in pixels; writes what the network gives for the
whole image and in windows, with both of MONAI's ways to blend, and the seconds of each.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from parity.originals.monai_unet import case

SALT = "window "
CASE = case("sliding-window", ((64, 64),), 3, 2, (2, 2), norm="batch")
MODES = ("constant", "gaussian")


def main(folder: Path) -> None:
    """Runs everything once to warm up, and once to be timed."""
    import torch
    from monai.inferers import sliding_window_inference

    from parity.record import filled

    network = filled(CASE, SALT).module.float()
    options = json.loads((folder / "options.json").read_text())
    image = torch.tensor(np.moveaxis(np.load(folder / "image.npy"), -1, 0)[None])
    side, share = options["tile"], options["overlap"] / options["tile"]
    runs = {"whole": lambda: network(image)}
    for mode in MODES:
        runs[mode] = lambda mode=mode: sliding_window_inference(
            image, (side, side), options["batch"], network, overlap=share, mode=mode
        )
    seconds = {}
    with torch.no_grad():
        for name, run in runs.items():
            run()
            start = time.perf_counter()
            found = run()
            seconds[name] = time.perf_counter() - start
            np.save(folder / f"{name}.npy", np.moveaxis(found[0].numpy(), 0, -1))
    (folder / "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
