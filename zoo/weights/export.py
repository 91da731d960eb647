"""Writing files of weights: tensors as they are stored, and the description of the network."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, IntegrityError, ZooError
from zoo.weights.entry import Card
from zoo.weights.load import variables_of
from zoo.weights.metadata import Description, to_metadata
from zoo.weights.opening import ENDINGS, KERAS_ENDING
from zoo.weights.signature import differences, fingerprint, signature
from zoo.weights.tensors import STORED, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy as np

    from zoo.config import ModelConfig
    from zoo.weights.convert import Converted


def export_weights(
    model: keras.Model,
    path: str | os.PathLike[str],
    card: Card | None = None,
    *,
    config: ModelConfig | None = None,
    dtype: str = "float32",
) -> Path:
    """Writes the weights of a network into a file that says what it is, and that `zoo.get` and `zoo.load_weights` take.

    Args:
        model: A network of the zoo.
        path: `.safetensors`, with the config, the card and a probe; or `.weights.h5` for Keras, which has room for none of them.
        card: What people should know about the weights.
        config: Of the network; needed where its fields are not the entry's own.
        dtype: Of the numbers on disk: `"float32"`, `"float16"` or `"bfloat16"`, each half as large.

    Raises:
        ConfigError: The ending or the type is not allowed, or the config is not that of the model.
        IntegrityError: A weight is not finite, also after rounding to `dtype`; or the file cannot be written.
    """
    path = Path(path)
    if not path.name.endswith(ENDINGS):
        message = f"Weights are written as {' or '.join(ENDINGS)}. Received: {path.name!r}"
        raise ConfigError(message)
    if path.name.endswith(KERAS_ENDING):
        from zoo.weights.keras_files import save_keras_file

        return save_keras_file(model, path)
    if dtype not in STORED:
        message = f"`dtype` is one of {', '.join(map(repr, STORED))}. Received: dtype={dtype!r}"
        raise ConfigError(message)
    tensors = stored_tensors(model, dtype)
    description = description_of(model, card, config, tensors)
    write_tensors(path, tensors, to_metadata(description))
    return path


def export_converted(
    converted: Converted, path: str | os.PathLike[str], card: Card | None = None, *, dtype: str = "float32"
) -> Path:
    """Writes what `zoo.convert` gives, as `export_weights` does; a file with the encoder alone has no probe.

    Raises:
        ConfigError: See `export_weights`.
        IntegrityError: See `export_weights`.
    """
    from zoo.registry import build

    if converted.scope == "all":
        model = build(converted.config)
        for variable in model.weights:
            variable.assign(converted.tensors[variable.path])
        return export_weights(model, path, card, dtype=dtype)
    tensors = {name: rounded(name, tensor, dtype) for name, tensor in converted.tensors.items()}
    description = Description(entry=converted.config.name, config=converted.config, scope=converted.scope, card=card or Card())
    write_tensors(path, tensors, to_metadata(description))
    return Path(path)


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
