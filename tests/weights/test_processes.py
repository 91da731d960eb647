"""Real processes: many at once, and some that are killed. They load no backend, so that they start quickly."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from downloads import BODY, remote

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOGETHER = 8

WORKER = """
import os, sys
sys.path[:0] = {folders!r}
os.environ.update(ZOO_HOME={home!r}, ZOO_ALLOW_HTTP="1")
import filelock, urllib3
from zoo.weights.download import fetch
from downloads import remote, quick
{patch}
print("ready", flush=True)
sys.stdin.readline()
path = fetch(remote({url!r}), limits=quick(lock_wait=30))
print(path, *(name for name in ("keras", "tensorflow", "numpy") if name in sys.modules))
"""

LOCKS = {
    "working": "",
    "broken": "def acquire(self, *a, **k): raise NotImplementedError\nfilelock.FileLock.acquire = acquire",
    "lying": "filelock.FileLock.acquire = lambda self, *a, **k: None\nfilelock.FileLock.release = lambda self, *a, **k: None",
}


def run_together(home, url, patch):
    """What several processes print that begin at one moment."""
    program = WORKER.format(folders=[str(ROOT), str(HERE)], home=str(home.parent), patch=patch, url=url)
    workers = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(TOGETHER)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    return [worker.communicate(timeout=60)[0] for worker in workers]


def slowly(seconds):
    def act(handler):
        _, rest = handler.rest(BODY)
        handler.head(content_length=len(BODY))
        handler.wfile.write(rest[:1000])
        time.sleep(seconds)
        handler.wfile.write(rest[1000:])

    return act


@pytest.mark.parametrize(("locks", "fewest", "most"), [("working", 1, 1), ("broken", 2, TOGETHER), ("lying", 2, TOGETHER)])
def test_eight_processes_begin_together(home, server, locks, fewest, most):
    url = server.on(slowly(0.5))
    printed = run_together(home, url, LOCKS[locks])
    path = home / remote(url).file_name
    assert printed == [f"{path}\n"] * TOGETHER
    assert path.read_bytes() == BODY
    assert fewest <= len(server.seen) <= most


def test_killed_processes_never_spoil_the_next_call(home, server):
    def paced(handler):
        start, rest = handler.rest(BODY)
        if start:
            handler.head(206, content_length=len(rest), content_range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        else:
            handler.head(content_length=len(BODY))
        for place in range(0, len(rest), 10_000):
            handler.wfile.write(rest[place : place + 10_000])
            time.sleep(0.0005)

    given = {
        "url": server.on(paced),
        "bytes": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "home": str(home.parent),
        "rounds": 240,
        "seed": 20261123,
    }
    done = subprocess.run(
        [sys.executable, HERE / "kill_rounds.py", json.dumps(given)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    met = json.loads(done.stdout)
    assert met.pop("together") == 30
    assert sum(met.values()) == 210
    assert met["part"] >= 10, "the moments must be such that many downloads are under way"
    assert any(seen.range for seen in server.seen), "some of them were gone on with"


def test_the_download_loads_nothing_that_is_slow():
    """Not even what it needs in the end: a cached file is found without it."""
    watched = ("keras", "tensorflow", "numpy", "jax", "urllib3", "filelock", "rich", "fsspec", "importlib.metadata")
    program = f"import sys; import zoo.weights.download, zoo.weights.cache; print(*[m for m in {watched!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
