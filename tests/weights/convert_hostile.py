"""HDF5 files that must be refused, and what refusing them costs: `python convert_hostile.py FOLDER` prints it as JSON.

Each file is opened by a process of its own, forked after the imports, so that its memory is counted alone. TensorFlow is not
imported.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from pathlib import Path

import h5py
import numpy as np

GIGABYTE = 2**30


def build(folder: Path) -> None:
    """Writes all files; what they are is in their names."""
    other = folder.parent / "secret.h5"
    with h5py.File(other, "w") as file:
        file["weight"] = np.arange(6.0)
    (folder.parent / "secret.bin").write_bytes(bytes(8192))
    for name, make in MAKERS.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            make(file)
    whole = plain(folder / "whole.tmp")
    (folder / "truncated.h5").write_bytes(whole[:-512])
    (folder / "no-hdf5.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(4096))
    (folder / "empty.h5").write_bytes(b"")


def plain(path: Path) -> bytes:
    """Writes a good file and returns its bytes; the file is removed."""
    with h5py.File(path, "w") as file:
        for layer in range(20):
            file[f"layers/conv2d_{layer}/vars/0"] = np.full((3, 3, 8, 8), layer, "float32")
    whole = path.read_bytes()
    path.unlink()
    return whole


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(6,), dtype="float64")
    layout[:] = h5py.VirtualSource("../secret.h5", "weight", shape=(6,))
    file.create_virtual_dataset("weight", layout)


def bomb(file: h5py.File) -> None:
    """A chunk of a few bytes that inflates to a gigabyte, whatever the dataset declares."""
    import zlib

    data = file.create_dataset("weight", (1024,), "float32", chunks=(1024,), compression="gzip")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**24)) for _ in range(16)) + packer.flush()
    data.id.write_direct_chunk((0,), packed)


def nested(file: h5py.File) -> None:
    group = file
    for _ in range(100):
        group = group.create_group("g")
    group["weight"] = np.zeros(3)


def many(file: h5py.File) -> None:
    group = file.create_group("g")
    for number in range(50_001):
        file.id.links.create_hard(f"{number}".encode(), group.id, b".") if number == 0 else file.id.links.create_soft(
            f"{number}".encode(), b"/g"
        )


def cycle(file: h5py.File) -> None:
    group = file.create_group("layers")
    group["again"] = group


def unallocated(file: h5py.File) -> None:
    file.create_dataset("weight", (GIGABYTE // 4,), "float32")


def chunked(file: h5py.File) -> None:
    file.create_dataset("weight", (GIGABYTE // 4,), "float32", chunks=(1024,))


def huge_chunk(file: h5py.File) -> None:
    file.create_dataset("weight", (4,), "float32", chunks=(GIGABYTE // 8,), maxshape=(None,))


def external_storage(file: h5py.File) -> None:
    file.create_dataset("weight", (1024,), "float32", external=[("../secret.bin", 0, 4096)])


MAKERS = {
    "external-link": lambda file: file.__setitem__("weight", h5py.ExternalLink("../secret.h5", "/weight")),
    "external-group": lambda file: file.__setitem__("layers", h5py.ExternalLink("../secret.h5", "/")),
    "soft-link": lambda file: (file.__setitem__("a", np.zeros(3)), file.__setitem__("b", h5py.SoftLink("/a"))),
    "dangling-link": lambda file: file.__setitem__("b", h5py.SoftLink("/nowhere")),
    "external-storage": external_storage,
    "virtual": virtual,
    "strings": lambda file: file.create_dataset("weight", data=["a", "bc"]),
    "fixed-strings": lambda file: file.create_dataset("weight", data=np.array([b"a", b"bc"])),
    "ragged": lambda file: file.create_dataset("weight", (3,), h5py.vlen_dtype("float32")),
    "reference": lambda file: file.create_dataset("weight", (3,), h5py.ref_dtype),
    "compound": lambda file: file.create_dataset("weight", (3,), [("a", "f4"), ("b", "i4")]),
    "complex": lambda file: file.create_dataset("weight", data=np.zeros(3, "complex64")),
    "named-type": lambda file: file.__setitem__("type", np.dtype("float32")),
    "dots": lambda file: file.create_group("..").create_dataset("weight", data=np.zeros(3)),
    "dots-inside": lambda file: file.create_dataset("a..b", data=np.zeros(3)),
    "escape": lambda file: file.create_dataset("a\x1b[31m", data=np.zeros(3)),
    "null": lambda file: file.create_dataset("weight", data=h5py.Empty("float32")),
    "compressed": bomb,
    "checksummed": lambda file: file.create_dataset("weight", data=np.zeros(64), fletcher32=True),
    "unallocated": unallocated,
    "chunked": chunked,
    "huge-chunk": huge_chunk,
    "cycle": cycle,
    "two-names": lambda file: (file.__setitem__("a", np.zeros(3)), file.__setitem__("b", file["a"])),
    "nested": nested,
    "many": many,
}


def measured(path: Path) -> dict[str, object]:
    """What opening a file comes to, in a process of its own."""
    from zoo.weights import hdf5

    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        outcome = "read"
        try:
            hdf5.read(path, hdf5.datasets(path, most_bytes=2 * GIGABYTE), most_bytes=2 * GIGABYTE)
        except Exception as error:  # noqa: BLE001  whatever comes is what is tested
            outcome = f"{type(error).__name__}: {error}"
        spent = time.perf_counter() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        os.write(sender, json.dumps({"outcome": outcome, "seconds": spent, "megabytes": grown}).encode())
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"outcome": "the process died", "seconds": 0, "megabytes": 0}


def damaged(folder: Path, count: int, seed: int) -> list[str]:
    """Outcomes for a good file with some bytes changed, `count` times."""
    generator = random.Random(seed)
    whole = plain(folder / "damaged.tmp")
    path = folder / "damaged.tmp"
    outcomes = []
    for _ in range(count):
        changed = bytearray(whole)
        for _ in range(generator.choice((1, 4, 16))):
            changed[generator.randrange(len(changed) if generator.random() < 0.3 else 4096)] = generator.randrange(256)
        path.write_bytes(changed)
        outcomes.append(str(measured(path)["outcome"]))
    path.unlink()
    return outcomes


def main(folder: Path) -> None:
    """Builds, opens and measures all of it."""
    from zoo.weights import hdf5

    build(folder)
    good = folder / "good.h5"
    good.write_bytes(plain(folder / "good.tmp"))
    hdf5.datasets(good)  # imports what is imported late
    files = {path.stem: measured(path) for path in sorted(folder.glob("*.h5"))}
    print(json.dumps({"files": files, "damaged": damaged(folder, 60, seed=7)}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
