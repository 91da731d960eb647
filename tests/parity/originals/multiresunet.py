"""The Keras code of nibtehaz/MultiResUNet against `multiresunet` and `multiresunet-3d`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from unittest.mock import patch

from parity.case import Case, Row, checkout_folder
from parity.rows import KerasRows

COMMIT = "nibtehaz/MultiResUNet@5318aaf"
FILTERS = 32  # what the original has


def imported(name: str) -> ModuleType:
    """The original's module, with stand-ins for what Keras 3 has no longer and the original imports, but never uses."""
    import keras

    gone = {"keras.layers.advanced_activations": ("ELU", "LeakyReLU"), "keras.utils.vis_utils": ("plot_model",)}
    path = checkout_folder(COMMIT) / "tensorflow" / f"{name}.py"
    stand_ins = {module: ModuleType(module) for module in gone}
    for module, names in gone.items():
        vars(stand_ins[module]).update(dict.fromkeys(names))
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {"keras": keras, **stand_ins}):
        spec.loader.exec_module(loaded)
    return loaded


def original(ndim: int, filters: int, channels: int):
    """The original's network for any size, its own blocks made narrower or not while it builds them."""
    import keras

    from parity.frameworks import KerasNetwork, float64

    module = imported("MultiResUNet3D" if ndim == 3 else "MultiResUNet")
    block, path, up = module.MultiResBlock, module.ResPath, f"Conv{ndim}DTranspose"
    transposed = getattr(module, up)
    module.MultiResBlock = lambda U, inp: block(U * filters // FILTERS, inp)
    module.ResPath = lambda width, length, inp: path(width * filters // FILTERS, length, inp)
    setattr(module, up, lambda width, *args, **options: transposed(width * filters // FILTERS, *args, **options))
    keras.utils.clear_session()
    with float64():
        model = module.MultiResUnet3D(None, None, None, channels) if ndim == 3 else module.MultiResUnet(None, None, channels)
        return KerasNetwork(keras.Model(model.input, model.layers[-1].input))  # without the sigmoid


def table(ndim: int) -> Iterator[Row]:
    """Which tensor is which weight, in the order in which the original makes them."""
    rows = KerasRows(ndim)

    def conv_norm(conv: str, norm: str) -> Iterator[Row]:
        yield from rows.conv(conv, bias=False)
        yield from rows.norm(norm, scale=False)

    def block(name: str) -> Iterator[Row]:
        yield from conv_norm(f"{name}_proj", f"{name}_projnorm")
        for k in (1, 2, 3):
            yield from conv_norm(f"{name}_conv{k}", f"{name}_norm{k}")
        yield from rows.norm(f"{name}_catnorm")
        yield from rows.norm(f"{name}_addnorm")

    for level in range(4):
        yield from block(f"enc{level}")
        for unit in range(1, 5 - level):
            yield from conv_norm(f"enc{level}_path{unit}_proj", f"enc{level}_path{unit}_projnorm")
            yield from conv_norm(f"enc{level}_path{unit}_conv1", f"enc{level}_path{unit}_norm1")
            yield from rows.norm(f"enc{level}_path{unit}_addnorm")
    yield from block("mid4")
    for level in (3, 2, 1, 0):
        yield from rows.conv(f"dec{level}_up", transposed=True)
        yield from block(f"dec{level}")
    yield from conv_norm("head0_conv", "head0_norm")


def case(name: str, filters: int, channels: int, sizes: tuple[tuple[int, ...], ...]) -> Case:
    """The network at some width."""
    ndim = len(sizes[0])
    function = "MultiResUnet3D" if ndim == 3 else "MultiResUnet"
    return Case(
        name=name,
        entry=f"multiresunet{'-3d' if ndim == 3 else ''}-d5-f{filters}",
        overrides={"input_shape": (None,) * ndim + (channels,)},
        sizes=sizes,
        channels=channels,
        original=partial(original, ndim, filters, channels),
        table=partial(table, ndim),
        source=f"{function} for {channels} channels, of {filters} instead of {FILTERS} filters, before its sigmoid",
        needs=("keras", "tensorflow"),
        checkout=COMMIT,
        layout="keras",
        mutations=("concat_swapped", "shortcut_without_norm", "activation_across_add"),
    )


CASES = [
    case("multiresunet", 32, 3, ((32, 32), (32, 48))),
    case("multiresunet-f5", 5, 1, ((16, 32), (48, 32))),
    case("multiresunet-3d", 8, 4, ((16, 16, 32), (32, 32, 16))),
]
