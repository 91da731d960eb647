"""Kills processes that download at random moments, and checks each time that the next call succeeds.

    python kill_rounds.py SPECIFICATION      (JSON: url, bytes, sha256, home, rounds, seed)

A program of its own, so that it forks without a backend or threads; prints what it met as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from zoo.weights.attempts import Limits
from zoo.weights.download import fetch
from zoo.weights.remote import RemoteFile

LIMITS = Limits(backoff=0.01, jitter=0, lock_poll=0.02)


def main() -> None:
    given = json.loads(sys.argv[1])
    os.environ.update(ZOO_HOME=given["home"], ZOO_ALLOW_HTTP="1")
    file = RemoteFile(name="killed", sources=(given["url"],), bytes=given["bytes"], sha256=given["sha256"])
    chance = random.Random(given["seed"])
    final = fetch(file, limits=LIMITS)  # loads every module before the first fork
    final.unlink()
    seconds = duration(file, final)
    met: Counter[str] = Counter()
    for place in range(given["rounds"]):
        together = place % 8 == 7
        victim = started(file)
        rival = started(file) if together else 0
        time.sleep(chance.uniform(0, seconds * 1.05))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        met[state(final)] += not together
        met["together"] += together
        survivor = rival or started(file)
        code = os.waitstatus_to_exitcode(os.waitpid(survivor, 0)[1])
        digest = hashlib.sha256(final.read_bytes()).hexdigest() if final.exists() else "no file"
        if code or digest != file.sha256:
            sys.exit(f"seed {given['seed']}, round {place}: the next call ended with {code} and left {digest}")
        final.unlink()
    json.dump(met, sys.stdout)


def started(file: RemoteFile) -> int:
    """Forks a process that fetches the file; returns its number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        fetch(file, limits=LIMITS)
        code = 0
    except Exception as error:  # noqa: BLE001  the parent, a copy of which this is, must not go on here
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def duration(file: RemoteFile, final: Path) -> float:
    """Seconds that a process needs when nobody kills it."""
    taken = []
    for _ in range(5):
        began = time.monotonic()
        os.waitpid(started(file), 0)
        taken.append(time.monotonic() - began)
        final.unlink()
    return sorted(taken)[2]


def state(final: Path) -> str:
    """What a killed process left."""
    if final.exists():
        return "file"
    sizes = [path.stat().st_size for path in final.parent.glob("*.part")]
    return "nothing" if not sizes else "empty" if not any(sizes) else "part"


if __name__ == "__main__":
    main()
