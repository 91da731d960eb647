"""The grammar of entry names: `<family>[-3d][-<variant>][-d<depth>][-f<filters>]`.

A name is a *base* (everything before the sizes) and up to two sizes. `depth` counts the levels of resolution,
`filters` is the width at full resolution. A weights tag follows after a dot: `resunet-v1-d4-f16.nuclei-v1`.
"""

from __future__ import annotations

import re

from zoo.errors import RegistryError

_WORD = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*?"
_SIZE = r"[1-9][0-9]{0,8}"
_NAME = re.compile(rf"(?P<base>{_WORD})(?:-d(?P<depth>{_SIZE}))?(?:-f(?P<filters>{_SIZE}))?")
_SIZE_PART = re.compile(r"[df][0-9]+")

SIZES = ("depth", "filters")


def parse_name(name: str) -> tuple[str, dict[str, int]]:
    """Splits a name into its base and the sizes that it states.

    Args:
        name: An entry name without a weights tag, such as `"resunet-v1-d5-f64"`.

    Returns:
        The base and a dict with the stated ones of `"depth"` and `"filters"`:
        `("resunet-v1", {"depth": 5, "filters": 64})`.

    Raises:
        RegistryError: The name does not follow the grammar.
    """
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None or any(_SIZE_PART.fullmatch(part) for part in match["base"].split("-")):
        message = (
            f"Ill-formed model name: {name!r}. A name is <family>[-3d][-<variant>][-d<depth>][-f<filters>] in lower-case "
            "letters, digits and hyphens, depth before filters, no leading zeros; for example 'resunet-v1-d5-f64'."
        )
        raise RegistryError(message)
    return match["base"], {size: int(match[size]) for size in SIZES if match[size]}


def format_name(base: str, sizes: dict[str, int]) -> str:
    """Joins a base and its sizes: `("resunet-v1", {"depth": 5, "filters": 64}) -> "resunet-v1-d5-f64"`."""
    return base + "".join(f"-{size[0]}{sizes[size]}" for size in SIZES if size in sizes)


def split_tag(name: str) -> tuple[str, str | None]:
    """Splits `"<entry>.<tag>"` at the first dot; the tag is None where there is no dot."""
    entry, dot, tag = name.partition(".")
    return entry, tag if dot else None
