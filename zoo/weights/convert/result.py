"""What a conversion gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from zoo.config import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Converted:
    """Weights of another project as the zoo has them.

    Attributes:
        config: The network that the tensors belong to.
        tensors: Finite float32 arrays in Keras' layout by variable path, such as `"enc0_conv1/kernel"`: exactly the variables
            that `scope` covers.
        scope: `"all"`, or `"encoder"` where the source has nothing else: the layers named `stem...` and `enc...`.
        source: The table that was used: `"torchvision"`, `"smp"`, `"monai"`, `"dynamic-network-architectures"`, `"seed-1"` or
            `"seed-2"`.
        unused: Tensors of the file that the table leaves out on purpose, as the file names them: `"fc.weight"`, counters of
            batches, an optimizer.
    """

    config: ModelConfig
    tensors: Mapping[str, np.ndarray]
    scope: str
    source: str
    unused: tuple[str, ...]
