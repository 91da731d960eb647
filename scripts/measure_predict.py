"""Measures `zoo predict` on an image that is larger than the memory it may take.

Makes a tiled TIFF of side x side RGB pixels in a temporary folder, predicts it in a process of its own whose data may not grow
beyond a limit (`RLIMIT_DATA`: what the process asks for beyond files and code), and prints the largest resident memory that the
system saw and the megapixels per second.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from zoo.weights.probe import probe_image

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1024
TILE = 512


def make_image(path: Path, side: int) -> None:
    """Writes an image of blobs, block by block, each block with another brightness."""
    block = probe_image((BLOCK, BLOCK, 3)).astype("uint16")

    def tiles() -> Iterator[np.ndarray]:
        across = -(-side // TILE)
        for down in range(across):
            for place in range(across):
                row, column = down * TILE % BLOCK, place * TILE % BLOCK
                gain = 3 + (down // 2 * 7 + place // 2 * 3) % 5
                yield (block[row : row + TILE, column : column + TILE] * gain // 7).astype("uint8")

    tifffile.imwrite(
        path, tiles(), shape=(side, side, 3), dtype="uint8", tile=(TILE, TILE), photometric="rgb", compression="zlib"
    )


def measured(command: list[str], limit: int) -> tuple[float, int, str]:
    """Runs a command whose data may not grow beyond a limit; returns seconds, largest resident bytes and what it printed."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    ) as process:
        printed = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}.")
    return time.perf_counter() - start, used.ru_maxrss * 1024, printed


def main() -> None:
    """Makes the image, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=20_000, help="of the image in pixels")
    parser.add_argument("--model", default="resunet-v1-d3-f8.nuclei-v1", help="weights by name")
    parser.add_argument("--limit", type=int, default=4 * 10**9, help="bytes that the process may take")
    parser.add_argument("--folder", help="where the image is kept, for another run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(arguments.folder or made)
        image, out = folder / f"image-{arguments.side}.tif", folder / "mask.tif"
        if not image.exists():
            make_image(image, arguments.side)
        zoo = str(Path(sys.executable).with_name("zoo"))
        command = [zoo, "predict", str(image), "--model", arguments.model, "--out", str(out), "--json"]
        seconds, resident, printed = measured(command, arguments.limit)
        (found,) = json.loads(printed)
        print(f"{arguments.side} x {arguments.side} RGB, {image.stat().st_size:,} bytes; {arguments.model}")
        print(f"{found['tiles']} tiles of {found['tile']}, exact: {found['exact']}")
        print(f"largest resident memory: {resident / 1e9:.2f} GB, of {arguments.limit / 1e9:.2f} GB allowed")
        print(f"{seconds:.0f} s with the start of the program, {arguments.side**2 / 1e6 / seconds:.2f} megapixels per second")
        mask = tifffile.imread(out)
        print(f"mask: {mask.shape} of {mask.dtype}, {mask.mean():.2%} in the class")
        if not resident < arguments.limit:
            raise SystemExit(f"That is more than {arguments.limit:,} bytes.")


if __name__ == "__main__":
    main()
