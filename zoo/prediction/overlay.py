"""A picture of an image with its classes in colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError
from zoo.prediction.engine import whole_rows
from zoo.prediction.opening import ending_of
from zoo.prediction.writing import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from zoo.prediction.sources import Source

    Palette = tuple[tuple[int, int, int], ...]

BLACK = (0, 0, 0)
COLOURS: Palette = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
"""Colours that people with any kind of colour vision tell apart (Okabe and Ito, 2008), for weights without a palette."""

ENDINGS = (".png", ".jpg", ".jpeg")
LARGEST = 4096
"""Largest side of an overlay in pixels: larger images are shown smaller, by leaving out rows and columns."""

SHARE = 0.4
"""How much of a pixel is colour inside of a class; at its outline all of it is."""


def check_overlay(path: Path, ndim: int) -> None:
    """Refuses what cannot be drawn, before anything is computed.

    Raises:
        ConfigError: It is no picture, or the network is for volumes.
    """
    if ending_of(path) not in ENDINGS:
        message = f"An overlay is a picture: {', '.join(ENDINGS)}. Received: {path}"
        raise ConfigError(message)
    if ndim != 2:
        message = f"An overlay shows one image; a volume has none. Received: {path} with a {ndim}D network"
        raise ConfigError(message)


def palette_for(classes: int, palette: Palette) -> Palette:
    """Returns a colour per class: those of the weights, or made ones; of several classes the first is the ground then."""
    if len(palette) == classes:
        return palette
    made = tuple(COLOURS[number % len(COLOURS)] for number in range(classes))
    return made if classes == 1 else (BLACK, *made[:-1])


@dataclass(kw_only=True)
class Overlay:
    """An overlay in the making: class maps are added as their rows are finished.

    Attributes:
        source: The image.
        palette: A colour per class; a black class is not painted.
    """

    source: Source
    palette: Palette

    def __post_init__(self) -> None:
        self._step = max(-(-max(self.source.sizes) // LARGEST), 1)
        self._done = 0
        self._kept: list[np.ndarray] = []

    def see(self, part: np.ndarray) -> None:
        """Takes the next rows of a class map, or of one mask per class, and keeps what the picture needs of them."""
        first = -self._done % self._step
        self._kept.append(part[first :: self._step, :: self._step].copy())
        self._done += len(part)

    def save(self, path: Path) -> None:
        """Writes the picture, under its name only when it is complete.

        Raises:
            ImageError: It cannot be written.
        """
        import numpy as np
        from PIL import Image

        found = np.concatenate(self._kept)
        picture = painted(self._thumbnail(), found, self.palette)
        with replacing(path) as private:
            Image.fromarray(picture).save(private, format="PNG" if ending_of(path) == ".png" else "JPEG", quality=92)

    def _thumbnail(self) -> np.ndarray:
        import numpy as np

        parts, done = [], 0
        for rows in whole_rows(self.source):
            parts.append(rows[-done % self._step :: self._step, :: self._step])
            done += len(rows)
        return as_colours(np.concatenate(parts))


def painted(picture: np.ndarray, found: np.ndarray, palette: Palette) -> np.ndarray:
    """Returns a picture with each class in its colour, and an outline.

    Args:
        picture: `(H, W, 3)`, uint8.
        found: A class map `(H, W)` (of one class 0 and 1), or masks `(H, W, classes)` of classes that overlap.
        palette: A colour per class.
    """
    import numpy as np

    result = picture.astype("float32")
    for number, colour in enumerate(palette):
        if colour == BLACK:
            continue
        mask = found[..., number] > 0 if found.ndim == 3 else found == (1 if len(palette) == 1 else number)
        share = np.where(outline(mask), 1, SHARE)[..., None] * mask[..., None]
        result += share * (np.asarray(colour, "float32") - result)
    return result.round().astype("uint8")


def outline(mask: np.ndarray) -> np.ndarray:
    """Returns the pixels of a mask that have a neighbour outside of it, above, below, left or right; edges are no border."""
    import numpy as np

    inner = mask.copy()
    padded = np.pad(mask, 1, mode="edge")
    for sides in (padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2]):
        inner &= sides
    return mask & ~inner


def as_colours(image: np.ndarray) -> np.ndarray:
    """Returns an image of any type as `(H, W, 3)` of uint8; other types are stretched from percentile 1 to 99."""
    import numpy as np

    values = image[..., :3] if image.shape[-1] in (3, 4) else np.repeat(image[..., :1], 3, axis=-1)
    if values.dtype == np.uint8:
        return values
    values = values.astype("float32")
    low, high = np.percentile(values, (1, 99))
    if low == high:  # nearly all of it is one value
        low, high = values.min(), values.max()
    return (np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255).round().astype("uint8")
