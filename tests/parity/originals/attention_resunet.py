"""MoleImg/Attention_UNet, and the copy in bnsreenu/python_for_microscopists that activates sums, against `attention-resunet`."""

from __future__ import annotations

import builtins
import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

from parity.case import Case, Row
from parity.rows import KerasRows

MOLEIMG = "MoleImg/Attention_UNet@b6f1935"
COPY = "bnsreenu/python_for_microscopists@e345e49"
NARROWER = 16  # the copy's 64 to 1024 channels become 4 to 64


def layers_for(size: tuple[int, int], narrower: int = 1) -> SimpleNamespace:
    """Keras' layers, but with an input of any size in the precision of the rest, and with less channels."""
    import keras

    def narrow(kind: str):
        return lambda filters, *args, **options: getattr(keras.layers, kind)(
            filters // narrower if filters >= 64 else filters, *args, **options
        )

    own = {kind: narrow(kind) for kind in ("Conv2D", "Conv2DTranspose")}
    return SimpleNamespace(**{**vars(keras.layers), **own, "Input": lambda shape, dtype: keras.Input((*size, shape[-1]))})


def built(module: ModuleType, layers: SimpleNamespace, **options):
    """The network of a module without its last layer, the activation of the output."""
    import keras

    from parity.frameworks import KerasNetwork, float64

    module.layers = layers
    keras.utils.clear_session()
    with float64():
        model = module.Attention_ResUNet(**options)
        return KerasNetwork(keras.Model(model.input, model.layers[-1].input))


def original(size: tuple[int, int], filters: int, channels: int, classes: int, batch_norm: bool):
    """MoleImg's network; it reads its settings from a name `uc` that it never defines, and Keras from an old place."""
    import tensorflow as tf

    contrib = ModuleType("tensorflow.contrib.keras")
    vars(contrib).update({name: getattr(tf.keras, name) for name in ("models", "layers", "regularizers", "backend")})
    modules = {"tensorflow.contrib": ModuleType("tensorflow.contrib"), contrib.__name__: contrib}
    settings = SimpleNamespace(
        INPUT_SIZE=size[0],
        INPUT_CHANNEL=channels,
        OUTPUT_MASK_CHANNEL=classes,
        FILTER_NUM=filters,
        FILTER_SIZE=3,
        DOWN_SAMP_SIZE=2,
        UP_SAMP_SIZE=2,
    )
    with patch.dict(sys.modules, modules), patch.object(builtins, "uc", settings, create=True):
        module = importlib.import_module("AttResUNet")
    return built(module, layers_for(size), batch_norm=batch_norm)


def copy(size: tuple[int, int], channels: int, classes: int):
    """The copy's network, which activates sums instead of the convolutions before them."""
    with redirect_stdout(io.StringIO()):  # it prints another network when it is imported
        module = importlib.import_module("224_225_226_models")
    return built(module, layers_for(size, NARROWER), input_shape=(*size, channels), NUM_CLASSES=classes)


def table(batch_norm: bool = True) -> Iterator[Row]:
    """Which tensor is which weight, in the order in which the original makes them."""
    rows = KerasRows()

    def conv_norm(conv: str, norm: str) -> Iterator[Row]:
        yield from rows.conv(conv)
        if batch_norm:
            yield from rows.norm(norm)

    def unit(name: str) -> Iterator[Row]:
        for k in (1, 2):
            yield from conv_norm(f"{name}_conv{k}", f"{name}_norm{k}")
        yield from conv_norm(f"{name}_proj", f"{name}_projnorm")

    for name in ("enc0", "enc1", "enc2", "enc3", "mid4"):
        yield from unit(name)
    for level in (3, 2, 1, 0):
        gate = f"dec{level}_gate"
        yield from conv_norm(f"{gate}_conv1", f"{gate}_norm1")
        yield from rows.conv(f"{gate}_theta")
        yield from rows.conv(f"{gate}_phi")
        yield from rows.conv(f"{gate}_phiup", transposed=True)
        yield from rows.conv(f"{gate}_psi")
        yield from rows.conv(f"{gate}_conv2")
        yield from rows.norm(f"{gate}_norm2")
        yield from unit(f"dec{level}")
    yield from rows.conv("head0_conv")
    yield from rows.norm("head0_norm")


def case(name: str, size: tuple[int, int], filters: int, channels: int, classes: int, *, batch_norm: bool = True) -> Case:
    """MoleImg's network at one size."""
    return Case(
        name=name,
        entry=f"attention-resunet-d5-f{filters}",
        overrides={"input_shape": (None, None, channels), "classes": classes, "batch_norm": batch_norm},
        sizes=(size,),
        channels=channels,
        original=partial(original, size, filters, channels, classes, batch_norm),
        table=partial(table, batch_norm),
        source=f"Attention_ResUNet(batch_norm={batch_norm}) with FILTER_NUM={filters}, before its last ReLU",
        needs=("keras", "tensorflow"),
        checkout=MOLEIMG,
        layout="keras",
        mutations=("concat_swapped", *(["shortcut_without_norm"] if batch_norm else []), "activation_across_add"),
    )


CASES = [
    case("attention-resunet", (32, 32), 4, 3, 1),
    case("attention-resunet-wide", (32, 64), 3, 1, 2),
    case("attention-resunet-unnormalised", (48, 32), 4, 1, 1, batch_norm=False),
    Case(
        name="attention-resunet-after-add",
        entry=f"attention-resunet-d5-f{64 // NARROWER}",
        overrides={"input_shape": (None, None, 3), "classes": 2, "activation_order": "after-add"},
        sizes=((32, 48),),
        channels=3,
        original=partial(copy, (32, 48), 3, 2),
        table=table,
        source=f"Attention_ResUNet of 224_225_226_models.py, {NARROWER} times narrower, before its sigmoid",
        needs=("keras", "tensorflow"),
        checkout=COPY,
        layout="keras",
        mutations=("concat_swapped", "shortcut_without_norm", "activation_across_add"),
    ),
]
