"""The command `zoo predict`: images and volumes in files, by the name of weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer  # noqa: TID253  only the command imports this module

import zoo
from zoo.errors import ConfigError, ZooError
from zoo.terminal import load_keras, print_json, say

if TYPE_CHECKING:
    import keras

    from zoo.prediction.files import Done
    from zoo.prediction.task import Task


def _complete(incomplete: str) -> list[str]:
    return zoo.list_weights(incomplete + "*")


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files, or folders whose images are meant.")],
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="NAME", help="Weights by name, or a .safetensors file.", autocompletion=_complete),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; a folder for several images. By default IMAGE.mask.png or .tif."),
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Picture to write, the classes in colour on the image; a folder for several images.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="ENDING", help="Of results in a folder: png, tif, npy, nii.gz, zarr.")
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write probabilities, not classes.")] = False,
    logits: Annotated[bool, typer.Option("--logits", help="Write logits, not classes.")] = False,
    threshold: Annotated[float, typer.Option(help="Probability above which a pixel is in a class of its own.")] = 0.5,
    tile: Annotated[int | None, typer.Option(metavar="N", help="Side of tiles; by default as the memory allows.")] = None,
    overlap: Annotated[int | None, typer.Option(metavar="N", help="Positions that neighbouring tiles share.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="Bound beside the program, such as 2GB.")] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", help="Tiles that run at once.")] = None,
    flips: Annotated[bool, typer.Option("--flips", help="Average over mirror images: up to 4 or 8 times slower.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predict images or volumes of any size: PNG, JPEG, TIFF, NumPy, NIfTI, zarr.

    Results are class maps: the number of the class in each pixel; of one class 0 and 255 in a PNG file, 0 and 1 elsewhere.
    A file of the same name is replaced when the new one is complete; an image is never overwritten.

    Exit status: 0; 1 where some of several images failed, the others are done then; 2 for a mistake.
    """
    from zoo.prediction.files import items_of, run, run_all
    from zoo.prediction.opening import is_image
    from zoo.prediction.plan import Wish, as_bytes
    from zoo.prediction.writing import writable_ending

    if probabilities and logits:
        message = "--probabilities and --logits are two results. Give one of them."
        raise ConfigError(message)
    wish = Wish(tile=tile, overlap=overlap, memory=as_bytes(memory), batch=batch, flips=flips)
    ending = writable_ending(format_)
    one = len(images) == 1 and is_image(images[0])
    if out is None and not one:
        message = "Several images need a folder for their results: --out FOLDER."
        raise ConfigError(message)
    _check_there(images)
    network = _network(model)
    from zoo.prediction.task import make_task

    output = "probabilities" if probabilities else "logits" if logits else "classes"
    task = make_task(network, output=output, preprocessing=None, threshold=threshold, wish=wish)
    items = items_of(images, task, out or _beside(images[0], task, ending), overlay, ending)
    failures: dict[Path, ZooError] = {}
    if one:
        done = [run(items[0], task)]
    else:
        done, failures = run_all(items, task, failed=lambda item, error: say(f"error: {error}"))
    if as_json:
        print_json([*map(_fields, done), *({"image": str(image), "error": str(failures[image])} for image in failures)])
    else:
        for each in done:
            _tell(each)
    if failures:
        say(f"{len(failures)} of {len(items)} images failed: {', '.join(str(image) for image in failures)}")
        raise typer.Exit(1)


def _check_there(images: list[Path]) -> None:
    """Answers a wrong path before Keras loads."""
    for path in images:
        if not path.exists():
            message = f"There is no file {path}."
            raise zoo.ImageError(message)


def _network(name: str) -> keras.Model:
    """Returns the network with the weights of a name or a file."""
    from zoo.weights.opening import is_keras_file, is_path, opened

    if is_keras_file(name):
        message = f"{name} does not say which network it is for. Load it in Python, and write it with zoo.export_weights."
        raise ConfigError(message)
    if is_path(name):
        with opened(name) as source:
            entry = source.description.entry
        load_keras()
        return zoo.get(entry, weights=name)
    entry = zoo.weights_info(name).name  # a wrong name is answered before Keras loads
    load_keras()
    return zoo.get(entry)


def _beside(image: Path, task: Task, ending: str | None) -> Path:
    from zoo.prediction.files import ending_for
    from zoo.prediction.opening import stem_of

    return image.with_name(f"{stem_of(image)}.mask{ending or ending_for(image, task)}")


def _fields(done: Done) -> dict[str, Any]:
    item, plan = done.item, done.plan
    return {
        "image": str(item.image),
        "out": item.out and str(item.out),
        "overlay": item.overlay and str(item.overlay),
        "shape": done.shape,
        "tile": plan.tile,
        "tiles": plan.tiles,
        "exact": plan.exact,
        "seconds": round(done.seconds, 3),
    }


def _tell(done: Done) -> None:
    """Prints where the result is, and on standard error what tiles do to it."""
    if not done.plan.exact:
        sides = "×".join(map(str, done.plan.tile))
        say(
            f"note: {done.item.image} was predicted in {done.plan.tiles} tiles of {sides}, in which this network does not see "
            "what it sees in the whole: results may differ a little near their edges. More --memory or --overlap helps."
        )
    sys.stdout.write(f"{done.item.out}\n")
    if done.item.overlay:
        sys.stdout.write(f"{done.item.overlay}\n")
    sys.stdout.flush()
