"""The losses against NumPy, Keras and their own definitions; MONAI's are in tests/parity/test_losses.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import segmentation_probe as probe
from keras import ops

import zoo
from zoo.errors import ConfigError
from zoo.losses import (
    LOSSES,
    ClDice,
    Crossentropy,
    Dice,
    DiceCrossentropy,
    Focal,
    FocalTversky,
    Jaccard,
    LovaszHinge,
    LovaszSoftmax,
    PixelLoss,
    Sum,
    Tversky,
    from_settings,
)

SIMPLE = [name for name in LOSSES if name not in ("Sum", "LovaszHinge")]
EVERY = [*({"name": name} for name in SIMPLE), {"name": "Sum", "parts": [{"name": "Dice"}, {"name": "ClDice", "weight": 0.5}]}]


def values(loss, labels, output):
    return np.asarray(ops.convert_to_numpy(loss.call(labels, output)))


def hot(labels, classes):
    return np.eye(classes, dtype="float64")[labels]


# What each is.


def test_the_losses_are_what_their_formulas_say_over_the_pixels_that_count():
    labels, logits = probe.batch(3)
    p = probe.probabilities(logits).astype("float64")
    for image in range(len(labels)):
        counts = labels[image] != 255
        t, q = hot(labels[image][counts], 3), p[image][counts]
        both, truth, output = (t * q).sum(axis=0), t.sum(axis=0), q.sum(axis=0)
        entropy, weights = -np.log((t * q).sum(axis=-1)), np.array([1.0, 3.0, 0.0])
        dice = 1 - (2 * both + 1) / (truth + output + 1)
        weight = weights[labels[image][counts]]
        tversky = 1 - (both + 1) / (both + 0.2 * (output - both) + 0.9 * (truth - both) + 1)
        expected = {
            Dice(): dice.mean(),
            Dice(include_background=False): dice[1:].mean(),
            Dice(class_weights=[1, 3, 0]): (dice * weights).sum() / 4,
            Dice(smooth=0.0): (1 - 2 * both / (truth + output)).mean(),
            Jaccard(smooth=2.0): (1 - (both + 2) / (truth + output - both + 2)).mean(),
            Tversky(alpha=0.2, beta=0.9): tversky.mean(),
            FocalTversky(alpha=0.2, beta=0.9, gamma=0.5): np.sqrt(tversky).mean(),
            Crossentropy(): entropy.mean(),
            Crossentropy(class_weights=[1, 3, 0]): (entropy * weight).sum() / weight.sum(),
            Focal(gamma=1.5): ((1 - np.exp(-entropy)) ** 1.5 * entropy).mean(),
            DiceCrossentropy(dice_weight=0.5, crossentropy_weight=2): 0.5 * dice.mean() + 2 * entropy.mean(),
        }
        for loss, number in expected.items():
            assert values(loss, labels, p)[image] == pytest.approx(number, rel=2e-6), loss.get_config()


def test_one_channel_is_the_probability_of_label_1():
    labels, logits = probe.batch(1)
    p = probe.probabilities(logits)
    two = np.concatenate([1 - p, p], axis=-1)
    for name in ("Crossentropy", "Focal"):
        for weights in (None, [1.0, 3.0]):
            loss = from_settings({"name": name, "class_weights": weights})
            np.testing.assert_allclose(values(loss, labels, p), values(loss, labels, two), rtol=1e-5)
    for name in ("Dice", "Jaccard", "FocalTversky"):
        loss = from_settings({"name": name, "include_background": False})
        np.testing.assert_allclose(values(loss, labels, p), values(loss, labels, two), rtol=1e-5)
    np.testing.assert_allclose(values(ClDice(), labels, p), values(ClDice(), labels, two), rtol=1e-5)


def test_sums_over_the_batch_give_every_image_the_same():
    labels, logits = probe.batch(3)
    p = probe.probabilities(logits)
    whole = values(Dice(), labels.reshape(1, -1, 8), p.reshape(1, -1, 8, 3))
    np.testing.assert_allclose(values(Dice(batch=True), labels, p), np.repeat(whole, 3), rtol=1e-6)
    each = values(DiceCrossentropy(batch_dice=True), labels, p) - values(Crossentropy(), labels, p)
    np.testing.assert_allclose(each, np.repeat(whole, 3), rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_lovasz_extension_of_hard_predictions_is_one_minus_the_iou(channels):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, max(channels, 2), (4, 6, 7))
    found = rng.integers(0, max(channels, 2), (4, 6, 7))
    p = found[..., None].astype("float32") if channels == 1 else hot(found, 3).astype("float32")
    wanted = [1] if channels == 1 else [0, 1, 2]
    iou = [
        np.mean([((t == c) & (f == c)).sum() / ((t == c) | (f == c)).sum() for c in wanted])
        for t, f in zip(labels, found, strict=True)
    ]
    np.testing.assert_allclose(values(LovaszSoftmax(), labels, p), 1 - np.array(iou), rtol=1e-5)
    if channels == 1:  # an error of the hinge is 2 where the logit is 1 on the wrong side
        np.testing.assert_allclose(values(LovaszHinge(from_logits=True), labels, 2 * p - 1), 2 * (1 - np.array(iou)), rtol=1e-5)


def test_the_lovasz_extension_is_the_sum_over_level_sets():
    """The definition: errors in falling order, each times what its pixel adds to the Jaccard loss of the set before it."""
    labels, logits = probe.batch(3)
    p = probe.probabilities(logits).astype("float64")
    for average in ("present", "all"):
        found = values(LovaszSoftmax(average=average), labels, p)
        for image in range(len(labels)):
            counts = labels[image] != 255
            parts = []
            for c in range(3):
                truth = labels[image][counts] == c
                error = np.abs(truth - p[image][counts][:, c])
                if average == "present" and not truth.any():
                    continue
                total, wrong, before = 0.0, np.zeros(len(truth), bool), 0.0
                for pixel in np.argsort(-error):
                    wrong[pixel] = True
                    now = 1 - (truth & ~wrong).sum() / (truth | wrong).sum()
                    total, before = total + error[pixel] * (now - before), now
                parts.append(total)
            assert found[image] == pytest.approx(np.mean(parts), rel=1e-5)
    assert (labels[-1] == 1).sum() == 0  # or the two averages would be the same


def test_cldice_sees_a_gap_in_a_vessel_where_dice_hardly_does():
    vessel = np.zeros((1, 32, 32), "uint8")
    vessel[:, 14:18] = 1
    thinner, cut = vessel[..., None].astype("float32"), vessel[..., None].astype("float32")
    thinner[:, 14] = 0
    cut[:, :, 12:20] = 0
    assert values(ClDice(smooth=1e-3), vessel, vessel[..., None].astype("float32"))[0] == pytest.approx(0, abs=1e-6)
    assert values(Dice(), vessel, thinner)[0] == pytest.approx(values(Dice(), vessel, cut)[0], abs=0.01)
    assert values(ClDice(), vessel, thinner)[0] < 0.01 < 0.1 < values(ClDice(), vessel, cut)[0]


# Against Keras.


def test_equal_to_keras_where_keras_has_the_same():
    labels, logits = probe.batch(1, (8, 8))
    labels[labels == 255] = 0
    p, t = probe.probabilities(logits), labels[..., None].astype("float32")
    k = keras.losses
    assert float(Dice(batch=True, smooth=0.0)(labels, p)) == pytest.approx(float(k.Dice()(t, p)), rel=1e-5)
    np.testing.assert_allclose(values(Dice(smooth=0.0), labels, p), k.dice(t, p, axis=(1, 2, 3)), rtol=1e-5)
    # Keras' alpha weighs what is missed, against its documentation.
    theirs = k.Tversky(alpha=0.7, beta=0.3)(t, p)
    assert float(Tversky(alpha=0.3, beta=0.7, batch=True, smooth=0.0)(labels, p)) == pytest.approx(float(theirs), rel=1e-5)
    assert float(Crossentropy()(labels, p)) == pytest.approx(float(k.BinaryCrossentropy()(t, p)), rel=1e-5)
    assert float(Focal(gamma=1.5)(labels, p)) == pytest.approx(float(k.BinaryFocalCrossentropy(gamma=1.5)(t, p)), rel=1e-5)
    raw = k.BinaryCrossentropy(from_logits=True)(t, logits)
    assert float(Crossentropy(from_logits=True)(labels, logits)) == pytest.approx(float(raw), rel=1e-5)

    labels, logits = probe.batch(3)
    sparse = k.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255, reduction="sum")(labels.astype("int32"), logits)
    counts = (labels != 255).sum(axis=(1, 2))
    ours = values(Crossentropy(from_logits=True), labels, logits)
    assert (ours * counts).sum() == pytest.approx(float(sparse), rel=1e-5)
    labels[labels == 255] = 0
    focal = k.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0)(hot(labels, 3).astype("float32"), probe.probabilities(logits))
    assert float(Focal()(labels, probe.probabilities(logits))) == pytest.approx(float(focal), rel=1e-4)


# What counts.


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("settings", EVERY, ids=lambda one: one["name"])
def test_ignored_pixels_change_nothing_and_get_no_gradient(settings, channels):
    labels, logits = probe.batch(channels)
    loss = from_settings({**settings, "from_logits": True})
    other = logits.copy()
    other[labels == 255] = 7 * np.random.default_rng(0).normal(size=other[labels == 255].shape)
    (one, slope), (two, _) = (probe.value_and_gradient(loss, labels, x) for x in (logits, other))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    assert np.all(slope[labels == 255] == 0)
    assert np.abs(slope[labels != 255]).max() > 0
    assert np.isfinite(slope).all()
    moved = np.where(labels == 255, 99, labels)
    np.testing.assert_array_equal(values(from_settings({**settings, "from_logits": True, "ignore": 99}), moved, logits), one)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("settings", [*EVERY, {"name": "LovaszHinge"}], ids=lambda one: one["name"])
def test_an_image_without_a_pixel_that_counts_costs_nothing(settings, channels):
    if settings["name"] == "LovaszHinge" and channels > 1:
        return
    labels = np.full((2, 6, 6), 255, "uint8")
    output = probe.probabilities(np.random.default_rng(0).normal(size=(2, 6, 6, channels))).astype("float32")
    found, slope = probe.value_and_gradient(from_settings(settings), labels, output)
    assert found.tolist() == [0, 0]
    assert np.all(slope == 0)


@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [*SIMPLE, "LovaszHinge"])
def test_values_and_gradients_are_finite_at_probabilities_of_0_and_1(name, channels, smooth):
    if name == "LovaszHinge" and channels > 1:
        return
    settings = {"name": name, **({"smooth": smooth} if "smooth" in LOSSES[name].settings else {})}
    rng = np.random.default_rng(0)
    labels = rng.integers(0, max(channels, 2), (4, 6, 6))
    labels[0], labels[1] = 0, 255  # without the other classes; without anything
    perfect = hot(labels % 255, max(channels, 2))[..., -channels:].astype("float32")
    for output in (perfect, 1 - perfect, np.zeros_like(perfect), np.ones_like(perfect)):
        found, slope = probe.value_and_gradient(from_settings(settings), labels, output)
        assert np.isfinite(found).all()
        assert np.isfinite(slope).all()
    huge = np.where(perfect > 0, 1e4, -1e4).astype("float32")
    for output in (huge, -huge):
        found, slope = probe.value_and_gradient(from_settings({**settings, "from_logits": True}), labels, output)
        assert np.isfinite(found).all()
        assert np.isfinite(slope).all()


def test_a_perfect_output_costs_next_to_nothing():
    labels = np.random.default_rng(0).integers(0, 3, (2, 6, 6))
    perfect = hot(labels, 3).astype("float32")
    for settings in EVERY:
        assert np.abs(values(from_settings(settings), labels, perfect)).max() < 1e-4, settings


@pytest.mark.parametrize("wrong", [3, -1, 0.5, 256, np.nan])
def test_a_label_that_is_no_class_makes_the_loss_of_its_image_nan_and_no_gradient(wrong):
    labels, logits = probe.batch(3)
    labels = labels.astype("float32")
    before = values(DiceCrossentropy(from_logits=True), labels, logits)
    labels[1, 0, 0] = wrong
    found, slope = probe.value_and_gradient(DiceCrossentropy(from_logits=True), labels, logits)
    assert np.isnan(found).tolist() == [False, True, False]
    np.testing.assert_allclose(found[[0, 2]], before[[0, 2]], rtol=1e-6)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64", "bool"])
def test_labels_of_any_type_with_and_without_a_last_axis(dtype):
    labels = np.random.default_rng(0).integers(0, 2, (3, 8, 8))
    output = probe.probabilities(np.random.default_rng(1).normal(size=(3, 8, 8, 1))).astype("float32")
    loss = DiceCrossentropy()
    expected = float(loss(labels.astype("float32"), output))
    assert float(loss(labels.astype(dtype), output)) == expected
    assert float(loss(labels[..., None].astype(dtype), output)) == expected


def test_bfloat16_outputs_are_computed_in_float32():
    labels, logits = probe.batch(3)
    half = ops.cast(logits, "bfloat16")
    for settings in EVERY:
        loss = from_settings({**settings, "from_logits": True})
        found = loss.call(labels, half)
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_array_equal(ops.convert_to_numpy(found), values(loss, labels, ops.cast(half, "float32")))


# Gradients.


@pytest.mark.parametrize(("channels", "size"), [(1, (4, 4)), (3, (4, 4)), (1, (3, 4, 3))])
@pytest.mark.parametrize("settings", [*EVERY, {"name": "LovaszHinge"}], ids=lambda one: one["name"])
def test_gradients_are_the_slopes_of_the_values(settings, channels, size):
    if settings["name"] == "LovaszHinge" and channels > 1:
        return
    labels, logits = probe.batch(channels, size, images=2)
    # Sorting and poolings have a kink wherever two pixels are equal: these are well apart.
    logits = np.linspace(-3, 2.85, logits.size, dtype="float32")[np.argsort(logits, axis=None)].reshape(logits.shape)
    loss = from_settings({**settings, "from_logits": True})
    _, slope = probe.value_and_gradient(loss, labels, logits)
    rng, step = np.random.default_rng(3), 1e-3
    found, expected = [], []
    for _ in range(8):
        way = rng.normal(size=logits.shape).astype("float32")
        ahead, behind = (values(loss, labels, logits + sign * step * way).astype("float64").sum() for sign in (1, -1))
        expected.append((ahead - behind) / (2 * step))
        found.append((slope * way).sum())
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


# In Keras.


def test_reduction_and_weights_of_images_work_as_in_keras():
    labels, logits = probe.batch(3)
    each = values(Dice(from_logits=True), labels, logits)
    for reduction, expected in (("sum", each.sum()), ("sum_over_batch_size", each.mean())):
        loss = Dice(from_logits=True, reduction=reduction)
        assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(ops.convert_to_numpy(Dice(from_logits=True, reduction=None)(labels, logits)), each)
    weights = [2.0, 0.0, 1.0]
    for given in (weights, np.array(weights)[:, None]):
        assert float(Dice(from_logits=True)(labels, logits, given)) == pytest.approx((each * weights).mean(), rel=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{**one, "from_logits": True} for one in [*EVERY, {"name": "LovaszHinge", "ignore": None}]],
    ids=lambda one: one["name"],
)
def test_a_loss_comes_back_from_its_config(settings):
    loss = from_settings(settings)
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    again = keras.losses.deserialize(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert again.get_config() | settings == again.get_config() | {"name": settings["name"]}


def network(channels, rank=2):
    convolution = keras.layers.Conv2D if rank == 2 else keras.layers.Conv3D
    inputs = keras.Input((*[None] * rank, 1))
    return keras.Model(
        inputs, convolution(channels, 3, padding="same", activation="sigmoid" if channels == 1 else "softmax")(inputs)
    )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("settings", EVERY, ids=lambda one: one["name"])
def test_training_lowers_the_loss(settings, compiled):
    if compiled and settings["name"] not in ("DiceCrossentropy", "LovaszSoftmax", "Sum"):
        return
    labels = np.zeros((4, 12, 12), "uint8")
    labels[:, 3:8, 2:9] = 1
    images = labels[..., None] + 0.1 * np.random.default_rng(0).normal(size=(4, 12, 12, 1))
    labels[0, :2] = 255
    keras.utils.set_random_seed(0)
    model = network(2)
    model.compile(keras.optimizers.Adam(0.05), from_settings(settings), jit_compile=compiled)
    curve = model.fit(images, labels, epochs=6, batch_size=2, verbose=0).history["loss"]
    assert curve[-1] < 0.9 * curve[0]


def test_training_in_mixed_precision_on_a_volume_with_labels_that_have_a_channel():
    labels = np.zeros((2, 6, 8, 8, 1), "int32")
    labels[:, 2:4, 2:6, 3:] = 1
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(1, rank=3)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(0.05), DiceCrossentropy(), jit_compile=False)
    curve = model.fit(labels.astype("float32"), labels, epochs=5, verbose=0).history["loss"]
    assert curve[-1] < curve[0]


def test_a_saved_network_comes_back_with_its_loss_where_zoo_alone_was_imported(tmp_path):
    model = network(2)
    model.compile("adam", DiceCrossentropy(batch_dice=True), metrics=[zoo.metrics.Dice(classes=2)], jit_compile=False)
    images, labels = np.ones((2, 8, 8, 1), "float32"), np.ones((2, 8, 8), "uint8")
    model.fit(images, labels, verbose=0)
    model.save(tmp_path / "net.keras")
    code = """
import zoo, keras, json, numpy as np
net = keras.models.load_model("net.keras")
print(json.dumps(net.evaluate(np.ones((2, 8, 8, 1)), np.ones((2, 8, 8), "uint8"), verbose=0, return_dict=True)))
print(type(net.loss).__module__, net.loss.batch_dice)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    scores, loss = done.stdout.splitlines()
    assert json.loads(scores) == pytest.approx(model.evaluate(images, labels, verbose=0, return_dict=True), rel=1e-5)
    assert loss == "zoo.losses.combined True"


@pytest.fixture(scope="module")
def on_jax():
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    script = Path(__file__).with_name("segmentation_probe.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["backend"] == "jax"
    return found


@pytest.mark.parametrize("kind", ["losses", "metrics"])
def test_jax_gives_the_same_numbers(on_jax, kind):
    here = getattr(probe, kind)()
    assert here.keys() == on_jax[kind].keys()
    for name, expected in here.items():
        np.testing.assert_allclose(on_jax[kind][name], expected, rtol=2e-4, atol=1e-6, err_msg=name)


# What is refused.


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("Dise", "there is no loss 'Dise'; did you mean 'Dice' or 'ClDice'? Losses: DiceCrossentropy, Dice,"),
        ({"weight": 2}, "a loss is a name or a table with a `name`. Received: {'weight': 2}; losses: DiceCrossentropy,"),
        (7, "a loss is a name or a table with a `name`. Received: 7"),
        ({"name": "Dice", "smoth": 1}, "`smoth` is not a setting of Dice; did you mean 'smooth'? Settings: from_logits,"),
        ({"name": "Dice", "smooth": -1}, "`smooth` must be a number of 0 or more. Received: smooth=-1"),
        ({"name": "Dice", "smooth": "1"}, "`smooth` must be a number of 0 or more. Received: smooth='1'"),
        ({"name": "Dice", "smooth": float("nan")}, "`smooth` must be a number of 0 or more. Received: smooth=nan"),
        ({"name": "Dice", "batch": 1}, "`batch` must be True or False. Received: batch=1"),
        ({"name": "Dice", "ignore": 0.5}, "`ignore` must be None, or a whole number"),
        ({"name": "Dice", "class_weights": 2}, "`class_weights` must be None or a list of numbers, one for each class."),
        ({"name": "Dice", "class_weights": [1, -1]}, "`class_weights[1]` must be a number of 0 or more. Received:"),
        ({"name": "Dice", "class_weights": [0, 0]}, "`class_weights` must have a weight above 0. Received: class_weights=[0, 0]"),
        ({"name": "FocalTversky", "gamma": 0}, "`gamma` must be a number above 0. Received: gamma=0"),
        ({"name": "LovaszSoftmax", "average": "some"}, "`average` must be one of 'present', 'all'"),
        ({"name": "ClDice", "iterations": 0}, "`iterations` must be a whole number from 1 to 1000"),
        ("Sum", "Sum needs `parts`, a list of tables"),
        ({"name": "Sum", "parts": []}, "`parts` must be a list of tables, each with the name of a loss. Received: parts=[]"),
        ({"name": "Sum", "parts": [{"name": "Dice", "ignore": 1}]}, "`ignore` is a setting of the whole Sum, not of one part."),
        ({"name": "Sum", "parts": [{"name": "Dice", "weight": -1}]}, "`weight` must be a number of 0 or more. Received:"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_are_not_allowed_are_refused(settings, said):
    with pytest.raises(ConfigError) as caught:
        from_settings(settings)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "labels", "output", "said"),
    [
        (Dice(), (2, 8, 8, 3), (2, 8, 8, 3), "labels do not fit the output (2, 8, 8, 3): they are whole numbers of shape (2"),
        (Dice(), (2, 8), (2, 8, 8, 3), "Received: y_true of shape (2, 8)"),
        (Dice(), (2, 8, 9), (2, 8, 8, 3), "Received: y_true of shape (2, 8, 9)"),
        (Dice(class_weights=[1, 2]), (2, 8, 8), (2, 8, 8, 3), "`class_weights` needs 3 numbers for this output. Received:"),
        (Crossentropy(class_weights=[1]), (2, 8, 8), (2, 8, 8, 1), "needs 2 numbers for this output (one channel tells"),
        (LovaszHinge(), (2, 8, 8), (2, 8, 8, 2), "LovaszHinge is for one channel; use LovaszSoftmax. Received: an output of 2"),
    ],
    ids=range(6),
)  # fmt: skip
def test_batches_that_do_not_fit_are_refused(loss, labels, output, said):
    with pytest.raises(ConfigError) as caught:
        loss(np.zeros(labels), np.zeros(output, "float32"))
    assert said in str(caught.value)


def test_weights_of_pixels_are_refused():
    with pytest.raises(
        ConfigError, match=r"`sample_weight` is one number per image.*Received: sample_weight of shape \(2, 8, 8\)"
    ):
        Dice()(np.zeros((2, 8, 8)), np.zeros((2, 8, 8, 1), "float32"), np.ones((2, 8, 8)))


def test_every_loss_is_listed_and_says_what_its_settings_are():
    import inspect

    for name, loss in LOSSES.items():
        assert loss.__name__ == name
        assert getattr(zoo.losses, name) is loss
        owners = [owner for owner in loss.__mro__ if issubclass(owner, PixelLoss)]
        known = {argument for owner in owners for argument in inspect.signature(owner.__init__).parameters}
        assert set(loss.settings) == known - {"self", "options", "reduction", "name"}
    assert Sum in LOSSES.values()
