"""Tiles against the whole image: equal where the receptive field allows it, measured where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from predicting import network, nuclei

import zoo
from zoo.analysis.graph import trace
from zoo.analysis.receptive_field import reach
from zoo.prediction.network import network_of
from zoo.prediction.plan import MEMORY, Wish, as_bytes, make_plan
from zoo.prediction.sources import array_source
from zoo.weights.probe import probe_image


def planned(model, image, **wish):
    found = network_of(model)
    source = array_source(image, found.ndim)
    return make_plan(found, source.sizes, source.pixel_bytes, Wish(**wish))


def seam(model, image, **options):
    """The largest difference of any probability between tiles and the whole image."""
    whole = zoo.predict(model, image, output="probabilities")
    return float(np.abs(zoo.predict(model, image, output="probabilities", **options) - whole).max())


@pytest.mark.parametrize(
    ("name", "size", "tile"),
    [
        ("resunet-v1-d3-f8", (233, 317), 128),
        ("resunet-v1-d3-f8", (127, 500), 104),
        ("deep-resunet-d3-f8", (150, 201), 96),
        ("resunet-v2-bn-d3-f8", (150, 201), 128),
        ("deep-resunet-bilinear-d3-f8", (160, 200), 96),
        ("attention-resunet-d3-f8", (170, 190), 144),
        ("resnet18-unet", (64, 1400), 1216),
    ],
)
def test_tiles_give_the_whole_image_where_the_overlap_is_what_the_network_sees(name, size, tile):
    model = network(name)
    image = np.random.default_rng(0).random((*size, 3), dtype="float32")
    plan = planned(model, image, tile=tile)
    assert plan.tiles > 1
    assert plan.exact
    assert seam(model, image, tile=tile) <= 1e-5


def test_an_overlap_that_is_one_step_too_small_shows(cells):
    """The reach is not larger than it need be: with less the result differs by more than rounding."""
    model, image = network("resunet-v1-d3-f8"), cells / 255
    needed = sum(network_of(model).reach[0])
    enough = -(-needed // 4) * 4
    assert planned(model, image, tile=128, overlap=enough).exact
    assert seam(model, image, tile=128, overlap=enough) <= 1e-5
    assert not planned(model, image, tile=128, overlap=enough - 8).exact
    assert seam(model, image, tile=128, overlap=enough - 24) > 1e-5


def test_volumes_in_tiles(volume):
    model = network("resunet-v1-3d-d2-f4", classes=3)
    image = np.tile(volume, (1, 2, 1)) / 255
    for tile in (40, 48):
        assert planned(model, image, tile=tile).exact
        assert seam(model, image, tile=tile) <= 1e-5


@pytest.mark.parametrize("flips", [False, True])
def test_batches_flips_and_other_tiles_change_nothing(cells, flips):
    expected = zoo.predict(nuclei(), cells, output="probabilities", flips=flips)
    for options in ({"tile": 128, "batch": 2}, {"tile": 128, "batch": 7}, {"tile": 160, "overlap": 80}, {"memory": "30MB"}):
        found = zoo.predict(nuclei(), cells, output="probabilities", flips=flips, **options)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=str(options))
    for output in ("classes", "logits"):
        one, two = (zoo.predict(nuclei(), cells, output=output, tile=tile) for tile in (None, 128))
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_where_a_network_sees_the_whole_tile_the_seam_is_small_and_the_plan_says_that_it_is_there():
    """Instance normalisation: what is measured here stands in the guide."""
    model = network("monai-unet-d3-f16", norm="instance")
    image = np.tile(probe_image((128, 128, 1)), (3, 3, 1)) / 255
    assert network_of(model).reach == (None, None)
    plan = planned(model, image, tile=192)
    assert not plan.exact
    assert planned(model, image).exact  # the whole image
    assert seam(model, image, tile=192) > 1e-5


def test_the_seam_is_blended_smoothly_where_it_is_not_exact():
    """Two thirds of what the network sees leave a hundredth of the error of tiles that are cut without overlap."""
    image = np.tile(probe_image((128, 128, 3)), (2, 4, 1))[:, :500]
    assert not planned(nuclei(), image, tile=128, overlap=32).exact
    whole = zoo.predict(nuclei(), image, output="logits")
    found = {overlap: zoo.predict(nuclei(), image, output="logits", tile=128, overlap=overlap) - whole for overlap in (0, 32)}
    assert np.abs(found[32]).mean() < np.abs(found[0]).mean() / 100
    assert np.abs(found[32]).max() < np.abs(found[0]).max() / 10
    assert np.abs(np.diff(found[32], axis=1)).max() < np.abs(np.diff(found[0], axis=1)).max() / 10


def test_an_image_within_the_memory_is_predicted_as_a_whole():
    shape = (2000, 1500, 3)
    image = np.broadcast_to(np.uint8(0), shape)
    assert planned(nuclei(), image).tile == (2000, 1500)
    small = planned(nuclei(), image, memory=as_bytes("500MB"))
    assert small.tiles > 1
    assert small.exact
    assert small.bytes <= 500 * 10**6


def test_the_memory_of_a_plan_does_not_grow_with_the_height_of_the_image():
    plans = [planned(nuclei(), np.broadcast_to(np.uint8(0), (height, 20_000, 3))) for height in (10_000, 20_000, 200_000)]
    assert len({(plan.tile, plan.bytes) for plan in plans}) == 1
    assert all(plan.bytes <= MEMORY for plan in plans)
    assert plans[0].tile[0] >= 512


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5G", 15 * 10**8), ("4096", 4096), (7, 7), ("3GiB", 3 * 10**9), (None, None)],
)
def test_bounds_of_memory(given, bytes_):
    assert as_bytes(given) == bytes_


def test_the_reach_is_what_moves_the_output():
    """Against finite differences: a pixel that is farther away than the reach changes nothing, one at its end does."""
    model = network("resunet-v1-d3-f8")
    graph = trace(model, (128, 128, 3))
    (before, after), _ = reach(graph, graph.outputs[0])
    rng = np.random.default_rng(0)
    image = rng.random((128, 128, 3), dtype="float32")
    plain = zoo.predict(model, image, output="logits")
    changed = image.copy()
    changed[64] = 40 * rng.random((128, 3))
    moved = np.flatnonzero(np.abs(zoo.predict(model, changed, output="logits") - plain).max((1, 2)) > 1e-4)
    assert 64 - moved.min() <= after
    assert moved.max() - 64 <= before
    assert moved.max() - moved.min() >= before + after - 12  # not far less, either
