"""What users call: networks with weights, weights into networks, and whether they compute what was published."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import IntegrityError, WeightsError
from zoo.weights.adapt import as_adapt
from zoo.weights.cards import remember
from zoo.weights.library import weights_info
from zoo.weights.load import LoadReport, Plan, assign, check_names, encoder_alone, plain_plan
from zoo.weights.opening import Source, fetched, is_keras_file, is_path, opened

if TYPE_CHECKING:
    import keras

    from zoo.config import ModelConfig
    from zoo.entry import Entry
    from zoo.weights.adapt import Adapt
    from zoo.weights.hooks import Progress


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        name: Of the weights.
        path: Of the file.
        sha256: Of the file, as it was registered and found.
        tensors: How many were loaded.
        error: Largest difference from the probe's numbers, as a part of the range of the output.
        tolerance: What is allowed.
        backend: That computed it.
    """

    name: str
    path: Path
    sha256: str
    tensors: int
    error: float
    tolerance: float
    backend: str


def download(name: str, *, progress: Progress | None = None) -> Path:
    """Fetches published weights, unless they are there already, and checks them.

    Args:
        name: Such as `"resunet-v1-d3-f8.nuclei-v1"`.
        progress: Is called with `(done_bytes, total_bytes)`; None shows a bar where standard error is a terminal.

    Returns:
        The path of a file whose size and SHA-256 are right.

    Raises:
        UnknownWeightsError: There are none of this name.
        DownloadError: No source could be reached, or the cache cannot be written to; each with its reason.
        IntegrityError: What the sources give is not the registered file.
    """
    return fetched(weights_info(name), progress)


def load_weights(model: keras.Model, weights: str | os.PathLike[str], *, adapt: str | Adapt | None = None) -> LoadReport:
    """Loads weights into a network: all that was asked for, or nothing.

    The names, shapes and types of all tensors are compared with the network's before any of them is read; values that are not
    finite are refused; if anything fails the network is what it was.

    Args:
        model: The network: of `zoo.get`, or one that has the same layers.
        weights: A name such as `"resunet-v1-d3-f8.nuclei-v1"`, or the path of a `.safetensors` file of `export_weights`, or of
            a `.weights.h5` file that Keras saved of the same network.
        adapt: What may be changed; see `zoo.Adapt`.

    Raises:
        UnknownWeightsError: There are none of this name.
        DownloadError: See `download`.
        IntegrityError: The file is damaged, or does not have exactly the tensors that it must have.
        WeightsError: They are for another network, or for other channels or classes and no adaptation was asked for.
    """
    if is_keras_file(weights):
        return _load_keras_file(model, Path(weights), adapt)
    wanted = as_adapt(adapt)
    with opened(weights) as source:
        plan = _plan_for_model(model, source, wanted)
        return _load(model, source, plan, wanted)


def network_with_weights(entry: Entry, weights: str | os.PathLike[str], adapt: Any, overrides: dict[str, Any]) -> keras.Model:
    """Builds the network that weights are for, with other fields where asked for, and loads them: see `zoo.get`."""
    from zoo.registry import build, resolve
    from zoo.weights.plan import FREE, check_same_network, make_plan

    if is_keras_file(weights):
        model = build(resolve(entry, **overrides))
        _load_keras_file(model, Path(weights), adapt)
        return model
    wanted = as_adapt(adapt)
    with opened(weights if is_path(weights) else f"{entry.name}.{weights}") as source:
        stored = source.description.config
        if source.description.entry != entry.name:
            message = (
                f"{source.what} are for {source.description.entry}, not for {entry.name}: zoo.get({source.description.entry!r})."
            )
            raise WeightsError(message)
        config = resolve(_with_config(entry, stored), **overrides)
        check_same_network(config, stored, source.what)
        same = all(getattr(config, field) == getattr(stored, field) for field in FREE[1:])
        model = build(config)
        plain = same and config.input_shape[-1] == stored.input_shape[-1] and wanted == as_adapt(None)
        plan = plain_plan(model) if plain else make_plan(stored, config, wanted, source.classes, source.what)
        _load(model, source, plan, wanted)
    return model


def verify(name: str | os.PathLike[str]) -> Verification:
    """Hashes weights anew, loads them, and runs their probe: do they compute here what was published?

    Args:
        name: Of published weights, or the path of a file of `export_weights`.

    Raises:
        IntegrityError: The file is damaged, or the network computes something else than the probe says.
        WeightsError: They have no probe.
    """
    import keras

    from zoo.registry import build
    from zoo.weights.probe import probe_error, run_probe
    from zoo.weights.tensors import file_sha256

    with opened(name) as source:
        probe = source.entry.probe if source.entry else source.description.probe
        card = source.entry or source.description.card
        if probe is None:
            message = f"{source.what} have no probe: nothing says what they must compute."
            raise WeightsError(message)
        model = build(source.description.config.replace(head_activation=None))
        report = _load(model, source, plain_plan(model), as_adapt(None))
        path = source.file.path
    error = probe_error(run_probe(model, probe.shape, probe.seed, card.preprocessing), probe.outputs)
    if not error <= probe.tolerance:
        message = (
            f"{source.what} do not compute what was published: they differ by {error:.2g} of the output's range, allowed is "
            f"{probe.tolerance:.2g}, on the backend {keras.backend.backend()}."
        )
        raise IntegrityError(message)
    return Verification(
        name=source.what,
        path=path,
        sha256=file_sha256(path),
        tensors=len(report.loaded),
        error=error,
        tolerance=probe.tolerance,
        backend=keras.backend.backend(),
    )


def _with_config(entry: Entry, config: ModelConfig) -> Entry:
    import dataclasses

    return dataclasses.replace(entry, config=config, analysis_shape=())


def _plan_for_model(model: keras.Model, source: Source, adapt: Adapt) -> Plan:
    from zoo.weights.plan import config_of_model, encoder_target, make_plan
    from zoo.weights.signature import fingerprint

    stored = source.description.config
    if adapt == as_adapt(None) and fingerprint(model) == source.description.fingerprint:
        return plain_plan(model)
    target_of = encoder_target if adapt.scope == "encoder" else config_of_model
    return make_plan(stored, target_of(model, stored, source.what), adapt, source.classes, source.what)


def _load(model: keras.Model, source: Source, plan: Plan, adapt: Adapt) -> LoadReport:
    if source.description.scope == "encoder":
        plan = encoder_alone(plan, adapt, source.what)
    shapes = {name: spec.shape for name, spec in source.file.specs.items()}
    check_names(shapes, plan.expected, source.what, source.description.config.name)
    report = assign(model, source.file.tensors(), plan, source.what)
    remember(model, source.entry or source.description.card, report)
    return report


def _load_keras_file(model: keras.Model, path: Path, adapt: Any) -> LoadReport:
    from zoo.weights.keras_files import keras_tensors

    if adapt is not None:
        message = (
            f"{path}: a file of Keras does not say which network it is for, so it cannot be adapted. Load it into the network "
            "that it was saved of, write that with zoo.export_weights(model, 'name.safetensors'), and adapt this file."
        )
        raise WeightsError(message)
    with keras_tensors(path, model) as tensors:
        return assign(model, tensors, plain_plan(model), str(path))
