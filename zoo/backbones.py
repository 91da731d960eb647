"""Encoders of KerasCV, made into plain Keras layers with the zoo's names: the only module that touches `keras_cv`.

KerasCV is frozen upstream. Its blocks are layers of its own that Keras loads only where KerasCV is installed, that hide
their convolutions from every analysis, and of which some cannot be loaded again at all. Here each of them is replaced by
the Keras layers inside it, and every layer is named anew: what comes out is an ordinary functional graph.

Reference: keras-cv 0.9.0, https://github.com/keras-team/keras-cv
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Tensor

_MBCONV = {
    "width_coefficient": 1.0,
    "depth_coefficient": 1.0,
    "stackwise_kernel_sizes": [3] * 6,
    "stackwise_expansion_ratios": [1, 4, 4, 4, 6, 6],
    "stackwise_squeeze_and_excite_ratios": [0, 0, 0, 0.25, 0.25, 0.25],
    "stackwise_strides": [1, 2, 2, 2, 1, 2],
    "stackwise_conv_types": ["fused"] * 3 + ["unfused"] * 3,
}
_EFFICIENTNET_B = {
    **_MBCONV,
    "stackwise_num_repeats": [1, 2, 2, 3, 5, 8],
    "stackwise_input_filters": [32, 16, 32, 48, 96, 112],
    "stackwise_output_filters": [16, 32, 48, 96, 112, 192],
}
_EFFICIENTNET_S = {
    **_MBCONV,
    "stackwise_num_repeats": [2, 4, 4, 6, 9, 15],
    "stackwise_input_filters": [24, 24, 48, 64, 128, 160],
    "stackwise_output_filters": [24, 48, 64, 128, 160, 256],
}
_MOBILENET_LARGE = {
    "stackwise_expansion": [1, 4, 3, 3, 3, 3, 6, 2.5, 2.3, 2.3, 6, 6, 6, 6, 6],
    "stackwise_filters": [16, 24, 24, 40, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160],
    "stackwise_kernel_size": [3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5],
    "stackwise_stride": [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1],
    "stackwise_se_ratio": [None] * 3 + [0.25] * 3 + [None] * 4 + [0.25] * 5,
    "stackwise_activation": ["relu"] * 6 + ["hard_swish"] * 9,
}
_MOBILENET_SMALL = {
    "stackwise_expansion": [1, 72.0 / 16, 88.0 / 24, 4, 6, 6, 3, 3, 6, 6, 6],
    "stackwise_filters": [16, 24, 24, 40, 40, 40, 48, 48, 96, 96, 96],
    "stackwise_kernel_size": [3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5],
    "stackwise_stride": [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1],
    "stackwise_se_ratio": [0.25, None, None, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
    "stackwise_activation": ["relu"] * 3 + ["hard_swish"] * 8,
}


def _resnet_v2(block_type: str, *repeats: int) -> dict[str, Any]:
    return {
        "stackwise_filters": [64, 128, 256, 512],
        "stackwise_blocks": list(repeats),
        "stackwise_strides": [1, 2, 2, 2],
        "block_type": block_type,
    }


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One encoder of KerasCV.

    Attributes:
        kind: Class in `keras_cv.models`.
        options: Its whole configuration; its named aliases would ask the network even for no weights.
        preset: Name of its preset with ImageNet weights; empty where there is none.
        half: Layer with the last tensor at half resolution, where the class does not name it as a level.
        first_level: Level of resolution that the class calls P1.
        open_sizes: Whether it can be built without knowing the image's size.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    preset: str = ""
    half: str = ""
    first_level: int = 1
    open_sizes: bool = True


BACKBONES = {
    "resnet18v2": Backbone(kind="ResNetV2Backbone", options=_resnet_v2("basic_block", 2, 2, 2, 2), half="conv1_conv"),
    "resnet34v2": Backbone(kind="ResNetV2Backbone", options=_resnet_v2("basic_block", 3, 4, 6, 3), half="conv1_conv"),
    "resnet50v2": Backbone(
        kind="ResNetV2Backbone", options=_resnet_v2("block", 3, 4, 6, 3), half="conv1_conv", preset="resnet50_v2_imagenet"
    ),
    "efficientnetv2b0": Backbone(kind="EfficientNetV2Backbone", options=_EFFICIENTNET_B, preset="efficientnetv2_b0_imagenet"),
    "efficientnetv2s": Backbone(kind="EfficientNetV2Backbone", options=_EFFICIENTNET_S, preset="efficientnetv2_s_imagenet"),
    "densenet121": Backbone(
        kind="DenseNetBackbone",
        options={"stackwise_num_repeats": [6, 12, 24, 16]},
        half="conv1_relu",
        preset="densenet121_imagenet",
    ),
    "mobilenetv3large": Backbone(kind="MobileNetV3Backbone", options=_MOBILENET_LARGE, preset="mobilenet_v3_large_imagenet"),
    "mobilenetv3small": Backbone(kind="MobileNetV3Backbone", options=_MOBILENET_SMALL, preset="mobilenet_v3_small_imagenet"),
    "cspdarknets": Backbone(
        kind="CSPDarkNetBackbone",
        options={"stackwise_channels": [64, 128, 256, 512], "stackwise_depth": [1, 3, 3, 1]},
        half="stem_conv",
    ),
    "mitb0": Backbone(
        kind="MiTBackbone",
        options={"depths": [2, 2, 2, 2], "embedding_dims": [32, 64, 160, 256]},
        preset="mit_b0_imagenet",
        first_level=2,
        open_sizes=False,
    ),
}
"""By the name that stands before `-unet`."""


def encoder(name: str, input_shape: tuple[int | None, ...], *, imagenet: bool) -> tuple[Tensor, dict[int, Tensor]]:
    """Builds an encoder of plain Keras layers.

    Args:
        name: Key of `BACKBONES`.
        input_shape: `(H, W, C)`.
        imagenet: Loads the preset's weights by KerasCV's own mechanism, which may download them.

    Returns:
        The input, `(N, H, W, C)`, and the last tensor of each level, `{1: (N, H/2, W/2, F1), ..., 5: (N, H/32, W/32, F5)}`.

    Raises:
        MissingExtraError: keras-cv is not installed.
        WeightsError: The preset cannot be loaded.
    """
    return plain_levels(BACKBONES[name], foreign(name, input_shape, imagenet=imagenet), keep_weights=imagenet)


def plain_levels(record: Backbone, backbone: keras.Model, *, keep_weights: bool = True) -> tuple[Tensor, dict[int, Tensor]]:
    """Makes a backbone of KerasCV into plain Keras layers; returns what `encoder` does."""
    import keras

    ends = _ends(record, backbone)
    plain = keras.Model(backbone.inputs, list(ends.values()))
    while any(map(_is_composite, plain.operations)):
        plain = keras.models.clone_model(plain, clone_function=lambda layer: layer, call_function=_opened)
    renamed = _renamed(plain, list(ends))
    if keep_weights:
        renamed.set_weights(plain.get_weights())
    return renamed.inputs[0], dict(zip(ends, renamed.outputs, strict=True))


def foreign(name: str, input_shape: tuple[int | None, ...], *, imagenet: bool = False) -> keras.Model:
    """Returns KerasCV's own backbone without its rescaling, so that images come in as the network's user scaled them.

    Raises:
        MissingExtraError: keras-cv is not installed.
        WeightsError: The preset cannot be loaded.
    """
    try:
        import keras_cv
    except ModuleNotFoundError as error:
        message = (
            f"The encoder {name!r} needs keras-cv, which is not installed: pip install 'resunet-zoo[backbones]'. "
            f"(No module named {error.name!r}.)"
        )
        raise MissingExtraError(message) from error
    record = BACKBONES[name]
    kind = getattr(keras_cv.models, record.kind)
    if imagenet:
        return _with_preset(kind, record.preset, input_shape)
    return kind(include_rescaling=False, input_shape=input_shape, **record.options)


def _with_preset(kind: Any, preset: str, input_shape: tuple[int | None, ...]) -> keras.Model:
    """Loads a preset, from KerasCV's cache folder or from where KerasCV finds it."""
    try:
        return kind.from_preset(preset, load_weights=True, include_rescaling=False, input_shape=input_shape)
    except Exception as error:  # whatever the network, the cache folder or Kaggle's client say
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = (
            f"KerasCV could not load its preset {preset!r}: {reason}. It is downloaded from Kaggle once and kept in the folder "
            "that KAGGLEHUB_CACHE names. Use encoder_weights=None for random weights."
        )
        raise WeightsError(message) from error


def _ends(record: Backbone, backbone: keras.Model) -> dict[int, Tensor]:
    """Returns the last tensor of each level; of the deepest one the backbone's own output."""
    operations = {operation.name: operation for operation in backbone.operations}
    named = {int(key[1:]) - 1 + record.first_level: name for key, name in backbone.pyramid_level_inputs.items()}
    if record.half:
        named[1] = record.half
    ends = {level: operations[named[level]].output for level in sorted(named)}
    return {**ends, max(ends): backbone.output}


def _is_composite(operation: Any) -> bool:
    import keras

    if None in getattr(operation, "newshape", ()):  # a reshape that was given the batch, which is open: it cannot run
        return True
    if type(operation).__name__ == "ConvertToTensor":  # of what is a tensor already
        return True
    return type(operation).__module__.startswith("keras_cv.") or isinstance(operation, (keras.Model, keras.layers.Lambda))


def _opened(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls what is inside a composite layer, one step deeper; a plain layer as it is."""
    import keras

    if not _is_composite(operation):
        return operation(*args, **kwargs)
    if type(operation).__name__ == "DropPath":  # asks for training while it runs: Keras' dropout of whole images is the same
        positions = (None, *(1,) * (len(args[0].shape) - 1))
        return keras.layers.Dropout(operation.rate, noise_shape=positions)(args[0])
    if type(operation).__name__ == "ConvertToTensor":
        return args[0]
    if hasattr(operation, "newshape"):
        return keras.layers.Reshape(operation.output.shape[1:])(args[0])
    return operation.call(*args, **{key: value for key, value in kwargs.items() if key != "training"})


_WORDS = {
    "Conv2D": "conv", "DepthwiseConv2D": "depthwise", "SeparableConv2D": "separable", "BatchNormalization": "norm",
    "LayerNormalization": "norm", "Activation": "act", "ReLU": "act", "Add": "add", "Multiply": "scale", "Concatenate": "cat",
    "MaxPooling2D": "pool", "AveragePooling2D": "pool", "GlobalAveragePooling2D": "mean", "ZeroPadding2D": "pad",
    "Dropout": "drop", "MultiHeadAttention": "attention",
}  # fmt: skip


def _renamed(model: keras.Model, levels: list[int]) -> keras.Model:
    """Builds a model anew with the zoo's names: `enc2_conv1`, `enc2_norm1`, counted per level."""
    import keras

    config = model.get_config()
    parents = {layer["name"]: _histories(layer["inbound_nodes"]) for layer in config["layers"]}
    level_of: dict[str, int] = {}
    for level, tensor in zip(levels, model.outputs, strict=True):
        waiting = [tensor._keras_history.operation.name]
        while waiting:
            name = waiting.pop()
            if name not in level_of:
                level_of[name] = level
                waiting += parents[name]
    names, counts = {}, dict[str, int]()
    for layer in config["layers"]:
        kind = layer["class_name"]
        prefix = f"enc{level_of[layer['name']]}_{_WORDS.get(kind, kind.lower().removesuffix('2d'))}"
        counts[prefix] = counts.get(prefix, 0) + 1
        names[layer["name"]] = "input" if kind == "InputLayer" else f"{prefix}{counts[prefix]}"
    return keras.Model.from_config(_with_names(config, names))


def _histories(nodes: Any) -> list[str]:
    """Returns the names of the layers that a layer's calls read."""
    if isinstance(nodes, dict):
        own = [nodes["keras_history"][0]] if "keras_history" in nodes else []
        return own + [name for value in nodes.values() for name in _histories(value)]
    return [name for value in nodes for name in _histories(value)] if isinstance(nodes, (list, tuple)) else []


def _with_names(config: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Returns the config of a functional model with other names for its layers."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _moved(item, names) if key == "keras_history" else replaced(item) for key, item in value.items()}
        return type(value)(map(replaced, value)) if isinstance(value, (list, tuple)) else value

    layers = []
    for layer in config["layers"]:
        name = names[layer["name"]]
        nodes = replaced(layer["inbound_nodes"])
        options = {key: _KERAS_OWN.get(_class_of(value), value) for key, value in layer["config"].items()}
        layers.append({**layer, "name": name, "config": {**options, "name": name}, "inbound_nodes": nodes})
    ends = {key: _moved(config[key], names) for key in ("input_layers", "output_layers")}
    return {**config, "layers": layers, **ends}


_KERAS_OWN = {"HardSigmoidActivation": "hard_sigmoid"}
"""Activations of KerasCV that Keras has under a name; this one cannot even be loaded from its own config."""


def _class_of(value: Any) -> str:
    return str(value.get("class_name", "")) if isinstance(value, dict) else ""


def _moved(histories: Any, names: dict[str, str]) -> Any:
    """Renames `[layer, node, tensor]`, or lists of them."""
    if histories and isinstance(histories[0], str):
        return [names[histories[0]], *histories[1:]]
    return [_moved(history, names) for history in histories]
