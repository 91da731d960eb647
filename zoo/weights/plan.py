"""From the network that weights belong to and the one that they are for: what is loaded, adapted, and left fresh."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, WeightsError
from zoo.weights.adapt import channel_changes, class_changes, shapes_of, with_channels
from zoo.weights.load import Plan
from zoo.weights.signature import differences, signature

if TYPE_CHECKING:
    import keras

    from zoo.config import ModelConfig
    from zoo.weights.adapt import Adapt, Change

FREE = ("input_shape", "classes", "head_activation")
"""Fields of a config that weights do not settle: sizes are free, the others are compared by `make_plan`."""


def check_same_network(config: ModelConfig, stored: ModelConfig, what: str) -> None:
    """Compares all fields that weights settle.

    Raises:
        WeightsError: A field has another value than the weights were trained with.
    """
    differing = [] if type(config) is type(stored) else [f"they are for {stored.name}, this is {config.name}"]
    if not differing:
        for field in dataclasses.fields(stored):
            ours, theirs = getattr(config, field.name), getattr(stored, field.name)
            if field.name not in FREE and ours != theirs:
                differing.append(f"{field.name}={theirs!r} there, {field.name}={ours!r} here")
    if differing:
        message = (
            f"{what} were trained with another network: {'; '.join(differing)}. Leave these settings out, or use weights=None."
        )
        raise WeightsError(message)


def make_plan(stored: ModelConfig, target: ModelConfig, adapt: Adapt, names: tuple[str, ...], what: str) -> Plan:
    """Returns what to do with each tensor.

    Args:
        stored: The network that the weights belong to.
        target: The network that they are for, which differs in sizes, channels, classes and the head's activation only.
        adapt: What may be changed.
        names: Of the classes that the weights have.
        what: Name of the weights, for messages.

    Raises:
        WeightsError: Channels or classes differ and no adaptation was asked for.
        ConfigError: An adaptation was asked for that does not fit.
    """
    expected = shapes_of(stored)
    takes: dict[str, Change | None] = dict.fromkeys(expected)
    changes = _channel_part(stored, target, adapt, what)
    takes.update(changes)
    if adapt.scope == "encoder":
        kept = encoder_layers(stored)
        return Plan(expected=expected, takes={name: how for name, how in takes.items() if name.split("/")[0] in kept})
    for name, change in _class_part(stored, target, adapt, names, what).items():
        if change is None:
            takes.pop(name)
        elif name in changes:
            message = f"{name} of {stored.name} depends on channels and classes at once: use classes='fresh'."
            raise WeightsError(message)
        else:
            takes[name] = change
    return Plan(expected=expected, takes=takes)


def _channel_part(stored: ModelConfig, target: ModelConfig, adapt: Adapt, what: str) -> dict[str, Change]:
    old, new = stored.input_shape[-1] or 0, target.input_shape[-1] or 0
    if old == new and not isinstance(adapt.channels, tuple):
        return {}
    if adapt.channels is None:
        message = (
            f"{what} read {old} channels, the network has {new}. Ask for an adaptation: adapt='mean', 'repeat' or 'zero', or "
            f"adapt=zoo.Adapt(channels=({', '.join(str(place % old) for place in range(new))},)), the old channel of each."
        )
        raise WeightsError(message)
    return channel_changes(stored, new, adapt.channels)


def _class_part(
    stored: ModelConfig, target: ModelConfig, adapt: Adapt, names: tuple[str, ...], what: str
) -> dict[str, Change | None]:
    if stored.classes == target.classes and not isinstance(adapt.classes, tuple):
        return {}
    if adapt.classes is None:
        named = f" ({', '.join(names)})" if names else ""
        message = (
            f"{what} tell {stored.classes} classes apart{named}, the network has {target.classes}. Ask for an adaptation: "
            "adapt='fresh' leaves the last layers as they are, adapt=zoo.Adapt(classes=(…)) takes the rows of classes by name."
        )
        raise WeightsError(message)
    return class_changes(stored, target.classes, adapt.classes, names)


def encoder_layers(config: ModelConfig) -> set[str]:
    """Returns the names of the layers of the encoder and the bottleneck; sides are read off the graph.

    Raises:
        WeightsError: The graph has no encoder.
    """
    from zoo.analysis.graph import trace
    from zoo.analysis.structure import place
    from zoo.entry import default_analysis_shape
    from zoo.registry import build_weightless

    nodes = place(trace(build_weightless(config), default_analysis_shape(config))).nodes
    found = {node.name for node in nodes if node.side in ("encoder", "bottleneck")}
    if not found:
        message = f"{config.name} has no encoder in its graph. Use scope='all'."
        raise WeightsError(message)
    return found


def config_of_model(model: keras.Model, stored: ModelConfig, what: str) -> ModelConfig:
    """Returns the config of which a model is the network, given that it is the weights' network but for what they leave free.

    Raises:
        WeightsError: It is another network; the message names layers that differ.
    """
    from zoo.registry import build_weightless

    received = signature(model)
    fewest: list[str] | None = None
    for head in dict.fromkeys((stored.head_activation, None, "sigmoid", "softmax", "tanh", "relu")):
        config = _candidate(model, stored, head)
        if config is None:
            continue
        found = differences(received, signature(build_weightless(config)))
        if not found:
            return config
        fewest = found if fewest is None or len(found) < len(fewest) else fewest
    layers = ", ".join((fewest or ["its input"])[:5]) + (" and more" if fewest and len(fewest) > 5 else "")
    message = (
        f"{what} are for {stored.name}, and this model is another network: they differ at {layers}. "
        f"Build it with zoo.get({stored.name!r}), or take the encoder alone with adapt='encoder'."
    )
    raise WeightsError(message)


def encoder_target(model: keras.Model, stored: ModelConfig, what: str) -> ModelConfig:
    """Returns the stored network with the channels of a model whose encoder is the same; its other parts may differ.

    Raises:
        WeightsError: A layer of the encoder is missing in the model, or differs.
    """
    from zoo.registry import build_weightless

    target = with_channels(stored, model.inputs[0].shape[-1])
    kept = encoder_layers(target)
    expected = {name: text for name, text in signature(build_weightless(target)).items() if name in kept}
    received = signature(model)
    found = [name for name, text in expected.items() if received.get(name) != text]
    if found:
        message = f"The encoder of {what} is not that of {model.name!r}: they differ at {', '.join(found[:5])}."
        raise WeightsError(message)
    return target


def _candidate(model: keras.Model, stored: ModelConfig, head: Any) -> ModelConfig | None:
    outputs = model.outputs[0].shape
    try:
        return stored.replace(input_shape=tuple(model.inputs[0].shape[1:]), classes=outputs[-1], head_activation=head)
    except ConfigError:
        return None
