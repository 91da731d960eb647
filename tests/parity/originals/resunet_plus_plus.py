"""`ResUnetPlusPlus` of Jha's code for TensorFlow against `resunet-plus-plus`.

Its widths are written in the code; narrower ones take their place where a case says so, before the code runs.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from functools import partial

from parity.case import Case, Row, checkout_folder

CHECKOUT = "DebeshJha/ResUNetPlusPlus@f07b9061530e49d093fce532fc57cd5a7dfc34fc"
WIDTHS = "[16, 32, 64, 128, 256]"
WEIGHTS = {
    "conv2d": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "dense": ("kernel",),
}
"""What a layer of each kind has, by the name that Keras gives it."""


def original(filters: int):
    """The network for images of any size, up to its logits; `cv2`, which it imports and does not use, may be missing."""
    import keras

    from parity.frameworks import KerasNetwork, float64

    source = (checkout_folder(CHECKOUT) / "m_resunet.py").read_text()
    assert source.count(WIDTHS) == 1
    module = types.ModuleType("m_resunet")
    sys.modules.setdefault("cv2", types.ModuleType("cv2"))
    exec(source.replace(WIDTHS, str([filters * 2**level for level in range(5)])), module.__dict__)
    keras.utils.clear_session()  # the names of its layers count from 0
    with float64():
        network = module.ResUnetPlusPlus(input_size=None).build_model()
        return KerasNetwork(keras.Model(network.input, network.layers[-1].input))


def ours() -> Iterator[tuple[str, str]]:
    """Kind and name of each weighted layer of ours, in the order in which the original makes its own."""
    yield from (("conv2d", "enc0_conv1"), ("batch_normalization", "enc0_norm2"), ("conv2d", "enc0_conv2"))
    yield from end_of_unit("enc0")
    for level in (1, 2, 3):
        yield from unit(f"enc{level}")
    yield from pyramid("mid3")
    for level in (2, 1, 0):
        for part in ("fine", "coarse", "gate"):
            yield from norm_conv(f"dec{level}_{part}", 1)
        yield from unit(f"dec{level}")
    yield from pyramid("dec0_last")
    yield "conv2d", "head0_conv"


def unit(name: str) -> Iterator[tuple[str, str]]:
    """A residual unit with squeeze-and-excitation."""
    for index in (1, 2):
        yield from norm_conv(name, index)
    yield from end_of_unit(name)


def norm_conv(name: str, index: int) -> Iterator[tuple[str, str]]:
    """Normalisation and convolution."""
    yield "batch_normalization", f"{name}_norm{index}"
    yield "conv2d", f"{name}_conv{index}"


def end_of_unit(name: str) -> Iterator[tuple[str, str]]:
    """Shortcut and squeeze-and-excitation."""
    yield from (("conv2d", f"{name}_proj"), ("batch_normalization", f"{name}_projnorm"))
    yield from (("dense", f"{name}_squeeze"), ("dense", f"{name}_excite"))


def pyramid(name: str) -> Iterator[tuple[str, str]]:
    """Dilated convolutions, then the 1x1 convolution."""
    for rate in (6, 12, 18, 1):
        yield "conv2d", f"{name}_rate{rate}_conv"
        yield "batch_normalization", f"{name}_rate{rate}_norm"
    yield "conv2d", f"{name}_out"


def table() -> Iterator[Row]:
    """Which tensor is which weight."""
    counts = dict.fromkeys(WEIGHTS, 0)
    for kind, layer in ours():
        theirs = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        for weight in WEIGHTS[kind]:
            yield f"{theirs}/{weight}", layer, weight


CASES = [
    Case(
        name=name,
        entry=f"resunet-plus-plus-d4-f{filters}",
        sizes=sizes,
        channels=3,
        original=partial(original, filters),
        table=table,
        source=f"m_resunet.ResUnetPlusPlus(input_size=None){narrow}, logits",
        needs=("tensorflow", "keras"),
        checkout=CHECKOUT,
        layout="keras",
        mutations=("concat_swapped", "shortcut_without_norm", "activation_across_add"),
    )
    for name, filters, sizes, narrow in (
        ("resunet-plus-plus", 16, ((48, 48), (32, 64)), ""),
        # the bridge of 20 x 19 positions sees all of its dilations
        ("resunet-plus-plus-f8", 8, ((160, 152),), " with widths from 8 on"),
    )
]
