"""From what a network gives to what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from zoo.prediction.network import Network

OUTPUTS = ("classes", "probabilities", "logits")


def kind_of(output: str) -> str:
    """Returns what the network must give for an output.

    Raises:
        ConfigError: There is no such output.
    """
    if output not in OUTPUTS:
        message = f"`output` is one of {', '.join(map(repr, OUTPUTS))}. Received: output={output!r}"
        raise ConfigError(message)
    return "logits" if output == "logits" else "probabilities"


def converter(network: Network, output: str, threshold: float) -> tuple[Callable[[np.ndarray], np.ndarray], str, int]:
    """Returns what makes an output of probabilities or logits, its dtype, and how many channels it has, 0 for no such axis.

    Raises:
        ConfigError: The threshold is not between 0 and 1.
    """
    if not (isinstance(threshold, (int, float)) and 0 < threshold < 1):
        message = f"`threshold` is a probability between 0 and 1. Received: threshold={threshold!r}"
        raise ConfigError(message)
    if output != "classes":
        return lambda values: values, "float32", network.classes
    if network.overlapping:
        return lambda values: (values > threshold).astype("uint8"), "uint8", network.classes
    if network.classes == 1:
        return lambda values: (values[..., 0] > threshold).astype("uint8"), "uint8", 0
    dtype = "uint8" if network.classes <= 256 else "uint16"
    return lambda values: values.argmax(axis=-1).astype(dtype), dtype, 0
