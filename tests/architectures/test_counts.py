"""Exact numbers of weights: the tables of `catalog.md` and `lineage.md`, and formulas that know nothing of the zoo's code."""

from __future__ import annotations

from itertools import pairwise

import pytest

from architectures.counting import counted, shape

# name, overrides, total, trainable
TABLE = [
    ("resunet-v1", shape(512, 512, 3), 32_448_129, 32_436_353),
    ("resunet-v1-d5-f64", {"batch_norm": False}, 32_424_577, 32_424_577),
    ("resunet-v1", {"classes": 2}, 32_448_194, 32_436_418),
    ("resunet-v1-d5-f64", shape(256, 256, 1), 32_446_849, 32_435_073),
    ("resunet-v1-d4-f64", shape(256, 256, 3), 8_052_865, 8_047_233),
    ("resunet-v1-d5-f32", shape(256, 256, 3), 8_120_129, 8_114_241),
    ("resunet-v1-d4-f32", shape(256, 256, 1), 2_016_705, 2_013_889),
    ("resunet-v1-d5-f16", shape(256, 256, 1), 2_033_761, 2_030_817),
    ("resunet-v1-d4-f16", shape(256, 256, 1), 506_081, 504_673),
    ("resunet-v1-d4-f16", {**shape(256, 256, 1), "batch_norm": False}, 503_265, 503_265),
    ("resunet-v1-d4-f16", {**shape(256, 256, 1), "classes": 2}, 506_098, 504_690),
    ("resunet-v1-d3-f16", shape(64, 64, 3), 123_489, 122_849),
    ("resunet-v1-d5-f8", shape(64, 64, 1), 510_385, 508_913),
    ("resunet-v1-3d-d3-f8", shape(32, 32, 32, 1), 86_945, 86_625),
    ("resunet-v1-3d-d4-f16", shape(32, 32, 32, 1), 1_424_897, 1_423_489),
    ("resunet-v1-3d-d5-f32", shape(64, 64, 64, 1), 22_935_297, 22_929_409),
    ("resunet-v1-3d-d5-f64", shape(64, 64, 64, 1), 91_708_929, 91_697_153),
    ("resunet-v2", shape(512, 512, 3), 100_322_753, 100_322_753),
    ("resunet-v2", {"batch_norm": True}, 100_381_121, 100_351_937),
    ("resunet-v2-bn", shape(512, 512, 3), 100_381_121, 100_351_937),
    ("resunet-v2-d5-f32", shape(256, 256, 3), 25_084_641, 25_084_641),
    ("resunet-v2-bn-d5-f32", shape(256, 256, 3), 25_113_825, 25_099_233),
    ("resunet-v2-d5-f16", shape(256, 256, 3), 6_273_137, 6_273_137),
    ("resunet-v2-bn-d5-f16", shape(256, 256, 3), 6_287_729, 6_280_433),
    ("resunet-v2-d5-f8", shape(64, 64, 3), 1_569_273, 1_569_273),
    ("resunet-v2-bn-d5-f8", shape(64, 64, 3), 1_576_569, 1_572_921),
    ("resunet-v2-d5-f16", shape(256, 256, 1), 6_272_817, 6_272_817),
    ("unet", {}, 31_031_745, 31_031_745),
    ("unet-d5-f64", {**shape(256, 256, 1), "classes": 2}, 31_030_658, 31_030_658),
    ("unet-d5-f32", {}, 7_760_097, 7_760_097),
    ("deep-resunet", {}, 8_233_025, 8_223_809),
    ("deep-resunet-d4-f64", {"upsample": "transposed"}, 8_059_649, 8_051_329),
    ("deep-resunet", {"shortcut": "conv"}, 8_227_393, 8_220_993),
    ("deep-resunet", {"shortcut": "conv", "upsample": "transposed"}, 8_054_017, 8_048_513),
    ("deep-resunet", {"shortcut": "none"}, 7_795_713, 7_789_313),
    ("deep-resunet", {"shortcut": "none", "upsample": "transposed"}, 7_708_353, 7_702_849),
    ("deep-resunet", shape(512, 512, 1), 8_222_529 + 9_216, 8_222_529),
    ("deep-resunet-bilinear", shape(500, 500, 3), 8_224_898 + 9_216, 8_224_898),
    ("deep-resunet-plainbridge-d5-f16", {}, 4_723_057, 4_715_761),
    ("resnet18-unet", {}, 14_328_209 + 11_584, 14_328_209),
    ("resnet34-unet", {}, 24_436_369 + 19_008, 24_436_369),
    ("resnet50-unet", {}, 32_521_105 + 55_104, 32_521_105),
    ("resnet101-unet", {}, 51_513_233 + 107_328, 51_513_233),
]


@pytest.mark.parametrize(("name", "overrides", "total", "trainable"), TABLE)
def test_weights_are_as_many_as_the_tables_say(name, overrides, total, trainable):
    assert counted(name, **overrides)[:2] == (total, trainable)


def conv(kernel, channels, filters, bias=True):
    return kernel * channels * filters + bias * filters


def norm(channels):
    return 4 * channels


def v1_formula(depth, filters, channels, classes, batch_norm, ndim):
    """One residual block: 1x1 without bias, two 3x3 with bias, two normalisations."""

    def block(before, width):
        weights = conv(1, before, width, bias=False) + conv(3**ndim, before, width) + conv(3**ndim, width, width)
        return weights + batch_norm * 2 * norm(width)

    widths = [filters * 2**level for level in range(depth)]
    encoder = sum(block(before, width) for before, width in zip([channels, *widths], widths, strict=False))
    decoder = sum(conv(2**ndim, 2 * width, width) + block(2 * width, width) for width in widths[:-1])
    return encoder + decoder + conv(1, filters, classes)


def strided_formula(widths, decoder_widths, channels, classes, *, kernel=1, projection=True, normed=2, head=1):
    """Pre-activation units; `normed` is 0 for no normalisation, 1 for branches only, 2 for the shortcuts too."""

    def unit(before, width, *, lead=True, kernel=kernel):
        weights = conv(9, before, width) + conv(9, width, width) + projection * conv(kernel**2, before, width)
        norms = norm(width) * (1 + (normed == 2)) + norm(before) * lead
        return weights + (normed > 0) * norms

    total = unit(channels, widths[0], lead=False, kernel=1)
    total += sum(unit(before, width) for before, width in pairwise(widths))
    below = widths[-1]
    for skip, width in zip(reversed(widths[:-1]), reversed(decoder_widths), strict=True):
        total += unit(below + skip, width)
        below = width
    return total + conv(head**2, below, classes)


def bridge_formula(width, normed):
    return 2 * (conv(9, width, width) + normed * norm(width))


def unet_formula(depth, filters, channels, classes, batch_norm):
    def pair(before, width):
        return conv(9, before, width) + conv(9, width, width) + batch_norm * 2 * norm(width)

    widths = [filters * 2**level for level in range(depth)]
    encoder = sum(pair(before, width) for before, width in zip([channels, *widths], widths, strict=False))
    return encoder + sum(conv(4, 2 * w, w) + pair(2 * w, w) for w in widths[:-1]) + conv(1, filters, classes)


GRID = [(2, 1, 1, 1), (2, 5, 3, 2), (3, 8, 1, 4), (4, 12, 4, 1), (5, 3, 3, 3), (7, 2, 2, 1)]  # depth, filters, channels, classes


@pytest.mark.parametrize(("depth", "filters", "channels", "classes"), GRID)
@pytest.mark.parametrize("ndim", [2, 3])
def test_v1_follows_its_formula(depth, filters, channels, classes, ndim):
    for batch_norm in (True, False):
        name = f"resunet-v1{'-3d' if ndim == 3 else ''}-d{depth}-f{filters}"
        given = counted(name, input_shape=(None,) * ndim + (channels,), classes=classes, batch_norm=batch_norm)
        assert given[0] == v1_formula(depth, filters, channels, classes, batch_norm, ndim)


@pytest.mark.parametrize(("depth", "filters", "channels", "classes"), GRID)
def test_the_2d_families_follow_their_formulas(depth, filters, channels, classes):
    options = {"input_shape": (None, None, channels), "classes": classes}
    sizes = f"d{depth}-f{filters}"
    widths = [filters * 2**level for level in range(depth)]
    wide, same = widths[1:], widths[:-1]
    for batch_norm in (True, False):
        assert counted(f"unet-{sizes}", batch_norm=batch_norm, **options)[0] == unet_formula(
            depth, filters, channels, classes, batch_norm
        )
        expected = strided_formula(widths, wide, channels, classes, kernel=3, normed=2 * batch_norm)
        given = counted(f"resunet-v2-{sizes}", batch_norm=batch_norm, **options)[0]
        assert given == expected + bridge_formula(widths[-1], batch_norm)
    for shortcut, normed in (("conv-bn", 2), ("conv", 1), ("none", 1)):
        expected = strided_formula(widths, same, channels, classes, normed=normed, projection=shortcut != "none")
        assert counted(f"deep-resunet-{sizes}", shortcut=shortcut, **options)[0] == expected
    assert counted(f"deep-resunet-bilinear-{sizes}", **options)[0] == strided_formula(widths, same, channels, classes, head=3)
    expected = strided_formula(widths, wide, channels, classes) + bridge_formula(widths[-1], True)
    assert counted(f"deep-resunet-plainbridge-{sizes}", **options)[0] == expected


@pytest.mark.parametrize(("name", "layers"), [("resunet-v1", 90), ("resunet-v2", 76), ("resunet-v2-bn", 104)])
def test_layers_are_as_many_as_the_documents_code_has(name, layers):
    """The zoo writes as layers of their own what the document passes as `activation=`: one per up-convolution, and the head's."""
    inside = {"resunet-v1": 4 + 1}.get(name, 1)
    assert counted(name)[2] == layers + inside


@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (4, 3)])
def test_resnets_follow_from_three_channels_and_one_class(channels, classes):
    for encoder, params in (("resnet18", 14_328_209), ("resnet50", 32_521_105)):
        given = counted(f"{encoder}-unet", input_shape=(None, None, channels), classes=classes)[1]
        assert given == params + (channels - 3) * 49 * 64 + (classes - 1) * (9 * 16 + 1)
