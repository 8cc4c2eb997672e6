"""What each rule refuses, which row is the original, and what a session is."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

from hostile import GOOD, LINES, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from pipelines import contracts
from pipelines.contracts import EVENTS, Entity
from pipelines.preprocess import transforms

DAY = date(2020, 1, 2)
FRAMED = "landing_date date, file string, line bigint, raw string, unreadable_reason string"
UNIQUE = "landing_date date, file string, line bigint, event_date date, event_id string, occurred_at timestamp"


def checked(session: SparkSession, lines: tuple[str, ...], entity: Entity = EVENTS) -> DataFrame:
    rows = [(DAY, "f", number, line, None) for number, line in enumerate(lines, 1)]
    framed = session.createDataFrame(rows, FRAMED)
    return framed.transform(transforms.parse_lines, entity).transform(transforms.check, entity, 3)


def without(name: str) -> str:
    return json.dumps({k: v for k, v in GOOD.items() if k != name})


REASONS = [
    ("{", "malformed json"),
    (event() + " junk", "malformed json"),
    (event(unreadable="half a li", unreadable_reason="cut off"), "cut off"),
    (event(unreadable="half a li"), "unreadable"),
    (event(item_id={"nested": 1}), "item_id is not text or a whole number"),
    (event(item_id=1.5), "item_id is not text or a whole number"),
    (event(query="a\0b"), "query holds a NUL character"),
    (event(user_id="x" * 257), "user_id is longer than 256 characters"),
    (event(query="x" * 10_001), "query is longer than 10000 characters"),
    (without("event_id"), "event_id is missing"),
    (event(event_id="  "), "event_id is missing"),
    (without("occurred_at"), "occurred_at is missing"),
    (event(occurred_at="02.01.2020 10:00"), "occurred_at is not a UTC timestamp"),
    (event(occurred_at="2020-02-30T10:00:00Z"), "occurred_at is not a UTC timestamp"),
    (without("event_type"), "event_type is missing"),
    (event(event_type="teleport"), "event_type is unknown"),
    (event(quantity="1.5"), "quantity is not a whole number"),
    (event(quantity=0), "quantity is not positive"),
    (event(unit_price="cheap"), "unit_price is not a number below 10^12"),
    (event(event_type="purchase"), "quantity is missing"),
    (event(event_type="return", quantity=1, item_id=None), "item_id is missing"),
    (event(event_type="add_to_cart", item_id=None), "item_id is missing"),
    (event(event_type="search"), "query is missing"),
    (event(event_type="purchase", quantity=1, charge_code="POST"), "item_id and charge_code are both given"),
    (event(unit_price=-0.01), "unit_price is negative"),
    (event(occurred_at="2019-12-29T23:59:59Z"), "late"),
    (event(occurred_at="2020-01-04T00:00:00Z"), "after its landing date"),
    (event(quantity=1_000_001), "quantity is above 1000000"),
    (event(unit_price="1000000000.01"), "unit_price is above 1000000000"),
]
ACCEPTED = [
    event(),
    without("user_id"),
    event(occurred_at="2019-12-30T00:00:00Z"),
    event(occurred_at="2020-01-03T00:30:00+01:00"),
    event(occurred_at="2020-01-03T04:59:00Z"),  # the evening of a shop west of Greenwich
    event(event_type="purchase", quantity=2, item_id=None, charge_code="POST", unit_price=-5),
    event(event_type="search", item_id=None, query="mug"),
    event(user_id=17850, quantity="3.0"),
]


def test_every_rule_refuses_with_its_reason_and_keeps_the_text(sail: SparkSession) -> None:
    lines = tuple(line for line, _ in REASONS)
    rows = checked(sail, lines).orderBy("line").collect()
    assert [row.reason for row in rows] == [reason for _, reason in REASONS]
    kept = ["half a li" if "half a li" in line else line for line in lines]
    assert [row.raw for row in rows] == kept
    assert all(row.event_id is None for row in rows)


def test_accepted_rows_carry_values_and_no_text(sail: SparkSession) -> None:
    rows = checked(sail, tuple(ACCEPTED)).orderBy("line").collect()
    assert [(row.reason, row.raw) for row in rows] == [(None, None)] * len(ACCEPTED)
    assert rows[3].occurred_at == datetime(2020, 1, 2, 23, 30)
    assert rows[3].event_date == DAY
    assert (rows[7].user_id, rows[7].quantity) == ("17850", 3)


def test_columns_of_text_are_judged_like_json(sail: SparkSession) -> None:
    names = [*contracts.PRODUCTS.names, contracts.UNREADABLE, contracts.UNREADABLE_REASON]
    schema = "landing_date date, file string, line bigint, " + ", ".join(f"{n} string" for n in names)
    rows: list[dict[str, Any]] = [
        {"item_id": " mug ", "price": "1e1", "attributes": '{"colour": "red"}'},
        {"item_id": "", "title": "no id"},
        {"item_id": "a", "attributes": "[1]"},
        {"item_id": "a", "price": "-1"},
        {"unreadable": "a,b", "unreadable_reason": "2 fields instead of 3"},
    ]
    framed = sail.createDataFrame([(DAY, "f", n, *[r.get(c) for c in names]) for n, r in enumerate(rows)], schema)
    out = framed.transform(transforms.parse_columns, contracts.PRODUCTS)
    found = out.transform(transforms.check, contracts.PRODUCTS, 3).orderBy("line").collect()
    assert (found[0].item_id, float(found[0].price), found[0].attributes) == ("mug", 10.0, {"colour": "red"})
    assert [r.reason for r in found[1:]] == [
        "item_id is missing",
        "attributes is not an object",
        "price is negative",
        "2 fields instead of 3",
    ]
    assert json.loads(found[1].raw) == {"item_id": "", "title": "no id"}
    assert found[4].raw == "a,b"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from(LINES), st.sampled_from(ACCEPTED)), min_size=1))
def test_no_row_is_lost_or_judged_twice(sail: SparkSession, lines: list[str]) -> None:
    rows = checked(sail, tuple(lines)).select("line", "reason", "raw", "event_id").collect()
    assert sorted(r.line for r in rows) == list(range(1, len(lines) + 1))
    assert all((r.reason is None) == (r.event_id is not None) == (r.raw is None) for r in rows)


# ---- duplicates and sessions -------------------------------------------------------------------------------------

Row = tuple[date, str, int, date, str, datetime, str | None, str | None]
START = datetime(2020, 1, 2, 10)


def staged(session: SparkSession, rows: list[Row]) -> list[dict[str, Any]]:
    frame = session.createDataFrame(rows, UNIQUE + ", user_id string, session_id string")
    flagged = frame.transform(transforms.flag, transforms.duplicates(frame, EVENTS))
    return [
        r.asDict()
        for r in flagged.transform(transforms.sessionise, 30).orderBy("landing_date", "file", "line").collect()
    ]


def row(
    line: int, minute: float, event_id: str, user: str | None = "u", day: date = DAY, session: str | None = None
) -> Row:
    moment = START + timedelta(minutes=minute)
    return (day, "f", line, moment.date(), event_id, moment, user, session)


def test_the_earliest_delivery_of_an_id_is_the_original(sail: SparkSession) -> None:
    tomorrow = DAY + timedelta(1)
    rows = [
        row(1, 0, "a", day=tomorrow),
        row(1, 0, "a"),
        row(2, 0, "a"),
        row(3, 0, "b"),
        row(4, 15 * 60, "a"),  # another day: another event
    ]
    flags = {(r["landing_date"], r["line"]): r["is_duplicate"] for r in staged(sail, rows)}
    assert flags == {(DAY, 1): False, (DAY, 2): True, (DAY, 3): False, (DAY, 4): False, (tomorrow, 1): True}


def test_a_pause_of_more_than_thirty_minutes_or_midnight_ends_a_session(sail: SparkSession) -> None:
    rows = [
        row(1, 0, "a"),
        row(2, 30, "b"),  # exactly 30 minutes: the same session
        row(3, 60 + 1 / 60, "c"),
        row(4, 14 * 60 - 1, "d"),  # 23:59
        row(5, 14 * 60 + 1, "e"),  # 00:01
        row(6, 1, "f", user=None),
        row(7, 1, "g", session="given"),
        row(8, 1, "h", user="v"),
    ]
    sessions = [r["session_id"] for r in staged(sail, rows)]
    assert sessions[0] == sessions[1]
    assert len(set(sessions[1:5])) == 4
    assert sessions[5:7] == [None, "given"]
    assert sessions[7] not in sessions[:7]


MOMENTS = st.integers(0, 14 * 60 + 30)
EVENT_ROWS = st.lists(
    st.tuples(MOMENTS, st.sampled_from("abcde"), st.sampled_from(["u", "v", None]), st.integers(0, 1)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENT_ROWS, st.randoms(use_true_random=False))
def test_row_order_changes_nothing_and_another_delivery_changes_no_session(
    sail: SparkSession, drawn: list[tuple[int, str, str | None, int]], random: Any
) -> None:
    rows = [row(n, m, i, u, DAY + timedelta(1 + late)) for n, (m, i, u, late) in enumerate(drawn)]
    shuffled = random.sample(rows, len(rows))
    all_rows = staged(sail, rows)
    assert staged(sail, shuffled) == all_rows
    originals = Counter((r["event_date"], r["event_id"]) for r in all_rows if not r["is_duplicate"])
    assert set(originals.values()) == {1}
    assert set(originals) == {(r[3], r[4]) for r in rows}
    first_delivery = [r for r in rows if r[0] == DAY + timedelta(1)]
    if first_delivery:
        alone = {r["line"]: r["session_id"] for r in staged(sail, first_delivery)}
        assert alone == {r["line"]: r["session_id"] for r in all_rows if r["landing_date"] == DAY + timedelta(1)}
