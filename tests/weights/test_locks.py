"""The lock only saves bandwidth: whatever is wrong with it, the file comes."""

from __future__ import annotations

import os
import threading
import time

import filelock
import pytest
from downloads import BODY, QUICK, quick, remote
from hostile_server import good

from zoo.weights.download import fetch
from zoo.weights.parts import part_name


@pytest.fixture
def file(home, server):
    return remote(server.on(good(BODY)))


@pytest.mark.parametrize("error", [NotImplementedError, OSError, PermissionError, RuntimeError])
def test_a_lock_that_raises_is_done_without(home, file, monkeypatch, error):
    def acquire(self, *_args, **_options):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert fetch(file, limits=QUICK).read_bytes() == BODY


def test_a_link_in_the_place_of_the_lock_is_not_followed(home, file, tmp_path):
    home.mkdir(parents=True)
    (home / f"{file.file_name}.lock").symlink_to(tmp_path / "target")
    assert fetch(file, limits=QUICK).read_bytes() == BODY
    assert not (tmp_path / "target").exists()


def test_a_lock_whose_holder_makes_no_progress_is_passed_by(home, file):
    home.mkdir(parents=True)
    with filelock.FileLock(home / f"{file.file_name}.lock"):
        began = time.monotonic()
        assert fetch(file, limits=quick(lock_wait=0.3)).read_bytes() == BODY
    assert time.monotonic() - began >= 0.3


def test_a_holder_that_makes_progress_is_waited_for(home, file, server):
    """Another process downloads for longer than a lock is waited for, and its temporary file grows."""
    home.mkdir(parents=True)
    part = home / part_name(file.file_name).replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    found = []
    with filelock.FileLock(home / f"{file.file_name}.lock", thread_local=False):
        waiter = threading.Thread(target=lambda: found.append(fetch(file, limits=quick(lock_wait=0.5))))
        waiter.start()
        for size in range(8):
            part.write_bytes(BODY[: size + 1])
            time.sleep(0.15)
        part.write_bytes(BODY)
        part.replace(home / file.file_name)
    waiter.join(10)
    assert found == [home / file.file_name]
    assert server.seen == []


def test_threads_share_one_download(home, file, server):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(file, limits=quick(lock_wait=10)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [home / file.file_name] * 6
    assert len(server.seen) == 1
