"""The chart on logarithmic axes: exact places, no point under another, texts inside the picture."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import RenderError
from zoo.render import scatter
from zoo.render.scatter import BOTTOM, LEFT, RADIUS, RIGHT, RING, TOP, Axis, Point, label_box, lay_out
from zoo.render.scatter_svg import to_svg

SVG = "{http://www.w3.org/2000/svg}"
TITLES = {"title": "a < b", "summary": "what it shows", "x_title": "size & weight", "y_title": "work"}


def point(name: str, x: int, y: int, group: str = "2D") -> Point:
    return Point(name=name, x=x, y=y, group=group, href=f"{name}.html", label=(name, f"{x} and {y}"), spoken=f"{name}: {x}, {y}")


def chart(*places: tuple[int, int]):
    return lay_out([point(f"p{k}", x, y) for k, (x, y) in enumerate(places)], **TITLES)


values = st.integers(1, 10**13)


@given(values, st.sampled_from([1, 7, 100, 150]))
def test_a_position_is_the_whole_part_of_the_logarithm(value, scale):
    position = scatter.log_position(value, scale)
    assert 10**position <= value**scale < 10 ** (position + 1)


@given(st.lists(st.tuples(values, values), min_size=1, max_size=30))
def test_places_are_monotone_and_inside_the_frame(pairs):
    drawn = chart(*pairs)
    points = list(zip(drawn.points, drawn.places, drawn.radii, strict=True))
    for (_, (_, y0), _), (_, (_, y1), _) in pairwise(sorted(points, key=lambda p: p[0].y)):
        assert y0 >= y1
    for (_, (x0, _), _), (_, (x1, _), _) in pairwise(sorted(points, key=lambda p: p[0].x)):
        assert x0 <= x1
    for _, (x, y), _ in points:
        assert LEFT + RADIUS < x < drawn.width - RIGHT - RADIUS
        assert TOP + RADIUS < y < drawn.height - BOTTOM - RADIUS
    assert drawn.x.decades
    assert drawn.y.decades


@given(st.lists(st.tuples(values, values), min_size=1, max_size=30))
def test_labels_lie_inside_the_picture_and_beside_their_points(pairs):
    drawn = chart(*pairs)
    for k, (at, radius) in enumerate(zip(drawn.places, drawn.radii, strict=True)):
        x, y, width, height = label_box(drawn, k)
        assert x >= 0
        assert x + width <= drawn.width
        assert y >= 0
        assert y + height <= drawn.height
        assert width >= scatter.CHARACTER * max(map(len, drawn.points[k].label)) + 16
        assert at[0] + radius < x or x + width < at[0] - radius


def test_points_at_one_place_are_rings_around_the_last_one():
    drawn = chart((1000, 1000), (1000, 1000), (1000, 1001), (5, 7))
    assert [p.name for p in drawn.points] == ["p0", "p1", "p2", "p3"]
    assert drawn.radii == (RADIUS + 2 * RING, RADIUS + RING, RADIUS, RADIUS)
    assert re.findall(r'class="k round( ring)?"', to_svg(drawn)) == ["", " ring", " ring", "", ""]  # the legend's first


def test_an_earlier_point_is_not_drawn_over_by_a_ring():
    drawn = chart((900, 1000), (1000, 1000), (1000, 1000))
    assert drawn.points[-1].name == "p2"
    assert drawn.radii == tuple(sorted(drawn.radii, reverse=True))


def test_decades_have_lines_with_their_values():
    drawn = chart((50_000, 2_000), (30_000_000, 900_000))
    svg = to_svg(drawn)
    for power in (5, 6, 7):
        at = LEFT + power * 150 - drawn.x.low
        assert f"M{at} {TOP}V{drawn.height - BOTTOM}" in svg
        assert f'x="{at}" y="{drawn.height - BOTTOM + 20}">{scatter.decade_text(power)}</text>' in svg
    assert [scatter.decade_text(power) for power in (0, 1, 3, 5, 6, 9, 13)] == ["1", "10", "1 k", "100 k", "1 M", "1 G", "10 T"]


def test_ticks_stand_at_the_digits_between_the_decades():
    axis = Axis(title="", low=0, high=100, scale=100)
    assert scatter.between_decades(axis) == [math.floor(100 * math.log10(digit)) for digit in range(2, 10)]
    assert axis.at(10) == 100


def test_the_picture_is_xml_with_a_name_and_each_point_is_a_link_that_says_what_it_is():
    svg = to_svg(chart((10, 10), (200, 3000)))
    root = ET.fromstring(svg)
    assert root.get("role") == "group"  # an image could not have links inside
    assert [root.find(f"{SVG}{tag}").text for tag in ("title", "desc")] == ["a < b", "what it shows"]
    named = {element.get("id") for element in root.iter()}
    assert {root.get("aria-labelledby"), root.get("aria-describedby")} <= named
    links = list(root.iter(f"{SVG}a"))
    labels = [element for element in root.iter(f"{SVG}g") if element.get("class") == "l"]
    assert [link.get("aria-label") for link in links] == ["p0: 10, 10", "p1: 200, 3000"]
    assert [link.find(f"{SVG}title").text for link in links] == ["p0: 10, 10", "p1: 200, 3000"]
    assert [link.get("href") for link in links] == ["p0.html", "p1.html"]
    assert ["".join(label.itertext()) for label in labels] == ["p010 and 10", "p1200 and 3000"]
    for k in (1, 2):  # the label that is shown is that of the point
        assert f"a:nth-of-type({k}):is(:hover,:focus-visible)~.l:nth-of-type({k})" in svg
    assert {element.text for element in root.iter(f"{SVG}text")} >= {"size & weight", "work"}


def test_no_coordinate_has_a_fraction():
    body = to_svg(chart((123_457, 98_765), (7_654_321, 12_345))).partition("</style>")[2]
    assert not re.search(r"\d\.\d", body)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], r"one point or more\. Received: none"),
        ([point("a", 0, 5)], r"whole numbers from 1 on\. Received: a at x=0, y=5"),
        ([point("a", 5, Fraction(1, 2))], r"whole numbers from 1 on\. Received: a at x=5"),
        ([point("a", 1, 1), point("a", 2, 2)], r"name of its own\. Received twice: 'a'"),
        ([point(str(k), 1, 1, group=str(k)) for k in range(4)], r"shapes for 3 groups\. Received 4: 0, 1, 2, 3"),
    ],
)
def test_what_cannot_be_drawn_is_said(points, message):
    with pytest.raises(RenderError, match=message):
        lay_out(points, **TITLES)
