"""The page on which any two entries are compared, and the data file of an entry that only this page needs.

`docs/models/data/NAME.layers.js` is one line, `zooData("NAME.layers",{...});`, and adds to the entry's data file (see
scripts/pages/data.py) what zoo.diff says besides:

    field        receptive field per axis: [smallest, largest], or null for the whole input; empty where it is not known
    unsupported  what was not understood
    skips        rows of kind, source block, target block
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from pages.catalog import density
from pages.template import NOTE
from zoo.render.diff_tables import ratio_text
from zoo.render.links import SKIPS, links_of
from zoo.render.units import exact, field_text, short_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.analysis import Report
    from zoo.entry import Entry

YARDSTICK = "resunet-v1"
"""Family with whose defaults, in 2D and in 3D, the table without scripts compares."""

SCRIPTS = """<script src="../assets/data.js"></script>
<script src="../assets/diff.js"></script>
<script src="../assets/compare-view.js" defer></script>
<script src="../assets/compare.js" defer></script>"""

_INTRO = """Both are counted at one input size, each with its own channels. Blocks are aligned by their place in the U: encoder
and decoder by level, the bottleneck with the bottleneck. Within a block the layers are compared as a set with counts, without
names and spatial sizes, so their order and how they are connected is not seen.
The command `zoo diff` and the function `zoo.diff` do the same for networks of any size, listed or not: see
[command line](../reference/cli.md), [Python](../reference/python.md#zoo.diff), [what the numbers mean](../guide/numbers.md).
{: .zoo-intro }"""

_NOSCRIPT = """<noscript><p>To choose two entries here, allow scripts in your browser. Without them, <code>zoo diff NAME
OTHER</code> prints the same comparison, and the table below compares the default of every family with that of
<code>resunet-v1</code>.</p></noscript>"""

_FIELD = """<label>{label}<input name="{name}" list="zoo-names" required autocomplete="off" autocapitalize="none"
spellcheck="false"></label>"""


def layers_file(entry: Entry, report: Report) -> str:
    """Returns the file of an entry that only this page needs: one line of ASCII."""
    data = {
        "field": report.receptive_field,
        "unsupported": report.unsupported,
        "skips": [(link.kind, link.source, link.target) for link in links_of(report) if link.kind in SKIPS],
    }
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return f"zooData({json.dumps(entry.name + '.layers')},{text});\n"


def compare_page(entries: Iterable[Entry]) -> str:
    """Returns the page that compares any two entries, with a table that needs no script."""
    entries = tuple(entries)
    head = f"---\ntitle: Compare\nhide: [navigation, toc]\n---\n{NOTE}\n\n# Compare two networks"
    static = (
        "## The families against resunet-v1\n\nThe default of each family, on images and on volumes, against that of "
        "`resunet-v1` with as many axes. A ratio above 1 means more than `resunet-v1`."
    )
    result = '<div class="zoo-compare" data-search-exclude hidden></div>'
    parts = (head, _INTRO, form_html(entries), _NOSCRIPT, result, static, family_table(entries), SCRIPTS)
    return "\n\n".join(parts) + "\n"


def form_html(entries: Sequence[Entry]) -> str:
    """Returns the form in which two entries are chosen, hidden until the script shows it."""
    options = "\n".join(
        f'<option value="{escape(entry.name)}" data-family="{escape(entry.family)}">'
        f"{entry.ndim}D, {short_count(entry.numbers.params)} parameters</option>"
        for entry in entries
    )
    parts = [
        '<form class="zoo-pair" hidden data-search-exclude aria-label="Choose two networks">',
        _FIELD.format(label="First network", name="a"),
        '<button type="button" name="swap">Swap</button>',
        _FIELD.format(label="Second network", name="b"),
        '<label>Input size<select name="input" autocomplete="off" disabled><option>–</option></select></label>',
        f'<datalist id="zoo-names">\n{options}\n</datalist>',
        "</form>",
        '<p class="zoo-pair-said" role="status" data-search-exclude hidden></p>',
    ]
    return "\n".join(parts)


def family_table(entries: Sequence[Entry]) -> str:
    """Returns the default of each family, in 2D and 3D, against that of the yardstick, as HTML."""
    heads = ("family's default", "axes", "parameters", "ratio", "MACs per pixel or voxel", "ratio", "receptive field", "layers")
    rows = []
    for ndim in (2, 3):
        defaults = defaults_of(entry for entry in entries if entry.ndim == ndim)
        yardstick = next((entry for entry in defaults if entry.family == YARDSTICK), None)
        rows += [_family_row(entry, yardstick) for entry in defaults]
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    frame = '<div class="zoo-scroll" tabindex="0" role="region" aria-label="Table of the families">'
    return "\n".join(
        [frame, f'<table class="zoo-families">\n<thead><tr>{head}</tr></thead>\n<tbody>', *rows, "</tbody>\n</table>\n</div>"]
    )


def defaults_of(entries: Iterable[Entry]) -> list[Entry]:
    """Returns the first entry of each family."""
    found: dict[str, Entry] = {}
    for entry in entries:
        found.setdefault(entry.family, entry)
    return list(found.values())


def _family_row(entry: Entry, yardstick: Entry | None) -> str:
    n, own = entry.numbers, density(entry)
    params = macs = ""
    link = f'<a href="{entry.name}.html">{entry.name}</a>'
    if yardstick is not None and yardstick is not entry:
        params, macs = ratio_text(n.params / yardstick.numbers.params), ratio_text(own / density(yardstick))
        link += f' · <a href="?a={yardstick.name}&amp;b={entry.name}" aria-label="compare {entry.name}">compare</a>'
    least = "" if n.status == "complete" else "≥ "
    cells = (
        f"{entry.ndim}D",
        exact(n.params),
        params,
        f"{least}{exact(own)}",
        macs,
        field_text(n.receptive_field),
        exact(n.layers),
    )
    return f'<tr><th scope="row">{link}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
