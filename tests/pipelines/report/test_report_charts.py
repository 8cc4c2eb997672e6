"""Charts: well-formed, within their frame, and said in words for who cannot see them."""

import re
import xml.etree.ElementTree as ElementTree
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report import charts
from tests.pipelines.report.told import HOSTILE

DAYS = [date(2024, 5, 1) + timedelta(n) for n in range(5)]
VALUES = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=5, max_size=5)


def within(svg: str) -> None:
    """Every number that places something lies in the frame."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for mark in root.iter():
        for name, most in (("x", width), ("cx", width), ("x1", width), ("x2", width), ("cy", height), ("y2", height)):
            assert 0 <= float(mark.attrib.get(name, 0)) <= most, (mark.tag, mark.attrib)
        for x, y in re.findall(r"(\S+),(\S+)", mark.attrib.get("points", "")):
            assert 0 <= float(x) <= width and 0 <= float(y) <= height


@settings(max_examples=60)
@given(VALUES, VALUES, st.sampled_from(["count", "money", "share", "metric"]))
def test_any_values_stay_in_the_frame(ours: list[float | None], theirs: list[float | None], kind: str) -> None:
    within(charts.course("k", "t", DAYS, {"ours": ours, "theirs": theirs}, kind, bold="ours"))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.none() | st.floats(0, 1e6)), max_size=6))
def test_any_bars_stay_in_the_frame(rows: list[tuple[float, float | None]]) -> None:
    within(charts.bars("k", "t", [(f"s{n}", *row) for n, row in enumerate(rows)], "seconds"))


def test_a_gap_is_a_gap_and_a_lonely_day_a_dot() -> None:
    svg = charts.course("k", "Orders", DAYS, {"Orders": [1, 2, None, 3, None]}, "count")
    assert (svg.count("<polyline"), svg.count("<circle")) == (1, 1)
    assert "Orders: from 1 to 3, lowest 1, highest 3" in svg


def test_intervals_say_who_is_champion_and_take_any_name() -> None:
    rows = [(HOSTILE[0], 0.1, 0.2, 0.3, True), (HOSTILE[3], None, 0.05, None, False)]
    svg = charts.intervals("k", HOSTILE[1], rows)
    within(svg)
    assert "<script" not in svg and "<img" not in svg
    assert "(champion) 0.2000, interval 0.1000 to 0.3000" in svg
    assert svg.count("dot champion") == svg.count("dot floor") == 1
