"""Measures the memory that loading weights takes, against Keras' own loading of the same weights: Linux only.

    python scripts/measure_loading.py [NAME] [--json]

Each way runs in a process of its own: the network is built, the peak is reset, the weights are loaded. What is told is how far
the resident memory grew beyond what it was before, in units of the weights' own size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

NAME = "resunet-v1-d5-f64"
ROUNDS = 3
WAYS = ("zoo.load_weights", "zoo.load_weights of float16", "keras load_weights")


def main() -> None:
    """Measures all ways in turn, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default=NAME)
    parser.add_argument("--json", action="store_true", help="print the numbers of every round")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(growth(options.name, options.way, options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        run(options.name, "write", folder)
        found: dict[str, list[dict[str, int]]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                found[way].append(run(options.name, way, folder))
    if options.json:
        print(json.dumps(found, indent=2))
        return
    size = found[WAYS[0]][0]["weights"] / 2**20
    print(f"{options.name}, weights of {size:.0f} MiB: growth of resident memory while they are loaded")
    for way, rounds in found.items():
        parts = sorted(each["growth"] / each["weights"] for each in rounds)
        print(f"{way:<28}  {parts[len(parts) // 2]:5.2f} x the weights  ({parts[0]:.2f} .. {parts[-1]:.2f})")


def run(name: str, way: str, folder: str) -> dict[str, int]:
    """Runs one way in a process of its own; `"write"` writes the files."""
    if way == "write":
        write(name, Path(folder))
        return {}
    command = [sys.executable, __file__, name, "--way", way, "--folder", folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def write(name: str, folder: Path) -> None:
    """Writes the same weights in all forms."""
    import zoo

    model = zoo.get(name)
    zoo.export_weights(model, folder / "x.safetensors")
    zoo.export_weights(model, folder / "half.safetensors", dtype="float16")
    model.save_weights(folder / "x.weights.h5")


def growth(name: str, way: str, folder: Path) -> dict[str, int]:
    """Returns the bytes of the weights, and by how many resident memory grew at most while they were loaded."""
    import zoo

    model = zoo.get(name)
    small = zoo.get("resunet-v1-d2-f2")  # loads what loading needs
    zoo.load_weights(small, zoo.export_weights(small, folder / f"{os.getpid()}.safetensors"))
    small.save_weights(folder / f"{os.getpid()}.weights.h5")
    small.load_weights(folder / f"{os.getpid()}.weights.h5")
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    if way == "keras load_weights":
        model.load_weights(folder / "x.weights.h5")
    else:
        zoo.load_weights(model, folder / ("half.safetensors" if "float16" in way else "x.safetensors"))
    return {"weights": 4 * model.count_params(), "growth": resident("VmHWM") - before}


def resident(field: str) -> int:
    """Returns a number of this process's status in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


if __name__ == "__main__":
    main()
