from __future__ import annotations

import pytest

from zoo.render import units


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (506_081, "506 k"), (32_448_129, "32.4 M"), (999_999, "1.00 M"),
     (229_227_102_208, "229 G"), (9_994, "9.99 k"), (9_995, "10.0 k"), (99_960, "100 k")],
)  # fmt: skip
def test_counts_have_three_digits(number: int, text: str) -> None:
    assert units.short_count(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (268_435_456, "256 MiB"), (2**40, "1.00 TiB")]
)
def test_bytes_are_binary(number: int, text: str) -> None:
    assert units.short_bytes(number) == text


def test_exact_percent_and_shape() -> None:
    assert units.exact(32_448_129) == "32,448,129"
    assert units.percent(1, 3) == "33.3 %"
    assert units.percent(0, 0) == "0.0 %"
    assert units.shape_text((512, None, 3)) == "512×?×3"
    assert units.shape_text(()) == "scalar"


@pytest.mark.parametrize(
    ("extents", "text"),
    [
        (((204, 220), (204, 220)), "204–220 px"),
        (((5, 5), (7, 7)), "5 × 7 px"),
        ((None, None), "whole input"),
        ((), "not known"),
        (((3, 3), None), "3 × all px"),
    ],
)
def test_receptive_field(extents: tuple[tuple[int, int] | None, ...], text: str) -> None:
    assert units.field_text(extents) == text
