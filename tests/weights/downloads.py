"""What the tests of downloads share: a file, limits that are short, and a way to see what was asked and told."""

from __future__ import annotations

import dataclasses
import hashlib

from zoo.weights.attempts import Limits
from zoo.weights.remote import RemoteFile

BODY = hashlib.shake_256(b"weights").digest(150_000)
OTHER = hashlib.shake_256(b"other weights").digest(150_000)

QUICK = Limits(
    connect=5, read=5, slowest=1, window=10, attempts=3, backoff=0.001, backoff_max=0.002, jitter=0, retry_after_max=0.01,
    lock_wait=0.2, lock_poll=0.02,
)  # fmt: skip


def remote(*sources: str, body: bytes = BODY, name: str = "resunet-v1-d3-f8.test-v1") -> RemoteFile:
    return RemoteFile(name=name, sources=sources, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())


def quick(**changes: float) -> Limits:
    return dataclasses.replace(QUICK, **changes)
