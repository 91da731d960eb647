"""What goes into a file of weights: tensors as they are stored, and the description of the network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, IntegrityError, ZooError
from zoo.weights.entry import Card
from zoo.weights.load import variables_of
from zoo.weights.metadata import Description
from zoo.weights.signature import differences, fingerprint, signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy as np

    from zoo.config import ModelConfig


def stored_tensors(model: keras.Model, dtype: str) -> dict[str, np.ndarray]:
    """Returns the weights by path, rounded to a type.

    Raises:
        IntegrityError: One is not finite, or too large for the type.
    """
    import keras

    return {
        name: rounded(name, keras.ops.convert_to_numpy(variable.value), dtype) for name, variable in variables_of(model).items()
    }


def rounded(name: str, tensor: np.ndarray, dtype: str) -> np.ndarray:
    """Returns a tensor as a type has it.

    Raises:
        IntegrityError: It is not finite, or too large for the type.
    """
    import ml_dtypes
    import numpy as np

    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    with np.errstate(over="ignore"):
        found = np.asarray(np.asarray(tensor).astype(kind), order="C")
    if not np.isfinite(found.astype("float32")).all():
        message = f"{name} has values that are not finite as {dtype}; nothing was written."
        raise IntegrityError(message)
    return found


def description_of(
    model: keras.Model, card: Card | None, config: ModelConfig | None, tensors: Mapping[str, np.ndarray]
) -> Description:
    """Returns the description of a model; its probe is that of the tensors as they are stored, not of the model in memory."""
    from zoo.registry import build, build_weightless
    from zoo.weights.probe import make_probe

    found = _config_of(model, config)
    card = card or Card()
    if card.classes and len(card.classes) != found.classes:
        message = f"`classes` of the card names {len(card.classes)} classes, {card.classes}; the network has {found.classes}."
        raise ConfigError(message)
    twin = build(found.replace(head_activation=None))  # logits tell more: probabilities near 0 and 1 hide what changed
    for variable in twin.weights:
        variable.assign(tensors[variable.path])
    return Description(
        entry=found.name,
        config=found,
        fingerprint=fingerprint(build_weightless(found)),
        card=_plain_card(card),
        probe=make_probe(twin, found.size_multiples, card.preprocessing),
    )


def _plain_card(card: Card) -> Card:
    """Returns the card alone of what may be a whole entry of a manifest."""
    return Card(**{field.name: getattr(card, field.name) for field in dataclasses.fields(Card)})


def _config_of(model: keras.Model, config: ModelConfig | None) -> ModelConfig:
    """Returns the config that builds the same network as the model, with open sizes where it allows them.

    Raises:
        ConfigError: The given or guessed config builds another network.
    """
    from zoo.registry import build_weightless, config_of, info

    stated: Any = config or config_of(model)
    if stated is None:
        try:
            stated = info(model.name).config
        except ZooError as error:
            message = f"The network {model.name!r} is none of the zoo: give its config with config=... ({error})"
            raise ConfigError(message) from None
        stated = stated.replace(classes=model.outputs[0].shape[-1])
    sizes = (None,) * stated.ndim if stated.takes_open_sizes else tuple(model.inputs[0].shape[1:-1])
    stated = stated.replace(input_shape=(*sizes, model.inputs[0].shape[-1]))
    found = differences(signature(model), signature(build_weightless(stated)))
    if found:
        message = (
            f"The network {model.name!r} is not what {stated} builds: they differ at {', '.join(found[:5])}. Give the config "
            "that it was built of, such as config=zoo.info('resunet-v1').config.replace(activation='gelu')."
        )
        raise ConfigError(message)
    return stated
