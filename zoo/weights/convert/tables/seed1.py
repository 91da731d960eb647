"""`res_unet`, the first code of the document that the zoo starts from: `resunet-v1` and `resunet-v1-3d`.

The code names its layers. Keras 3 stores them by class in the order of `model.layers` instead: from the input to the output,
so that the shortcut, which is made first, comes after the second convolution where a normalisation follows that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.weights.convert.keras_names import CONVOLUTION, NORMALISATION
from zoo.weights.convert.rows import Row, keras_conv, keras_norm

if TYPE_CHECKING:
    from zoo.architectures.resunet_v1 import ResUNetV1Config
    from zoo.weights.convert.sources import Shapes


def rows(config: ResUNetV1Config) -> Iterator[Row]:
    """Yields which weight is which, by the names of the code."""
    for level in range(config.depth):
        ours = _encoder(config, level)
        yield from keras_conv(f"Identity{level}_1", f"{ours}_proj", bias=False)
        for k in (1, 2):
            yield from keras_conv(f"Conv{level}_{k}", f"{ours}_conv{k}")
            yield from keras_norm(f"BN{level}_{k}", f"{ours}_norm{k}") if config.batch_norm else ()
    for level in range(config.depth - 1):
        ours = f"dec{level}"
        yield from keras_conv(f"upConv{level}_1", f"{ours}_upconv")
        yield from keras_conv(f"upIdentity{level}_1", f"{ours}_proj", bias=False)
        for k, theirs in ((1, f"upConv{level}_1_"), (2, f"upConv{level}_2")):
            yield from keras_conv(theirs, f"{ours}_conv{k}")
            yield from keras_norm(f"upBN{level}_{k}", f"{ours}_norm{k}") if config.batch_norm else ()
    yield from keras_conv("output", "head0_conv")


def rows_by_place(config: ResUNetV1Config) -> Iterator[Row]:
    """Yields which weight is which, by the order of the layers."""
    unit = ("conv1", "conv2", "proj") if config.batch_norm else ("conv1", "proj", "conv2")
    encoder = [_encoder(config, level) for level in range(config.depth)]
    decoder = [f"dec{level}" for level in reversed(range(config.depth - 1))]
    convs = [f"{ours}_{part}" for ours in encoder for part in unit]
    convs += [f"{ours}_{part}" for ours in decoder for part in ("upconv", *unit)]
    for place, ours in enumerate([*convs, "head0_conv"], start=1):
        yield from keras_conv(f"{CONVOLUTION} {place}", ours, bias=not ours.endswith("_proj"))
    norms = [f"{ours}_norm{k}" for ours in (*encoder, *decoder) for k in (1, 2)] if config.batch_norm else []
    for place, ours in enumerate(norms, start=1):
        yield from keras_norm(f"{NORMALISATION} {place}", ours)


def facts(shapes: Shapes, config: Any) -> dict[str, Any]:
    """Returns what the names and shapes tell about the network, which is all but its activation."""
    depth = 0
    while f"Conv{depth}_1/kernel" in shapes:
        depth += 1
    return _facts(shapes, "Conv0_1/kernel", "output/kernel", depth, "BN0_1/gamma" in shapes)


def facts_by_place(shapes: Shapes, config: Any) -> dict[str, Any]:
    """Returns the same by the order of the layers: there are seven convolutions per level, less three."""
    count = sum(name.startswith(CONVOLUTION) and name.endswith("/kernel") for name in shapes)
    depth = (count + 3) // 7 if count % 7 == 4 else 0
    return _facts(shapes, f"{CONVOLUTION} 1/kernel", f"{CONVOLUTION} {count}/kernel", depth, f"{NORMALISATION} 1/gamma" in shapes)


def _facts(shapes: Shapes, first: str, last: str, depth: int, batch_norm: bool) -> dict[str, Any]:
    stem, head = shapes.get(first, ()), shapes.get(last, ())
    if len(stem) < 3 or not depth:
        return {}
    found = {
        "ndim": len(stem) - 2,
        "channels": stem[-2],
        "filters": stem[-1],
        "depth": depth,
        "batch_norm": batch_norm,
    }
    return found | ({"classes": head[-1]} if head else {})


def _encoder(config: ResUNetV1Config, level: int) -> str:
    return f"{'mid' if level == config.depth - 1 else 'enc'}{level}"
