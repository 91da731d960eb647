"""The metrics against scikit-learn, and against sums that Python does exactly; MONAI's are in tests/parity/test_losses.py."""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

import zoo
from zoo import metrics
from zoo.errors import ConfigError
from zoo.metrics import F1, Accuracy, Dice, IoU, Precision, Recall, Scores, scores
from zoo.metrics.counting import ExactTotals

NAMES = ("Dice", "F1", "IoU", "Precision", "Recall")
SCIKIT = {"Dice": f1_score, "F1": f1_score, "IoU": jaccard_score, "Precision": precision_score, "Recall": recall_score}


def outputs(labels, classes):
    """Probabilities of which the largest, or those above a half, are these labels."""
    if classes == 1:
        return 0.2 + 0.6 * labels[..., None].astype("float32")
    return (0.1 + np.eye(classes)[labels]).astype("float32")


def pair(classes, images=5, size=(7, 6), seed=0, ignored=True):
    rng = np.random.default_rng(seed)
    truth, found = (rng.integers(0, max(classes, 2), (images, *size)).astype("uint8") for _ in range(2))
    found = np.where(rng.random(truth.shape) < 0.5, truth, found)
    if ignored:
        truth[rng.random(truth.shape) < 0.2] = 255
    return truth, found


def of(name, /, **options):
    return getattr(metrics, name)(**options)


def result(metric, truth, output, batch=2):
    for first in range(0, len(truth), batch):
        metric.update_state(truth[first : first + batch], output[first : first + batch])
    found = metric.result()
    return np.array([float(x) for x in found.values()]) if isinstance(found, dict) else float(found)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_scores_of_a_data_set_are_those_of_scikit_learn(name, classes):
    truth, found = pair(classes)
    counts = truth != 255
    labels = [1] if classes == 1 else list(range(classes))
    options = {"classes": classes, "per": "dataset"}

    def theirs(average):
        return SCIKIT[name](truth[counts], found[counts], labels=labels, average=average)

    assert result(of(name, **options), truth, outputs(found, classes)) == pytest.approx(theirs("macro"), rel=1e-6)
    assert result(of(name, **options, average="pooled"), truth, outputs(found, classes)) == pytest.approx(
        theirs("micro"), rel=1e-6
    )
    each = result(of(name, **options, average="none"), truth, outputs(found, classes))
    np.testing.assert_allclose(each, theirs(None), rtol=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_scores_by_image_are_means_of_those_of_scikit_learn(name, classes):
    truth, found = pair(classes)
    labels = [1] if classes == 1 else list(range(classes))
    each = [
        SCIKIT[name](t[t != 255], f[t != 255], labels=labels, average=None, zero_division=0)
        for t, f in zip(truth, found, strict=True)
    ]
    metric = of(name, classes=classes, average="none", per="image")
    np.testing.assert_allclose(result(metric, truth, outputs(found, classes)), np.mean(each, axis=0), rtol=1e-6)
    metric = of(name, classes=classes, per="image")
    assert result(metric, truth, outputs(found, classes)) == pytest.approx(np.mean(each), rel=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
def test_accuracy_is_that_of_scikit_learn(classes):
    truth, found = pair(classes)
    counts = truth != 255
    whole = accuracy_score(truth[counts], found[counts])
    assert result(Accuracy(classes=classes, per="dataset"), truth, outputs(found, classes)) == pytest.approx(whole, rel=1e-6)
    each = [accuracy_score(t[t != 255], f[t != 255]) for t, f in zip(truth, found, strict=True)]
    assert result(Accuracy(classes=classes), truth, outputs(found, classes)) == pytest.approx(np.mean(each), rel=1e-6)


def test_the_plain_scores_are_those_of_scikit_learn_and_pool():
    truth, found = pair(4)
    counts = truth != 255
    whole = scores(truth, found, classes=4)
    np.testing.assert_array_equal(whole.confusion, confusion_matrix(truth[counts], found[counts]))
    for name, values in (("Dice", whole.dice), ("IoU", whole.iou), ("Precision", whole.precision), ("Recall", whole.recall)):
        np.testing.assert_allclose(values, SCIKIT[name](truth[counts], found[counts], average=None), rtol=1e-12)
    assert whole.accuracy == pytest.approx(accuracy_score(truth[counts], found[counts]))
    assert whole.pixels == counts.sum()
    pooled = scores(truth[:2], found[:2], classes=4) + scores(truth[2:], found[2:], classes=4)
    np.testing.assert_array_equal(pooled.confusion, whole.confusion)
    np.testing.assert_array_equal(pooled.dice, whole.dice)


labels_of_three = st.lists(st.lists(st.sampled_from([0, 1, 2, 255]), min_size=4, max_size=4), min_size=3, max_size=3)
predictions_of_three = st.lists(st.lists(st.sampled_from([0, 1, 2]), min_size=4, max_size=4), min_size=3, max_size=3)


@settings(max_examples=15)
@given(labels_of_three, predictions_of_three, st.sampled_from([None, 1.0, 0.0]))
def test_streaming_and_plain_scores_agree_on_every_small_image(truth, found, empty):
    truth, found = np.array(truth), np.array(found)
    plain = [scores(t, f, classes=3, empty=empty) for t, f in zip(truth, found, strict=True)]
    plain = [one for one in plain if one.pixels] or [Scores(confusion=np.zeros((3, 3)), classes=3, empty=np.nan)]
    for name in ("IoU", "Precision"):
        metric = of(name, classes=3, average="none", empty=empty, per="image")
        each = np.array([getattr(one, name.lower()) for one in plain])
        there = ~np.isnan(each)
        means = np.where(there, each, 0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)
        np.testing.assert_allclose(result(metric, truth, outputs(found, 3)), means, rtol=1e-6)
    macro = result(of(name, classes=3, empty=empty, per="image"), truth, outputs(found, 3))
    known = means[~np.isnan(means)]
    np.testing.assert_allclose(macro, known.mean() if len(known) else np.nan, rtol=1e-6)


# What is not there.


def test_what_is_in_neither_counts_as_empty_says_and_what_cannot_be_divided_is_0():
    nothing, half = np.zeros((1, 4, 4), "uint8"), np.zeros((1, 4, 4), "uint8")
    half[:, 2:] = 1
    for name in NAMES:
        for per in ("image", "dataset"):
            options = {"classes": 1, "per": per}
            assert result(of(name, **options), nothing, outputs(nothing, 1)) == 1
            assert result(of(name, **options, empty=0.0), nothing, outputs(nothing, 1)) == 0
            assert np.isnan(result(of(name, **options, empty=None), nothing, outputs(nothing, 1)))
            assert result(of(name, **options), nothing, outputs(half, 1)) == 0
            assert result(of(name, **options), half, outputs(nothing, 1)) == 0
    # Class 2 of three is in neither image: it is 1, or left out.
    truth = np.concatenate([half, nothing])
    assert result(Dice(classes=3), truth, outputs(half.repeat(2, 0), 3)) == pytest.approx((1 / 2 * (1 + 2 / 3) + 1 / 2 + 1) / 3)
    expected = (1 / 2 * (1 + 2 / 3) + 1 / 2) / 2
    assert result(Dice(classes=3, empty=None), truth, outputs(half.repeat(2, 0), 3)) == pytest.approx(expected)


def test_images_of_which_nothing_counts_are_left_out():
    truth, found = pair(1)
    more = np.concatenate([truth, np.full_like(truth[:2], 255)]), np.concatenate([found, found[:2]])
    for name in (*NAMES, "Accuracy"):
        for per in ("image", "dataset"):
            alone = result(of(name, classes=1, per=per), truth, outputs(found, 1))
            assert result(of(name, classes=1, per=per), more[0], outputs(more[1], 1)) == pytest.approx(alone, rel=1e-6)
            assert np.isnan(result(of(name, classes=1, per=per), more[0][-2:], outputs(more[1], 1)[-2:]))


def test_class_ids_choose_what_is_scored_and_the_ignored_label_is_left_out():
    truth, found = pair(4)
    each = result(Dice(classes=4, average="none"), truth, outputs(found, 4))
    chosen = Dice(classes=4, class_ids=[3, 1], average="none")
    np.testing.assert_allclose(result(chosen, truth, outputs(found, 4)), each[[3, 1]], rtol=1e-6)
    assert list(chosen.result()) == ["dice_3", "dice_1"]
    assert result(Dice(classes=4, class_ids=[1, 2, 3]), truth, outputs(found, 4)) == pytest.approx(each[1:].mean(), rel=1e-6)
    moved = np.where(truth == 255, 77, truth)
    assert result(Dice(classes=4, ignore=77), moved, outputs(found, 4)) == pytest.approx(each.mean(), rel=1e-6)


def test_the_threshold_is_above_and_0_is_that_of_logits():
    truth = np.array([[0, 0, 1, 1]])
    output = np.array([[[0.3], [0.5], [0.5], [0.7]]], "float32")
    assert result(Accuracy(classes=1), truth, output) == 0.75
    assert result(Accuracy(classes=1, threshold=0.4), truth, output) == 0.75
    assert result(Accuracy(classes=1, threshold=0.0), truth, np.log(output / (1 - output))) == 0.75


@pytest.mark.parametrize("wrong", [3, -1, 0.5])
@pytest.mark.parametrize("per", ["image", "dataset"])
def test_a_label_that_is_no_class_makes_the_result_nan_until_it_is_reset(per, wrong):
    truth, found = pair(3)
    bad = truth.astype("float32")
    bad[0, 0, 0] = wrong
    for metric in (Dice(classes=3, per=per), Accuracy(classes=3, per=per)):
        assert np.isnan(result(metric, bad, outputs(found, 3)))
        metric.reset_state()
        assert np.isnan(float(metric.result()))  # nothing was seen
        assert 0 < result(metric, truth, outputs(found, 3)) < 1


def test_weights_of_images():
    truth, found = pair(3)
    output, weights = outputs(found, 3), np.array([2.0, 0, 1, 0, 3])
    each = [result(IoU(classes=3, average="none"), truth[k : k + 1], output[k : k + 1]) for k in range(5)]
    for given_weights in (weights, weights[:, None]):
        metric = IoU(classes=3, average="none")
        metric.update_state(truth, output, given_weights)
        found_scores = [float(x) for x in metric.result().values()]
        np.testing.assert_allclose(found_scores, np.average(each, axis=0, weights=weights), rtol=1e-6)
    metric = IoU(classes=3, per="dataset")
    metric.update_state(truth, output, weights)
    repeated = [k for k, times in enumerate(weights) for _ in range(int(times))]
    assert float(metric.result()) == pytest.approx(result(IoU(classes=3, per="dataset"), truth[repeated], output[repeated]))
    with pytest.raises(ConfigError, match="`sample_weight` is one number per image"):
        metric.update_state(truth, output, np.ones(truth.shape))


# Many pixels.


def totals(compiled, values):
    metric = ExactTotals()
    metric.add_totals(values[0].shape)
    add = metric.add
    if compiled and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        add = tf.function(metric.add, jit_compile=compiled == "xla")
    for value in values:
        add(ops.convert_to_tensor(value))
    return sum(ops.convert_to_numpy(v).astype("float64") for v in metric.variables), ops.convert_to_numpy(metric.totals())


@pytest.mark.parametrize("compiled", ["", "graph", "xla"])
def test_totals_stay_exact_far_beyond_what_float32_counts(compiled):
    rng = np.random.default_rng(0)
    values = rng.integers(1, [3, 1_000_000], (200, 2)).astype("float32")
    values[0] = 2**30, 2**30
    exact = values.astype("int64").sum(axis=0)
    found, rounded = totals(compiled, values)
    assert found.tolist() == exact.tolist()
    np.testing.assert_allclose(rounded, exact, rtol=1e-7)
    naive = np.cumsum(values, axis=0, dtype="float32")[-1]
    assert np.all(naive != exact)
    assert naive[0] == 2**30  # what a plain sum would say: that nothing came after


def test_a_metric_of_a_billion_pixels_sees_the_last_ones():
    metric = Recall(classes=1, per="dataset")
    # As if a long evaluation came before: a billion pixels of truth, all missed.
    metric._high.assign(ops.array([[0.0], [1e9], [0.0], [1.0]]))
    truth = np.ones((1, 10, 10), "uint8")
    for _ in range(30):
        metric.update_state(truth, outputs(truth, 1))
    exact = 3_000 / (1_000_000_000 + 3_000)
    assert float(metric.result()) == pytest.approx(exact, rel=1e-6)
    high, low = (ops.convert_to_numpy(v).astype("float64") for v in metric.variables)
    assert (high + low)[1, 0] == 1_000_003_000
    assert (high + low)[0, 0] == 3_000


def test_one_volume_with_more_pixels_than_float32_counts():
    side = 2**12 + 8
    truth = np.ones((1, side, side), "uint8")
    metric = Recall(classes=1, per="dataset")
    metric.update_state(truth, np.ones((1, side, side, 1), "float16"))
    assert float(ops.convert_to_numpy(metric.totals())[1, 0]) == pytest.approx(side**2, rel=1e-7)


# In Keras.


@pytest.mark.parametrize("name", [*NAMES, "Accuracy"])
def test_a_metric_comes_back_from_its_config(name):
    options = {"classes": 3, "per": "image", "ignore": None, "threshold": 0.25, "name": "mine"}
    if name != "Accuracy":
        options |= {"class_ids": [1, 2], "average": "none", "empty": None}
    metric = of(name, **options)
    again = keras.metrics.deserialize(json.loads(json.dumps(keras.metrics.serialize(metric))))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config() == options
    assert of(name, classes=3).get_config()["per"] == ("dataset" if name == "F1" else "image")
    assert of(name, classes=3).name == name.lower()


@pytest.mark.parametrize("compiled", [False, True])
def test_metrics_work_in_training(compiled):
    rng = np.random.default_rng(0)
    images = rng.random((6, 8, 8, 1), dtype="float32")
    labels = (images[..., 0] > 0.5).astype("uint8") + (images[..., 0] > 0.8)
    labels[0, :3] = 255
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="softmax")(inputs))
    wanted = [Dice(classes=3), IoU(classes=3, per="dataset", average="none")]
    model.compile("sgd", zoo.losses.Dice(), metrics=wanted, jit_compile=compiled)
    history = model.fit(images, labels, batch_size=4, validation_data=(images, labels), verbose=0).history
    found = model.predict(images, verbose=0)
    assert history["val_dice"][-1] == pytest.approx(result(Dice(classes=3), labels, found), rel=1e-5)
    each = result(IoU(classes=3, per="dataset", average="none"), labels, found)
    assert [history[f"val_iou_{k}"][-1] for k in range(3)] == pytest.approx(each, rel=1e-5)
    np.testing.assert_allclose(each, scores(labels, found.argmax(-1), classes=3).iou, rtol=1e-6)


def test_half_precision_volumes_and_labels_with_a_last_axis():
    truth, found = pair(2, size=(3, 4, 5))
    plain = result(Dice(classes=2), truth, outputs(found, 2))
    half = ops.cast(outputs(found, 2), "bfloat16")
    assert result(Dice(classes=2), truth[..., None].astype("int64"), half) == plain


def test_the_plain_scores_need_no_keras(tmp_path):
    import subprocess

    code = "import sys, zoo; zoo.metrics.scores([0, 1, 255], [1, 1, 0], classes=2); print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# What is refused.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": 0}, "`classes` must be a whole number from 1 to 65536"),
        ({"classes": 3, "class_ids": [3]}, "`class_ids` must be different labels from 0 to 2. Received: class_ids=[3]"),
        ({"classes": 3, "class_ids": [1, 1]}, "`class_ids` must be different labels"),
        ({"classes": 3, "class_ids": []}, "`class_ids` must be different labels"),
        ({"classes": 3, "average": "micro"}, "`average` must be one of 'macro', 'none', 'pooled'"),
        ({"classes": 3, "per": "pixel"}, "`per` must be one of 'image', 'dataset'"),
        ({"classes": 3, "empty": 2}, "`empty` must be a number from 0 to 1. Received: empty=2"),
        ({"classes": 3, "ignore": "255"}, "`ignore` must be None, or a whole number"),
        ({"classes": 1, "threshold": None}, "`threshold` must be a number. Received: threshold=None"),
    ],
    ids=str,
)
def test_settings_that_are_not_allowed_are_refused(options, said):
    with pytest.raises(ConfigError) as caught:
        Dice(**options)
    assert said in str(caught.value)


def test_what_does_not_fit_is_refused():
    truth, found = pair(3)
    with pytest.raises(ConfigError, match=r"dice was made for classes=2. Received: an output of shape \(5, 7, 6, 3\)"):
        Dice(classes=2).update_state(truth, outputs(found, 3))
    with pytest.raises(ConfigError, match="labels do not fit the output"):
        Dice(classes=3).update_state(outputs(found, 3), outputs(found, 3))
    with pytest.raises(ConfigError, match=r"the same shape. Received: \(5, 7, 6\) and \(5, 7, 6, 3\)"):
        scores(truth, outputs(found, 3), classes=3)
    with pytest.raises(ConfigError, match=r"prediction must have whole numbers from 0 to 1 where it counts. Received: 2"):
        scores(truth % 2, found, classes=1)
    with pytest.raises(ConfigError, match=r"truth must have whole numbers from 0 to 1 .* Received: 255. Masks of 0 and 255"):
        scores(truth, found % 2, classes=1, ignore=2)
    with pytest.raises(ConfigError, match="scores of 1 and of 3 classes cannot be pooled"):
        scores(found % 2, found % 2, classes=1) + scores(found, found, classes=3)
    with pytest.raises(AttributeError, match=r"module 'zoo\.metrics' has no attribute 'Dise'"):
        _ = metrics.Dise


def test_f1_and_dice_are_one_number_where_they_are_taken_alike():
    truth, found = pair(3)
    assert result(F1(classes=3), truth, outputs(found, 3)) == result(Dice(classes=3, per="dataset"), truth, outputs(found, 3))
    assert result(Precision(classes=3), truth, outputs(found, 3)) != result(Recall(classes=3), truth, outputs(found, 3))
    assert set(metrics.__all__) <= set(dir(metrics))
