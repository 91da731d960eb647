"""`monai.networks.nets.VNet` against `vnet` and `vnet-2d`, the Caffe network of the paper's authors against `vnet-caffe`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from parity.case import Case, Row, checkout_folder
from parity.rows import conv, conv_norm

COMMIT = "faustomilletari/VNet@584c150"
FILE = "Prototxt/train_noPooling_ResNet_cinque.prototxt"
WIDTH = 4  # instead of 16

STAGES = {
    "down_tr32": ("enc1", 1),
    "down_tr64": ("enc2", 2),
    "down_tr128": ("enc3", 3),
    "down_tr256": ("mid4", 2),
    "up_tr256": ("dec3", 2),
    "up_tr128": ("dec2", 2),
    "up_tr64": ("dec1", 1),
    "up_tr32": ("dec0", 1),
}
"""MONAI's stages: where they are in the zoo's network and how many convolutions they have."""

CAFFE_DOWN = (("64_to_32", "32", 64, 2), ("32_to_16", "16", 128, 3), ("16_to_8", "8", 256, 3))
CAFFE_UP = (("8", "16", 128, 3), ("16", "32", 64, 2), ("32", "64", 32, 1), ("64", "128", 16, 1))


def monai(ndim: int, channels: int, classes: int, options: dict[str, Any]):
    """MONAI's network, its stages made narrower while it builds them."""
    from monai.networks.nets import vnet

    from parity.frameworks import TorchNetwork

    factor = 16 // WIDTH
    first, down, up, last = vnet.InputTransition, vnet.DownTransition, vnet.UpTransition, vnet.OutputTransition
    vnet.InputTransition = lambda n, inputs, outputs, *args, **more: first(n, inputs, outputs // factor, *args, **more)
    vnet.DownTransition = lambda n, inputs, *args, **more: down(n, inputs // factor, *args, **more)
    vnet.UpTransition = lambda n, i, outputs, *args, **more: up(n, i // factor, outputs // factor, *args, **more)
    vnet.OutputTransition = lambda n, inputs, *args, **more: last(n, inputs // factor, *args, **more)
    network = vnet.VNet(ndim, channels, classes, **options)
    vnet.InputTransition, vnet.DownTransition, vnet.UpTransition, vnet.OutputTransition = first, down, up, last
    return TorchNetwork(network)


def monai_table(prelu: bool, bias: bool) -> Iterator[Row]:
    """Which tensor of MONAI's network is which weight."""

    def block(theirs: str, ours: str, index: int, act: str, own_act: str = "act_function", biased: bool = bias) -> Iterator[Row]:
        convolution, norm = f"{theirs}.conv_block.conv", f"{theirs}.conv_block.adn.N"
        yield from conv_norm(convolution, norm, f"{ours}_conv{index}", f"{ours}_norm{index}", bias=biased)
        yield from slope(f"{theirs}.{own_act}", f"{ours}_{act}")

    def slope(theirs: str, ours: str) -> Iterator[Row]:
        if prelu:
            yield f"{theirs}.weight", ours, "alpha"

    yield from block("in_tr", "enc0", 1, "outact")
    for theirs, (ours, convs) in STAGES.items():
        way = theirs.partition("_")[0]
        entry = conv_norm(f"{theirs}.{way}_conv", f"{theirs}.bn1", f"{ours}_{way}", f"{ours}_{way}norm", bias=bias or way == "up")
        yield from entry
        yield from slope(f"{theirs}.act_function1", f"{ours}_{way}act")
        for k in range(convs):
            yield from block(f"{theirs}.ops.{k}", ours, k + 1, f"act{k + 1}", biased=bias and way == "down")
        yield from slope(f"{theirs}.act_function2", f"{ours}_outact")
    yield from block("out_tr", "head0", 1, "act1", "act_function1")
    yield from conv("out_tr.conv2", "head0_conv")


def caffe():
    """The network of the authors' text file."""
    from parity.frameworks import TorchNetwork
    from parity.prototxt import caffe_network

    path = checkout_folder(COMMIT) / FILE
    return TorchNetwork(caffe_network(path, "conv_in128_chan2_2_right", width=WIDTH))


def caffe_table() -> Iterator[Row]:
    """Which layer of the text file is which layer; the last activation of a stage follows its sum."""

    def pair(theirs: str, their_act: str, ours: str, our_act: str) -> Iterator[Row]:
        yield from conv(f"calls.{theirs}", ours)
        yield f"calls.{their_act}.weight", our_act, "alpha"

    def stage(theirs: str, ours: str, convs: int, total: str) -> Iterator[Row]:
        for k in range(1, convs + 1):
            name = theirs + (f"_{k}" if k > 1 else "")
            last = k == convs
            yield from pair(
                name, total if last else f"relu_{name}", f"{ours}_conv{k}", f"{ours}_{'outact' if last else f'act{k}'}"
            )

    yield from stage("conv_in128_chan16", "enc0", 1, "outBlock1_1_RELU")
    down = (("128_to_64", "64", 32, 1), *CAFFE_DOWN)
    for level, (sizes, size, width, convs) in enumerate(down, start=1):
        ours = f"enc{level}" if level < 4 else "mid4"
        yield from pair(f"down_pooling_{sizes}", f"relu_down_pooling_{sizes}", f"{ours}_down", f"{ours}_downact")
        yield from stage(f"conv_in{size}_chan{width}", ours, convs, f"outBlock1_{level + 1}_RELU")
    for level, (below, size, width, convs) in zip((3, 2, 1, 0), CAFFE_UP, strict=True):
        up = f"deconv_in{below}_chan{width}"
        yield from pair(up, f"relu_{up}", f"dec{level}_up", f"dec{level}_upact")
        yield from stage(f"conv_in{size}_chan{width}_right", f"dec{level}", convs, f"outBlock2_{level + 1}_RELU")
    yield from pair("conv_in128_chan2_right", "relu_conv_in128_chan2_right", "head0_conv1", "head0_act1")
    yield from conv("calls.conv_in128_chan2_2_right", "head0_conv")


def case(name: str, ndim: int, channels: int, classes: int, activation: str, bias: bool) -> Case:
    """MONAI's network with some options."""
    options = {"bias": bias} | ({} if activation == "elu" else {"act": activation.replace("_", "")})
    sizes = {2: ((32, 32), (32, 80)), 3: ((32, 16, 16), (16, 32, 48))}[ndim]
    overrides = {"input_shape": (*(None,) * ndim, channels), "classes": classes, "activation": activation, "bias": bias}
    return Case(
        name=name,
        entry=f"vnet-2d-f{WIDTH}" if ndim == 2 else f"vnet-f{WIDTH}",
        overrides=overrides,
        sizes=sizes,
        channels=channels,
        original=partial(monai, ndim, channels, classes, options),
        table=partial(monai_table, activation == "prelu", bias),
        source=f"monai.networks.nets.VNet({ndim}, {channels}, {classes}, **{options}), {16 // WIDTH} times narrower",
        needs=("torch", "monai"),
        mutations=("concat_swapped", "epsilon", "activation_across_add"),
    )


CASES = [
    case("vnet-elu", 3, 1, 1, "elu", bias=False),
    case("vnet-prelu-bias", 3, 2, 3, "prelu", bias=True),
    case("vnet-2d-elu", 2, 1, 1, "elu", bias=False),
    case("vnet-2d-prelu", 2, 4, 2, "prelu", bias=False),
    case("vnet-2d-leaky-bias", 2, 1, 1, "leaky_relu", bias=True),
    Case(
        name="vnet-caffe",
        entry=f"vnet-caffe-f{WIDTH}",
        sizes=((32, 16, 16), (16, 32, 48)),
        original=caffe,
        table=caffe_table,
        source=f"{FILE}, {16 // WIDTH} times narrower, each layer as PyTorch computes it",
        checkout=COMMIT,
        mutations=("concat_swapped", "activation_across_add"),
    ),
]
