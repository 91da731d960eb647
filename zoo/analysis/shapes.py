"""Input shapes that users give, checked against what a model was built for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.analysis.graph import Shape


def concrete_shapes(model: Any, name: str, input_shape: Any) -> tuple[Shape, ...]:
    """Returns a concrete shape for each input, checked against what the model was built for.

    Raises:
        AnalysisError: A size is open, or the shape does not fit.
    """
    built = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    shapes = built if input_shape is None else _as_shapes(input_shape, len(built))
    fits = shapes is not None and len(shapes) == len(built) and all(map(_fits, shapes, built))
    if shapes is None or not fits:
        message = (
            f"The input shape does not fit {name!r}, which was built for {shown(built)}. Received: input_shape={input_shape!r}; "
            "give its sizes without the batch, channels last; for several inputs a list of shapes."
        )
        raise AnalysisError(message)
    if any(size is None for shape in shapes for size in shape):
        message = (
            f"{name!r} was built for {shown(built)}; numbers need a concrete size. "
            f"Give input_shape, for example {shown([tuple(size or 256 for size in shape) for shape in shapes])}."
        )
        raise AnalysisError(message)
    return tuple(tuple(int(size) for size in shape) for shape in shapes)


def _as_shapes(given: Any, inputs: int) -> list[tuple[Any, ...]] | None:
    """Returns one shape per input, or None for what is no shape."""
    if not isinstance(given, (list, tuple)):
        return None
    if inputs == 1 and not any(isinstance(size, (list, tuple)) for size in given):
        return [tuple(given)]
    return [tuple(shape) for shape in given] if all(isinstance(shape, (list, tuple)) for shape in given) else None


def _fits(shape: tuple[Any, ...], built: tuple[Any, ...]) -> bool:
    """Says whether the sizes are whole numbers from 1 on, or open, and agree with those that are fixed."""
    whole = all(size is None or (hasattr(size, "__index__") and not isinstance(size, bool) and size > 0) for size in shape)
    return whole and len(shape) == len(built) and all(b is None or a == b for a, b in zip(shape, built, strict=True))


def shown(shapes: Iterable[Shape]) -> str:
    """Returns one shape, or a list of shapes, for messages."""
    shown = [str(tuple(shape)) for shape in shapes]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
