"""MIC-DKFZ's MedNeXt v1 against `mednext-*`, narrower than published, by the functions that make the published sizes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from unittest import mock

from parity.case import Case, Row
from parity.rows import conv, norm

BLOCKS = {"s": (2,) * 9, "b": (2,) * 9, "m": (3, 4, 4, 4, 4, 4, 4, 4, 3), "l": (3, 4, 8, 8, 8, 8, 8, 4, 3)}
STAGES = (
    *((f"enc_block_{k}", f"enc{k}") for k in range(4)),
    ("bottleneck", "mid4"),
    *((f"dec_block_{k}", f"dec{k}") for k in (3, 2, 1, 0)),
)
CHANGES = (
    *((f"down_{k}", f"{'enc' if k < 3 else 'mid'}{k + 1}_down") for k in range(4)),
    *((f"up_{k}", f"dec{k}_up") for k in range(4)),
)


def original(variant: str, filters: int, options: dict[str, object]):
    """The network of that size, with `options` for its constructor besides those that its function sets."""
    from nnunet_mednext.network_architecture.mednextv1 import MedNextV1, create_mednext_v1

    from parity.frameworks import TorchNetwork

    class Network(TorchNetwork):
        """Shows the kernels of the heads, which are transposed 1x1 convolutions, as those of convolutions."""

        def tensors(self):
            named = super().tensors()
            return {name: value.transpose(0, 1) if is_head_kernel(name) else value for name, value in named.items()}

    def narrower(**given):
        return MedNextV1.MedNeXt(**{**given, **options, "n_channels": filters, "checkpoint_style": None})

    with mock.patch.object(create_mednext_v1, "MedNeXt", narrower):
        module = create_mednext_v1.create_mednext_v1(1, 2, variant.upper())
    return Network(module, outputs=list if options.get("deep_supervision") else None)


def is_head_kernel(name: str) -> bool:
    return name.startswith("out_") and name.endswith("weight")


def table(variant: str, heads: int) -> Iterator[Row]:
    """Which tensor is which weight."""
    yield from conv("stem", "stem0_conv1")
    for (theirs, ours), count in zip(STAGES, BLOCKS[variant], strict=True):
        for block in range(count):
            yield from inside(f"{theirs}.{block}", f"{ours}_block{block + 1}")
    for theirs, ours in CHANGES:
        yield from inside(theirs, ours)
        yield from conv(f"{theirs}.res_conv", f"{ours}_proj")
    for level in range(heads):
        yield from conv(f"out_{level}.conv_out", f"head{level}_conv")


def inside(theirs: str, ours: str) -> Iterator[Row]:
    for k in (1, 2, 3):
        yield from conv(f"{theirs}.conv{k}", f"{ours}_conv{k}")
    yield from norm(f"{theirs}.norm", f"{ours}_norm1", batch=False)


def case(name: str, variant: str, filters: int, *sizes: tuple[int, ...], kernel: int = 3, deep: bool = False) -> Case:
    rank = len(sizes[0])
    options = {"kernel_size": kernel, "deep_supervision": deep, "dim": f"{rank}d"}
    return Case(
        name=name,
        entry=f"mednext{'-2d' if rank == 2 else ''}-{variant}-f{filters}",
        overrides={"kernel": kernel, "deep_supervision": deep},
        sizes=sizes,
        original=partial(original, variant, filters, options),
        table=partial(table, variant, 5 if deep else 1),
        source=f"create_mednext_v1(1, 2, {variant.upper()!r}) with n_channels={filters}, checkpoint_style=None, {options}",
        checkout="MIC-DKFZ/MedNeXt@0b78ed869fbd1cc2fd38754d2f8519f1b72d43ba",
        unused=("dummy_tensor",),
        mutations=("same_padding", "epsilon", "activation_across_add"),
        tolerance=1e-6,  # TensorFlow's GELU has its constant in single precision only
    )


CASES = [
    case("mednext-s", "s", 4, (32, 32, 32), (16, 48, 32)),
    case("mednext-b-k5-deep", "b", 3, (16, 48, 32), kernel=5, deep=True),
    case("mednext-2d-s-k7", "s", 8, (64, 64), (48, 80), kernel=7),
    case("mednext-2d-m-deep", "m", 5, (32, 64), deep=True),
    case("mednext-2d-l-k5", "l", 4, (48, 32), kernel=5),
]
