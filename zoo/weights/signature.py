"""What a built network computes, as text that two equal networks share: layers, their settings, and how they are joined.

Names and shapes of tensors alone cannot tell two networks apart: one with another activation, or with its branches joined in
another order, takes the same weights and computes something else.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

UNSEEN = frozenset((
    "trainable", "dtype", "seed", "activity_regularizer", "batch_shape", "sparse", "ragged", "optional", "synchronized",
    "autocast",
))  # fmt: skip
"""Settings of layers that change nothing of what a trained network computes."""

UNSEEN_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def signature(model: keras.Model) -> dict[str, str]:
    """Returns a text per layer: its class, settings and inputs; in the order of the layers, and what the model's ends are."""
    config = model.get_config()
    found = {layer["config"]["name"]: _text(layer) for layer in config.get("layers", ())}
    if "output_layers" in config:
        found["(outputs)"] = json.dumps(_ends(config["output_layers"]))
    return found


def fingerprint(model: keras.Model) -> str:
    """Returns the SHA-256 of the signature."""
    return hashlib.sha256(json.dumps(sorted(signature(model).items())).encode()).hexdigest()


def differences(received: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Names the layers that only one of two networks has, or that differ."""
    found = [f"{name} (only in the model)" for name in received if name not in expected]
    found += [f"{name} (missing in the model)" for name in expected if name not in received]
    return found + [name for name in received if name in expected and received[name] != expected[name]]


def _text(layer: Mapping[str, Any]) -> str:
    settings = {name: value for name, value in layer["config"].items() if not _is_unseen(name)}
    joined = [_joined(node) for node in layer.get("inbound_nodes", ())]
    return json.dumps([layer["class_name"], settings, joined], sort_keys=True, default=str)


def _is_unseen(name: str) -> bool:
    return name in UNSEEN or name.endswith(UNSEEN_ENDINGS)


def _joined(value: Any) -> Any:
    """Replaces each tensor by where it comes from: its shape depends on the size of the input."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return value["config"]["keras_history"]
        return {key: _joined(item) for key, item in value.items()}
    return [_joined(item) for item in value] if isinstance(value, (list, tuple)) else value


def _ends(value: Any) -> Any:
    return {key: _ends(item) for key, item in value.items()} if isinstance(value, dict) else value
