"""Numbers as people read them: three digits and a unit. Exact values stand in tables and JSON."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DECIMAL = ("", "k", "M", "G", "T", "P")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def short_count(number: int) -> str:
    """Three digits with a decimal unit: `229_227_102_208 -> "229 G"`, `506_081 -> "506 k"`."""
    return _scaled(number, 1000, _DECIMAL).strip()


def short_bytes(number: int) -> str:
    """Three digits with a binary unit: `268_435_456 -> "256 MiB"`."""
    return _scaled(number, 1024, _BINARY)


def exact(number: int) -> str:
    """All digits with thousands separators: `32_448_129 -> "32,448,129"`."""
    return f"{number:,}"


def percent(part: int, whole: int) -> str:
    """A share with one decimal: `"17.3 %"`."""
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"


def shape_text(shape: Iterable[int | None]) -> str:
    """Sizes with multiplication signs: `(512, 512, 64) -> "512×512×64"`."""
    return "×".join("?" if size is None else str(size) for size in shape) or "scalar"


def field_text(extents: Iterable[tuple[int, int] | None]) -> str:
    """Receptive field per axis: `((204, 220), (204, 220)) -> "204–220 px"`; nothing for an unknown one."""
    parts = ["all" if e is None else str(e[0]) if e[0] == e[1] else f"{e[0]}–{e[1]}" for e in extents]
    if not parts:
        return "not known"
    if set(parts) == {"all"}:
        return "whole input"
    return (parts[0] if len(set(parts)) == 1 else " × ".join(parts)) + " px"


def _scaled(number: int, step: int, units: tuple[str, ...]) -> str:
    value, unit = float(number), 0
    while value >= step - 0.5 and unit < len(units) - 1:
        value /= step
        unit += 1
    digits = 0 if unit == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {units[unit]}"
