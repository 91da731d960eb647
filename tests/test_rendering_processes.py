"""Processes that render: what they make is the same, runs at once wait for each other, and none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from zoo.errors import RenderError

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
import rendering
from rendering.cache import Job
from rendering.files import files_under
from rendering.update import Plan, update

ROOT = Path(rendering.__file__).resolve().parents[2]


def content_of(name: str) -> dict[str, bytes]:
    return {f"{name}.md": name.encode()}


def end_process(name: str) -> dict[str, bytes]:
    os.write(2, b"assertion failed")
    os._exit(3)


def jobs_of(make: object, names: str) -> tuple[Job, ...]:
    return tuple(Job(name=name, names=(f"{name}.md",), make=partial(make, name), key="key") for name in names)


def test_processes_make_the_same(tmp_path):
    plan = Plan(jobs=jobs_of(content_of, "abcdef"), folder=tmp_path / "models", cache=tmp_path / "cache.json", processes=2)
    assert update(plan).made == 6
    assert files_under(plan.folder) == [f"{name}.md" for name in "abcdef"]
    assert update(plan).made == 0


def test_a_process_that_dies_is_an_error_with_its_last_words(tmp_path):
    plan = Plan(jobs=jobs_of(end_process, "ab"), folder=tmp_path / "models", cache=tmp_path / "cache.json", processes=2)
    with pytest.raises(RenderError, match=r"died; .*cache\.log has its last words"):
        update(plan)
    assert "assertion failed" in (tmp_path / "cache.log").read_text()


DRIVER = """
import os, signal, sys, time
from functools import partial
from pathlib import Path
sys.path[:0] = [{scripts!r}, {root!r}]
from rendering.cache import Job
from rendering.update import Plan, update

folder = Path({folder!r})

def make(name):
    with (folder / "made").open("a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
    end = time.monotonic() + 90
    while not (folder / "go").exists() and time.monotonic() < end:
        time.sleep(0.02)
    return {{name: name.encode()}}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a background job of a shell
    jobs = tuple(Job(name=name, names=(name,), make=partial(make, name), key="key") for name in "abcd")
    update(Plan(jobs=jobs, folder=folder / "models", cache=folder / "cache.json", processes={processes}))
"""


def driver(folder: Path, processes: int) -> subprocess.Popen:
    """Starts a run of four jobs, each of which notes its process and ends when there is a file `go`."""
    script = folder / "driver.py"
    places = {"scripts": str(ROOT / "scripts"), "root": str(ROOT), "folder": str(folder)}
    script.write_text(DRIVER.format(**places, processes=processes))
    return subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)


def wait_for(happened: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_two_runs_at_once_do_the_work_once(tmp_path):
    first = driver(tmp_path, processes=1)
    wait_for((tmp_path / "made").exists)
    second = driver(tmp_path, processes=1)
    assert second.stderr.readline() == "Another run is at work here; waiting for it to end.\n"
    (tmp_path / "go").touch()
    texts = [run.communicate(timeout=60)[1] for run in (first, second)]
    assert first.returncode == second.returncode == 0, texts
    assert [line.split()[0] for line in (tmp_path / "made").read_text().splitlines()] == list("abcd")
    assert files_under(tmp_path / "models") == list("abcd")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_their_parent(tmp_path, how):
    run = driver(tmp_path, processes=2)
    made = tmp_path / "made"
    wait_for(lambda: made.exists() and len(made.read_text().splitlines()) >= 2)
    run.send_signal(how)
    run.communicate(timeout=20)
    workers = {int(line.split()[1]) for line in made.read_text().splitlines()}
    wait_for(lambda: not any(map(_runs, workers)), 20)
    assert files_under(tmp_path / "models") == []


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")  # one that ended and was not asked about yet is no longer at work
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
