"""The runs of the study: which are finished, and processes that make the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from training.recipe import Recipe

SCRIPT = Path(__file__).resolve().parent / "train.py"


@dataclass(frozen=True, kw_only=True)
class Training:
    """One run that is wanted.

    Attributes:
        network: Name of the network.
        seed: Of the training.
        recipe: What train.py will read, resolved.
        changes: How that differs from the recipe's file.
        folder: Where its results go.
    """

    network: str
    seed: int
    recipe: Recipe
    changes: tuple[str, ...]
    folder: Path

    def record(self) -> dict[str, Any] | None:
        """Returns the record of the finished run, or None where it is not finished or was of other settings."""
        path = self.folder / "run.json"
        if not path.is_file():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        same = msgspec.convert(found["recipe"], Recipe).fingerprint == self.recipe.fingerprint
        return found if same else None


def run_all(missing: list[Training], command: list[str], jobs: int, save: Callable[[], object]) -> list[Training]:
    """Runs trainings, so many at once as asked for, and saves after each; returns those that failed.

    Args:
        missing: What to run, in this order.
        command: Arguments of `scripts/train.py` that all have: recipe and data.
        jobs: How many run at once.
        save: Is called after each that ends well.
    """
    running: list[subprocess.Popen[bytes]] = []
    failed, begin = [], time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        futures: dict[Future[int], Training] = {pool.submit(run_one, each, command, jobs, running): each for each in missing}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                each = futures[future]
                if future.result() or each.record() is None:
                    failed.append(each)
                else:
                    save()
                minutes = (time.monotonic() - begin) / 60
                left = minutes / done * (len(missing) - done)
                print(f"[{done}/{len(missing)}] {told(each)}; {minutes:.0f} minutes, about {left:.0f} more", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.terminate()
            raise
    return failed


def run_one(each: Training, command: list[str], jobs: int, running: list[subprocess.Popen[bytes]]) -> int:
    """Runs one training in a process of its own, with its share of the cores; returns its exit status."""
    each.folder.mkdir(parents=True, exist_ok=True)
    whole = [sys.executable, str(SCRIPT), *command, "--out", str(each.folder)]
    whole += [part for change in each.changes for part in ("--set", change)]
    with (each.folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(whole, stdout=log, stderr=subprocess.STDOUT, cwd=SCRIPT.parents[1], env=environment(jobs))
        running.append(process)
        return process.wait()


def environment(jobs: int) -> dict[str, str]:
    """Returns the environment of a run: where several run at once, each has its share of the cores.

    TensorFlow 2.21 ends with a segmentation fault in the gradient of a 1x1 convolution with stride 2 from 12 to 24 channels,
    which `deep-resunet-d4-f12` has, where oneDNN takes its kernels for AVX-512; those for AVX2 are right.
    """
    share = str(max((os.cpu_count() or 1) // jobs, 1))
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return {"ONEDNN_MAX_CPU_ISA": "AVX2", **os.environ, **(dict.fromkeys(threads, share) if jobs > 1 else {})}


def told(each: Training) -> str:
    """Returns how a run ended."""
    record = each.record()
    monitor = each.recipe.training.monitor
    result = f"{monitor} {record['val'][monitor]:.4f}" if record else "failed"
    return f"{each.network}, seed {each.seed}: {result}"


def tail(folder: Path, lines: int = 5) -> str:
    """Returns the end of a run's log."""
    text = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
