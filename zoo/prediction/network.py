"""A model as prediction sees it: one function from a batch of prepared tiles to probabilities or logits, and what tiles cost it.

The head is found in the traced graph: the layer that makes the output says whether that is a probability, and what it reads are
the logits.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from zoo.errors import AnalysisError, ConfigError
from zoo.prediction.tiles import rounded_up

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo.analysis.graph import Graph, Node
    from zoo.analysis.scaling import Scaling

SAMPLE = {2: 256, 3: 64}
"""Side in positions at which a network of open sizes is traced."""

MULTIPLE = 32
"""What sizes are multiples of where the network does not tell: five halvings."""

SEES_ALL = frozenset(("GroupNormalization", "LayerNormalization", "UnitNormalization"))
"""Layers that average over the image, which the receptive field leaves out."""

ACTIVATIONS = ("sigmoid", "softmax")
SEGMENTATION = "segmentation"
KINDS = ("probabilities", "logits")


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """What prediction needs to know about a model.

    Attributes:
        name: Of the model.
        sizes: Spatial sizes of its input, None where open.
        channels: Of its input.
        classes: Channels of its output.
        multiples: What the sizes of an image must be multiples of.
        steps: Where tiles may start: multiples of these, so that pooling meets the same positions as in the whole image.
        activation: Of the output: `"sigmoid"`, `"softmax"`, another name, or empty for logits.
        reach: How far an output looks before and after its position, per axis; None where it looks at everything.
    """

    name: str
    sizes: tuple[int | None, ...]
    channels: int
    classes: int
    multiples: tuple[int, ...]
    steps: tuple[int, ...]
    activation: str
    reach: tuple[tuple[int, int] | None, ...]
    _graph: Graph
    _scaling: Scaling | None
    _values: Any
    _logits: Any
    _input: Any
    _runners: dict[str, Any] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.sizes)

    @property
    def overlapping(self) -> bool:
        """Whether each class has a probability of its own, so that classes may overlap."""
        return self.classes > 1 and self.activation == "sigmoid"

    def peak_bytes(self, sizes: tuple[int, ...]) -> int:
        """Returns the bytes of the tensors that are alive at once for one tile, by liveness."""
        if self._scaling is not None:
            rounded = (rounded_up(size, step) for size, step in zip(sizes, self._scaling.multiples, strict=True))
            return self._scaling.at((*rounded, self.channels)).peak_bytes
        from zoo.analysis.memory import inference_peak

        grown = math.prod(sizes) / math.prod(self._graph.input_shape[:-1])
        attends = None in self.reach and grown > 1  # attention may grow with the square of the positions
        return math.ceil(inference_peak(self._graph)[0] * (grown**2 if attends else grown))

    def check_kind(self, kind: str) -> None:
        """Refuses what the network cannot give.

        Raises:
            ConfigError: Its output has another activation, or the logits are inside its last layer.
        """
        if kind == "probabilities" and self.activation not in ("", *ACTIVATIONS):
            message = (
                f"The output of {self.name} is what {self.activation} gives, not probabilities. Use output='logits', or a "
                "network with head_activation='auto'."
            )
            raise ConfigError(message)
        if kind == "logits" and self._logits is None:
            message = (
                f"The last layer of {self.name} applies {self.activation} itself, so its logits cannot be had. Make that a layer "
                "of its own, or use output='probabilities'."
            )
            raise ConfigError(message)

    def run(self, batch: np.ndarray, kind: str, mirrors: tuple[int, ...] = ()) -> np.ndarray:
        """Computes a batch of prepared tiles, with `mirrors` as the mean over all mirror images along these axes.

        Args:
            batch: `(N, H, W, C)` or `(N, D, H, W, C)`, float32.
            kind: `"probabilities"` or `"logits"`.
            mirrors: Spatial axes, 0 being the first.

        Returns:
            `(N, H, W, classes)` or `(N, D, H, W, classes)`, float32.
        """
        axes = [axis + 1 for axis in mirrors]
        sets = [turned for count in range(len(axes) + 1) for turned in itertools.combinations(axes, count)]
        total = self._run(batch, kind)
        for turned in sets[1:]:
            index = tuple(slice(None, None, -1) if axis in turned else slice(None) for axis in range(self.ndim + 2))
            total = total + self._run(batch[index], kind)[index]
        return total / len(sets) if mirrors else total

    def _run(self, batch: np.ndarray, kind: str) -> np.ndarray:
        import numpy as np

        values = self._runner(kind).predict_on_batch(np.ascontiguousarray(batch))
        values = np.asarray(values).astype("float32", copy=False)
        return self.probabilities(values) if kind == "probabilities" and not self.activation else values

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns the probabilities of logits: a softmax for several classes, unless each has a sigmoid of its own."""
        import numpy as np

        if self.classes == 1 or self.overlapping:
            return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        parts = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return parts / parts.sum(axis=-1, keepdims=True)

    def _runner(self, kind: str) -> keras.Model:
        import keras

        if kind not in self._runners:
            runner = keras.Model(self._input, self._logits if kind == "logits" else self._values)
            runner.compile(jit_compile=keras.backend.backend() == "jax")  # XLA takes long to compile, and JAX needs it
            self._runners[kind] = runner
        return self._runners[kind]


_known: WeakKeyDictionary[keras.Model, Network] = WeakKeyDictionary()


def network_of(model: keras.Model) -> Network:
    """Returns what prediction needs to know about a model, found once for each.

    Raises:
        ConfigError: It is no functional Keras model, reads several inputs, or its output has other sizes than its input.
    """
    import keras

    if not isinstance(model, keras.Model):
        message = f"`model` is a Keras model, such as zoo.get('resunet-v1-d3-f8.nuclei-v1'). Received: {model!r}"
        raise ConfigError(message)
    if model not in _known:
        _known[model] = _read(model)
    return _known[model]


def _read(model: keras.Model) -> Network:
    from zoo.analysis.receptive_field import reach
    from zoo.registry import config_of

    config = config_of(model)
    shape = _input_shape(model)
    known = config.size_multiples if config else None
    graph, scaled = _traced(model, shape, known)
    multiples = known or (scaled.multiples if scaled else tuple(MULTIPLE if size is None else 1 for size in shape[:-1]))
    stride = config.stride if config else 1
    steps = scaled.multiples if scaled else tuple(math.lcm(multiple, stride) for multiple in multiples)
    output, tensor = _segmentation(model, graph)
    made = graph.shape_of[output]
    if made[:-1] != graph.input_shape[:-1]:
        message = (
            f"{model.name} makes {made} of {graph.input_shape}: prediction needs an output of the size of its input. Use the "
            "segmentation alone: keras.Model(model.input, model.output['segmentation'])."
        )
        raise ConfigError(message)
    node = graph.producer[output]
    activation, logits = _head(model, node, tensor)
    sees_all = any(each.op in SEES_ALL for each in graph.nodes)
    return Network(
        name=model.name,
        sizes=tuple(shape[:-1]),
        channels=shape[-1],
        classes=made[-1],
        multiples=multiples,
        steps=steps,
        activation=activation,
        reach=(None,) * (len(shape) - 1) if sees_all else reach(graph, output),
        _graph=graph,
        _scaling=scaled,
        _values=tensor,
        _logits=logits,
        _input=model.inputs[0],
    )


def _input_shape(model: keras.Model) -> tuple[Any, ...]:
    inputs = getattr(model, "inputs", None)
    shape = tuple(inputs[0].shape[1:]) if inputs and len(inputs) == 1 else ()
    if len(shape) not in (3, 4) or shape[-1] is None:
        received = [tuple(tensor.shape) for tensor in inputs] if inputs else "a model that is not functional or not built"
        message = f"`model` reads one image, (N, H, W, C) or (N, D, H, W, C), channels last. Received: {received}"
        raise ConfigError(message)
    return shape


def _traced(model: keras.Model, shape: tuple[Any, ...], multiples: tuple[int, ...] | None) -> tuple[Graph, Scaling | None]:
    """Returns the graph at a sample size, and its formulas where there are any."""
    from zoo.analysis.graph import trace
    from zoo.analysis.scaling import scaling
    from zoo.analysis.structure import place

    side = SAMPLE[len(shape) - 1]
    steps = multiples or (MULTIPLE,) * (len(shape) - 1)
    sizes = (size or rounded_up(side, step) for size, step in zip(shape, steps, strict=False))
    try:
        graph = place(trace(model, (*sizes, shape[-1])))
    except AnalysisError as error:
        message = f"{model.name} cannot be read as a network from images to images: {error}"
        raise ConfigError(message) from None
    return graph, scaling(graph, multiples or ())


def _segmentation(model: keras.Model, graph: Graph) -> tuple[str, Any]:
    """Returns the output that is predicted, by its name in the graph and as a tensor: `"segmentation"`, else the first."""
    if SEGMENTATION in graph.output_names:
        return graph.outputs[graph.output_names.index(SEGMENTATION)], model.output[SEGMENTATION]
    return graph.outputs[0], model.outputs[0]


def _head(model: keras.Model, node: Node, tensor: Any) -> tuple[str, Any]:
    """Returns the activation of the output, empty for logits, and the logits; None where they are inside a layer."""
    kind = node.op.removeprefix("ops.")
    activation = kind.lower() if kind in ("Softmax", "Sigmoid") else node.activation
    if activation in ("", "linear"):
        return "", tensor
    if kind in ("Activation", "Softmax", "Sigmoid"):
        made_by = next((operation for operation in model.operations if operation.name == node.name), None)
        return activation, None if made_by is None else made_by.input
    return activation, None
