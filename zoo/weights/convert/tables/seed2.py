"""`ResUnet2D`, the second code of the document that the zoo starts from: `resunet-v2`, and `resunet-v2-bn` with its switch on.

The code leaves the names of its layers to Keras. The old format numbers them in the order in which the code makes them: in
each unit both convolutions and then the shortcut's, and before each its normalisation. The new one counts them in the order of
`model.layers`, from the input to the output: the shortcut's convolution comes between the other two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.weights.convert.keras_names import CONVOLUTION, NORMALISATION
from zoo.weights.convert.rows import Row, keras_conv, keras_norm

if TYPE_CHECKING:
    from zoo.architectures.resunet_v2 import ResUNetV2Config
    from zoo.weights.convert.sources import Shapes

AS_MADE = ("conv1", "conv2", "proj")
AS_LAYERS = ("conv1", "proj", "conv2")


def rows_by_number(config: ResUNetV2Config) -> Iterator[Row]:
    """Yields which weight is which in the order in which the code makes the layers."""
    return _rows(config, AS_MADE)


def rows_by_place(config: ResUNetV2Config) -> Iterator[Row]:
    """Yields which weight is which in the order of `model.layers`."""
    return _rows(config, AS_LAYERS)


def _rows(config: ResUNetV2Config, unit: tuple[str, ...]) -> Iterator[Row]:
    last = config.depth - 1
    encoder = [f"enc{level}" for level in range(config.depth)]
    decoder = [f"dec{level}" for level in reversed(range(last))]
    convs = [f"{ours}_{part}" for ours in encoder for part in unit]
    convs += [f"mid{last}_conv1", f"mid{last}_conv2"]
    convs += [f"{ours}_{part}" for ours in decoder for part in unit]
    for place, ours in enumerate([*convs, "head0_conv"], start=1):
        yield from keras_conv(f"{CONVOLUTION} {place}", ours)
    if not config.batch_norm:
        return
    norms = ["enc0_norm2", "enc0_projnorm"]  # the very first unit starts with a convolution
    norms += [f"{ours}_{part}" for ours in encoder[1:] for part in ("norm1", "norm2", "projnorm")]
    norms += [f"mid{last}_norm1", f"mid{last}_norm2"]
    norms += [f"{ours}_{part}" for ours in decoder for part in ("norm1", "norm2", "projnorm")]
    for place, ours in enumerate(norms, start=1):
        yield from keras_norm(f"{NORMALISATION} {place}", ours)


def facts(shapes: Shapes, config: Any) -> dict[str, Any]:
    """Returns what the shapes tell about the network, which is all of it: there are six convolutions per level."""
    count = sum(name.startswith(CONVOLUTION) and name.endswith("/kernel") for name in shapes)
    stem, head = shapes.get(f"{CONVOLUTION} 1/kernel", ()), shapes.get(f"{CONVOLUTION} {count}/kernel", ())
    if len(stem) < 3 or not head or count % 6:
        return {}
    return {
        "ndim": len(stem) - 2,
        "channels": stem[-2],
        "filters": stem[-1],
        "depth": count // 6,
        "batch_norm": f"{NORMALISATION} 1/gamma" in shapes,
        "classes": head[-1],
    }
