"""Times the zoo, each against a yardstick in the same run: import and listing, building, analysing, rendering.

Both sides of a comparison are taken in turn, round by round; a ratio is that of one round. The table gives medians and, for
the ratio, its smallest and largest value. `--json` prints `[{"what", "ours_s", "yardstick", "yardstick_s", "ratios", "aim",
"met"}]` with the seconds of every round.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from rich.console import Console
from rich.progress import track

from zoo.terminal import load_keras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "resunet-v1-d5-f64"
SHAPE = (512, 512, 3)
PROGRESS = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Seconds of each round of two things, and what their ratio should be.

    Attributes:
        ratios: Of each round, in the direction in which `aim` is stated.
        aim: Such as `"<= 6"`; the median of the ratios meets it or not.
    """

    what: str
    ours_s: tuple[float, ...]
    yardstick: str
    yardstick_s: tuple[float, ...]
    ratios: tuple[float, ...]
    aim: str
    met: bool


def compare(what: str, ours: Callable[[], Any], yardstick: str, other: Callable[[], Any], aim: str, rounds: int) -> Comparison:
    """Times two functions in turn; an aim with ">=" says how many times faster ours is to be, one with "ms" how much slower."""
    times: tuple[list[float], list[float]] = ([], [])
    seconds(ours), seconds(other)  # the first call of each loads and compiles
    for number in track(range(rounds), description=f"{what:<24}", console=PROGRESS, disable=not PROGRESS.is_terminal):
        for side in (0, 1) if number % 2 else (1, 0):
            times[side].append(seconds((ours, other)[side]))
    pairs = list(zip(*times, strict=True))
    limit = float(aim.split()[1])
    if aim.endswith("ms"):
        ratios = tuple(1e3 * (mine - yours) for mine, yours in pairs)
    elif aim.startswith(">="):
        ratios = tuple(yours / mine for mine, yours in pairs)
    else:
        ratios = tuple(mine / yours for mine, yours in pairs)
    met = median(ratios) >= limit if aim.startswith(">=") else median(ratios) <= limit
    return Comparison(
        what=what, ours_s=tuple(times[0]), yardstick=yardstick, yardstick_s=tuple(times[1]), ratios=ratios, aim=aim, met=met
    )


def seconds(function: Callable[[], Any]) -> float:
    """Times one call; what it returns is freed afterwards."""
    gc.collect()
    start = time.perf_counter()
    kept = function()
    taken = time.perf_counter() - start
    del kept
    return taken


def process(*command: str) -> Callable[[], Any]:
    """Returns a function that runs a command."""
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def by_hand() -> Any:
    """The network of `NAME` as one would type it in Keras: residual blocks, pooling, up-sampling, concatenation."""
    from keras import Input, Model, layers

    def block(x: Any, filters: int) -> Any:
        side = layers.Conv2D(filters, 1, padding="same", use_bias=False)(x)
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        return layers.Activation("relu")(layers.Add()([side, x]))

    inputs = x = Input((None, None, 3))
    skips = []
    for filters in (64, 128, 256, 512):
        x = block(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = block(x, 1024)
    for filters, skip in zip((512, 256, 128, 64), reversed(skips), strict=True):
        x = layers.UpSampling2D(2)(x)
        x = layers.Conv2D(filters, 2, padding="same", activation="relu")(x)
        x = block(layers.Concatenate()([x, skip]), filters)
    return Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))


def frozen(model: Any) -> Any:
    """Returns the graph of a model for one image, its weights made constants, as `tf.profiler` needs it."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    image = tf.TensorSpec((1, *SHAPE), tf.float32)
    concrete = tf.function(lambda x: model(x, training=False)).get_concrete_function(image)
    return convert_variables_to_constants_v2(concrete).graph


def profiled(graph: Any) -> int:
    """Returns the floating-point operations that `tf.profiler` counts in a frozen graph."""
    import tensorflow as tf

    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def comparisons() -> Iterator[Comparison]:
    """Yields the measurements, the cheap ones first."""
    python, command = sys.executable, str(Path(sys.executable).with_name("zoo"))
    bare = process(python, "-c", "pass")
    listing = process(python, "-c", "import zoo; zoo.list_models()")
    yield compare("import and list_models", listing, "python -c pass", bare, "<= 6", 20)
    yield compare("zoo list", process(command, "list"), "python -c pass", bare, "<= 20", 20)
    load_keras()

    import tensorflow as tf

    import zoo

    tf.get_logger().setLevel("ERROR")
    model = zoo.get(NAME, input_shape=SHAPE)
    hand = by_hand()
    if model.count_params() != hand.count_params():
        message = f"The net typed by hand has {hand.count_params():,} weights, {NAME} has {model.count_params():,}."
        raise zoo.ZooError(message)
    del hand
    yield compare("zoo.get", lambda: zoo.get(NAME), "typed by hand", by_hand, "<= 1.05", 9)
    graph = frozen(model)
    excess = profiled(graph) / zoo.analyze(model).flops - 1
    if not 0 <= excess < 0.005:  # tf.profiler counts element-wise work too
        message = f"tf.profiler counts {excess:+.2%} of what zoo.analyze counts; they measure different networks."
        raise zoo.ZooError(message)

    def analyse() -> Any:
        return zoo.analyze(model)

    yield compare("zoo.analyze(model)", analyse, "freeze and tf.profiler", lambda: profiled(frozen(model)), ">= 20", 7)
    yield compare("zoo.analyze(model)", analyse, "tf.profiler alone", lambda: profiled(graph), ">= 1", 7)
    config = zoo.info(NAME).config.replace(input_shape=SHAPE)

    def symbolic() -> Any:
        from zoo.registry import build_weightless

        return build_weightless(config)

    yield compare("zoo.analyze(name)", lambda: zoo.analyze(NAME), "symbolic build", symbolic, "<= 50 ms", 15)
    yield from loading_comparisons(model)
    yield from predicting_comparisons()
    yield from drawing_comparisons()
    yield from page_comparisons(symbolic)


def loading_comparisons(model: Any) -> Iterator[Comparison]:
    """Yields what loading weights costs, hashing and all checks included, against Keras' loading of the same weights."""
    import zoo

    with tempfile.TemporaryDirectory() as folder:
        ours = zoo.export_weights(model, f"{folder}/x.safetensors")
        keras_file = zoo.export_weights(model, f"{folder}/x.weights.h5")

        def keras_way() -> Any:
            return model.load_weights(keras_file)

        yield compare("zoo.load_weights", lambda: zoo.load_weights(model, ours), "keras load_weights", keras_way, "<= 1", 9)
        half = zoo.export_weights(model, f"{folder}/half.safetensors", dtype="float16")
        yield compare("the same, float16", lambda: zoo.load_weights(model, half), "keras load_weights", keras_way, "<= 1", 9)


PREDICTED = "resunet-v1-d3-f8.nuclei-v1"
SIDE = 2048
"""Side in pixels of the image that is predicted."""


def predicting_comparisons() -> Iterator[Comparison]:
    """Yields what prediction costs: the whole image against Keras' `predict` of the prepared one, tiles against the whole.

    The megapixels per second of each are printed on standard error.
    """
    import numpy as np

    import zoo

    model = zoo.get(PREDICTED)
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), "uint8")
    prepare = zoo.weights_info(PREDICTED).preprocessing
    prepared = prepare(image)[None] if prepare else image[None]
    bare = zoo.get(PREDICTED)
    bare.compile(jit_compile=False)

    def whole() -> Any:
        return zoo.predict(model, image, output="probabilities", memory="8GB")

    def tiled() -> Any:
        return zoo.predict(model, image, output="probabilities", tile=512)

    def keras_way() -> Any:
        return bare.predict_on_batch(prepared)

    found = [
        compare("zoo.predict, whole", whole, "keras predict_on_batch", keras_way, "<= 1.5", 5),
        # 25 tiles of 512 x 512 are 1.56 times the pixels of the image
        compare("zoo.predict, tiles", tiled, "zoo.predict, whole", whole, "<= 2", 5),
    ]
    yield from found
    for result in found:
        for what, times in ((result.what, result.ours_s), (result.yardstick, result.yardstick_s)):
            PROGRESS.print(f"{what}: {SIDE**2 / 1e6 / median(times):.2f} megapixels per second", highlight=False)


DRAWN = (NAME, "resunet-plus-plus", "unet3plus", "resnet101-unet", "resenc-unet-3d", "mednext-s")
"""Entries of few and of many layers, whose pictures are timed."""


def drawing_comparisons() -> Iterator[Comparison]:
    """Yields for some entries what both pictures cost as SVG, each against Keras' plot_model to PNG where `dot` is there."""
    import keras

    import zoo
    from zoo.registry import build_weightless

    if shutil.which("dot") is None:
        print("no `dot` on PATH: plot_model cannot draw, so pictures are not compared with it", file=sys.stderr)
        return
    for name in DRAWN:
        entry = zoo.info(name)
        model = build_weightless(entry.config.replace(input_shape=entry.analysis_shape))

        def keras_png(model: Any = model) -> Any:
            with tempfile.TemporaryDirectory() as folder:
                return keras.utils.plot_model(
                    model, f"{folder}/net.png", show_shapes=True, show_layer_names=True, splines="spline"
                )

        def u(model: Any = model) -> Any:
            return zoo.plot(model)

        def graph(model: Any = model) -> Any:
            return zoo.plot(model, kind="graph")

        yield compare(f"U {entry.name}", u, "plot_model to PNG", keras_png, ">= 5", 3)
        yield compare(f"graph {entry.name}", graph, "plot_model to PNG", keras_png, ">= 1", 3)


def page_comparisons(symbolic: Callable[[], Any]) -> Iterator[Comparison]:
    """Yields what pages cost: all files of an entry, and a site in which nothing changed, which is made first."""
    from rendering.makers import entry_files

    import zoo

    entry = zoo.info(NAME)
    yield compare("files of an entry", lambda: entry_files(entry), "symbolic build", symbolic, "<= 3", 9)
    python, folder = sys.executable, Path(__file__).parent
    site = process("sh", "-c", f"'{python}' '{folder}/render.py' && '{python}' '{folder}/build_site.py'")
    yield compare("make site, unchanged", site, "python -c pass", process(python, "-c", "pass"), "<= 5000 ms", 5)


def show(results: list[Comparison]) -> None:
    """Prints an aligned table."""
    rows = [("what", "ours", "yardstick", "yardstick's", "ratio", "min .. max", "aim", "met")]
    for result in results:
        unit, digits = (" ms", 1) if result.aim.endswith("ms") else ("", 2)
        numbers = [f"{value:.{digits}f}" for value in (median(result.ratios), min(result.ratios), max(result.ratios))]
        times = [f"{1e3 * median(side):,.1f} ms" for side in (result.ours_s, result.yardstick_s)]
        ratio = f"+{numbers[0]} ms" if unit else f"{numbers[0]}x"
        spread, met = f"{numbers[1]} .. {numbers[2]}", "yes" if result.met else "no"
        rows.append((result.what, times[0], result.yardstick, times[1], ratio, spread, result.aim, met))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if index in (0, 2) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the seconds of every round")
    arguments = parser.parse_args()
    results = []
    for result in comparisons():
        results.append(result)
        PROGRESS.print(f"{result.what} against {result.yardstick}: {len(result.ratios)} rounds", highlight=False)
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        show(results)


if __name__ == "__main__":
    main()
