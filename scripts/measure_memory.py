"""Prints predicted memory beside what TensorFlow and JAX really use, each measurement in a process of its own.

    python scripts/measure_memory.py [NAME@SIDE ...]

Inference: the growth of the resident set at its peak while TensorFlow runs the network as one graph (a plain call of a Keras
model keeps every layer's output until it returns); for JAX the buffers that XLA
plans for the compiled network, which fuses layers. Training: the growth that a recorded forward pass holds in TensorFlow; for
JAX the arrays that `jax.vjp` keeps, without weights and without constants, which a compiled step never makes. Linux only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MIB = 2**20
NETS = ("resunet-v1-d4-f16@256", "resunet-v2-d4-f16@256", "deep-resunet-d4-f16@256")


def main() -> None:
    """Measures every network and prints one table."""
    nets = sys.argv[1:] or NETS
    print(f"{'network':28}{'':11}{'predicted':>10}{'TensorFlow':>19}{'JAX':>19}   MiB and ratio to predicted")
    for net in nets:
        for mode in ("inference", "training"):
            predicted, tensorflow, jax = (_in_subprocess(net, mode, how) for how in ("predict", "tensorflow", "jax"))
            measured = "".join(f"{value:11.1f} {value / predicted:7.2f}" for value in (tensorflow, jax))
            print(f"{net:28}{mode:11}{predicted:10.1f}{measured}", flush=True)


def _in_subprocess(net: str, mode: str, how: str) -> float:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    environment["KERAS_BACKEND"] = "jax" if how == "jax" else "tensorflow"
    command = [sys.executable, __file__, "--one", net, mode, how]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return float(run.stdout.split()[-1])


def _one(net: str, mode: str, how: str) -> float:
    import zoo

    name, _, side = net.partition("@")
    config = zoo.info(name).config
    shape = (*(int(side),) * config.ndim, config.input_shape[-1] or 1)
    if how == "predict":
        report = zoo.analyze(config, input_shape=shape)
        return (report.peak_bytes if mode == "inference" else report.training_activation_bytes) / MIB
    model = zoo.build(config)
    return {"tensorflow": _tensorflow, "jax": _jax}[how](model, shape, mode)


def _tensorflow(model: Any, shape: tuple[int, ...], mode: str) -> float:
    import tensorflow as tf

    image = tf.random.normal((1, *shape))
    small = tf.random.normal((1, *(64,) * (len(shape) - 1), shape[-1]))
    run = tf.function(model, reduce_retracing=True) if mode == "inference" else model
    for _ in range(3):  # the graph and the library's own caches are there before the measurement
        run(small, training=mode == "training")
    if mode == "inference":
        run = run.get_concrete_function(tf.TensorSpec((1, *shape)), training=False)
        before = _resident()
        Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident set so far
        run(image)
        return _peak() - before
    before = _resident()
    with tf.GradientTape() as tape:
        output = model(image, training=True)
    held = _resident() - before
    del tape, output
    return held


def _jax(model: Any, shape: tuple[int, ...], mode: str) -> float:
    import jax
    import numpy as np

    trained = [v.value for v in model.trainable_variables]
    other = [v.value for v in model.non_trainable_variables]
    image = jax.numpy.asarray(np.random.default_rng(0).normal(size=(1, *shape)).astype("float32"))
    if mode == "inference":
        run = jax.jit(lambda weights, x: model.stateless_call(weights, other, x, training=False)[0])
        plan = run.lower(trained, image).compile().memory_analysis()
        return (plan.temp_size_in_bytes + plan.output_size_in_bytes) / MIB

    def forward(weights: Any) -> Any:
        return model.stateless_call(weights, other, image, training=True)[0]

    _, backward = jax.vjp(forward, trained)
    known = {array.unsafe_buffer_pointer() for array in (*trained, *other)}
    kept = {leaf.unsafe_buffer_pointer(): leaf for leaf in jax.tree.leaves(backward) if getattr(leaf, "nbytes", 0) > 1000}
    arrays = [array for pointer, array in kept.items() if pointer not in known]
    return sum(array.nbytes for array in arrays if bool((array != array.ravel()[0]).any())) / MIB


def _resident() -> float:
    import ctypes

    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free goes back, so that only live memory counts
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(_one(*sys.argv[2:]))
    else:
        main()
