"""Weights of other projects as the zoo's: by explicit tables, checked name by name, nothing left over.

    from zoo.weights.convert import convert
    converted = convert("resnet34.pth", "resnet34-unet")

Sources: ResNets of torchvision (the encoder alone), Unet of segmentation_models_pytorch, UNet and SegResNet of MONAI, the
residual encoder U-Nets of dynamic-network-architectures and nnU-Net, and the two codes of the document that the zoo starts
from. Files: PyTorch (read by a process of its own, tensors only), safetensors, HDF5 of Keras 2 and 3. Nothing in a file is
deserialised into code, and nothing is read before its name, type and shape were compared with what the network has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.weights.convert.result import Converted

if TYPE_CHECKING:
    import os

__all__ = ["Converted", "convert"]


def convert(path: str | os.PathLike[str], entry: str, *, source: str | None = None, **overrides: Any) -> Converted:
    """Converts a file of weights of another project.

    Args:
        path: A PyTorch file (.pt, .pth), a safetensors file, or an HDF5 file of Keras; told apart by what is in it.
        entry: Name of the zoo's network that they are for, such as `"monai-unet-3d-d5-f32"`.
        source: The table to use, one of those in `Converted.source`; None takes the one that fits the entry and the file.
        **overrides: Fields of the config that the file does not tell, such as `strides=` or `activation=`. What the file
            tells, such as classes and channels, is taken from it.

    Returns:
        The tensors for exactly the variables of the network, and the config that it has.

    Raises:
        UnknownModelError: No entry has this name.
        ConfigError: An override is not a field or has a value that is not allowed.
        IntegrityError: The file cannot be read, or tensors are missing, unknown, of another shape or type, or not finite.
        MissingExtraError: It is a PyTorch file, and PyTorch is not installed.
        WeightsError: There is no such file or table, or the file is of another network.
    """
    from zoo.registry import info, resolve
    from zoo.weights.convert import checking, files, fitting, sources

    known = info(entry)
    config = resolve(known, **overrides)
    candidates = sources.candidates(known.name, known.family, source)
    with files.opened(path) as file:
        table = sources.choose(candidates, file.specs, file.layout, file.path)
        names = table.names(file.specs)
        shapes = {names.get(name, name): spec.shape for name, spec in file.specs.items()}
        config = fitting.fitted(file.path, known, overrides, table.facts(shapes, config))
        variables = checking.network_shapes(config, table.scope)
        plan = checking.planned(file, table, config, names, variables)
        tensors = checking.read(file, plan, table, variables)
    return Converted(config=config, tensors=tensors, scope=table.scope, source=table.name, unused=plan.unused)
