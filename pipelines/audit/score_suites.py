"""What must hold of a night's scores: lists, forecasts, business rules and what was read out of texts, as suites."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from pipelines.audit.suites import Severity, named
from pipelines.contracts import (
    SCORES_NEXT_BASKET,
    SCORES_PROPENSITY,
    SCORES_RECOMMENDATIONS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
)
from pipelines.rules.file import Rule

RANK_EXPECTED, IS_KNOWN = "rank_expected", "is_known_item"
"""Added for the audit: place of the row in its list by rank; whether the item occurs in products or events."""

SHORTER, ACTIVE_DAYS = "shorter_horizon", 180
"""Added for the audit: the chance to buy within the next shorter horizon. Days in which an active user has bought."""
ACTIVE = "scores of active users"
"""One row: the active users, and those with a row in each table of forecasts."""

LIST_OF = {
    SCORES_RECOMMENDATIONS.name: "user_id",
    SCORES_VISITORS.name: "segment",
    SCORES_SIMILAR.name: "item_id",
    SCORES_NEXT_BASKET.name: "user_id",
}
ITEM_OF = {
    SCORES_NEXT_BASKET.name: "item_id",
    SCORES_RECOMMENDATIONS.name: "item_id",
    SCORES_VISITORS.name: "item_id",
    SCORES_SIMILAR.name: "similar_item_id",
}
LARGEST_FLOAT = 1.7976931348623157e308


def queries(night: date) -> dict[str, tuple[str, list[Any]]]:
    """By title, what is asked of the warehouse about a night, and the values of its question marks."""
    found: dict[str, tuple[str, list[Any]]] = {}
    for table, owner in LIST_OF.items():
        # All events are looked through only for an item that no products feed told of. `x in (…)` is null, and so
        # never false, where the list holds a null: of both nothing is taken but what is listed.
        found[table] = (
            f"with lists as (select *, row_number() over (partition by {owner} order by rank) as {RANK_EXPECTED}"
            f" from {table} where scored_for = ?),"
            f" listed as (select distinct {ITEM_OF[table]} as item_id from lists where {ITEM_OF[table]} is not null),"
            " fed as (select item_id from listed where item_id in (select item_id from raw.products)),"
            " rest as (select item_id from listed except select item_id from fed),"
            " sold as (select distinct rest.item_id from raw.events inner join rest using (item_id))"
            f" select *, {ITEM_OF[table]} in (select item_id from fed union all select item_id from sold) as {IS_KNOWN}"
            " from lists",
            [night],
        )
    likely, basket = SCORES_PROPENSITY.name, SCORES_NEXT_BASKET.name
    found[likely] = (
        f"select *, lag(buy_probability) over (partition by user_id order by horizon_days) as {SHORTER}"
        f" from {likely} where scored_for = ?",
        [night],
    )
    found[ACTIVE] = (
        f"select (select count(distinct user_id) from {likely} where scored_for = ?) as propensity,"
        f" (select count(distinct user_id) from {basket} where scored_for = ?) as next_basket,"
        " count(distinct user_id) as active from raw.events where event_type = 'purchase' and item_id is not null"
        " and event_date <= ? and event_date > ? and landing_date <= ?",
        [night, night, night, night - timedelta(ACTIVE_DAYS), night],
    )
    return found


def scores(table: str, top_k: int) -> list[Expectation]:
    """On one night of a score table, with the columns that `run` adds."""
    if table == SCORES_PROPENSITY.name:
        return _propensity()
    if table == ACTIVE:
        return _active_users()
    return _next_basket(top_k) if table == SCORES_NEXT_BASKET.name else _recommended(table, top_k)


def _recommended(table: str, top_k: int) -> list[Expectation]:
    given = (LIST_OF[table], ITEM_OF[table], "rank", "score", "reason", "reason_type", "model_name", "model_version")
    found = [named(gxe.ExpectColumnValuesToNotBeNull, f"{table}.{name} is given", column=name) for name in given]
    if table == SCORES_RECOMMENDATIONS.name:
        found.append(_probability(table, "propensity"))
    return [
        *found,
        *_ranked(table, top_k),
        named(
            gxe.ExpectColumnValuesToBeBetween,
            f"{table}.score is finite",
            column="score",
            min_value=-LARGEST_FLOAT,
            max_value=LARGEST_FLOAT,
        ),
        named(gxe.ExpectTableRowCountToBeBetween, f"{table} has rows", "warning", min_value=1),
    ]


def _propensity() -> list[Expectation]:
    table = SCORES_PROPENSITY.name
    given = ("user_id", "horizon_days", "buy_probability", "lapse_probability", "model_name", "model_version")
    found = [named(gxe.ExpectColumnValuesToNotBeNull, f"{table}.{name} is given", column=name) for name in given]
    for name in ("buy_probability", "lapse_probability"):
        found.append(_probability(table, name))
    return [
        *found,
        named(
            gxe.ExpectCompoundColumnsToBeUnique,
            f"{table} has one row per user and horizon",
            column_list=["user_id", "horizon_days"],
        ),
        named(
            gxe.ExpectColumnPairValuesAToBeGreaterThanB,
            f"{table}.buy_probability does not fall with the horizon",
            column_A="buy_probability",
            column_B=SHORTER,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        ),
    ]


def _next_basket(top_k: int) -> list[Expectation]:
    table = SCORES_NEXT_BASKET.name
    given = ("user_id", "item_id", "rank", "is_repeat", "probability", "expected_basket_size", "model_name")
    found = [named(gxe.ExpectColumnValuesToNotBeNull, f"{table}.{name} is given", column=name) for name in given]
    size: dict[str, Any] = {"column": "expected_basket_size", "min_value": 0, "max_value": LARGEST_FLOAT}
    return [
        *found,
        *_ranked(table, top_k),
        _probability(table, "probability"),
        named(gxe.ExpectColumnValuesToBeBetween, f"{table}.expected_basket_size is not negative", **size),
    ]


def _active_users() -> list[Expectation]:
    """On the one row of counts. A user all of whose items went off sale tonight has no basket to foretell."""
    severities: dict[str, Severity] = {SCORES_PROPENSITY.name: "critical", SCORES_NEXT_BASKET.name: "warning"}
    return [
        named(
            gxe.ExpectColumnPairValuesToBeEqual,
            f"{table} has every active user and no other",
            severity,
            column_A=table.partition(".")[2],
            column_B="active",
        )
        for table, severity in severities.items()
    ]


def _probability(table: str, name: str) -> Expectation:
    limits: dict[str, Any] = {"column": name, "min_value": 0, "max_value": 1}
    return named(gxe.ExpectColumnValuesToBeBetween, f"{table}.{name} is between 0 and 1", **limits)


def _ranked(table: str, top_k: int) -> list[Expectation]:
    owner, item = LIST_OF[table], ITEM_OF[table]
    return [
        named(
            gxe.ExpectColumnValuesToBeBetween,
            f"{table}.rank is between 1 and {top_k}",
            column="rank",
            min_value=1,
            max_value=top_k,
        ),
        named(
            gxe.ExpectColumnPairValuesToBeEqual,
            f"{table}.rank counts from 1 without a gap",
            column_A="rank",
            column_B=RANK_EXPECTED,
        ),
        named(
            gxe.ExpectCompoundColumnsToBeUnique,
            f"{table} holds an item once per {owner}",
            column_list=[owner, item],
        ),
        named(gxe.ExpectColumnValuesToBeInSet, f"{table}.{item} is a known item", column=IS_KNOWN, value_set=[True]),
    ]


def rules(names: Iterable[Rule]) -> list[Expectation]:
    """On one row with, per business rule, how often the lists of a night break it."""
    return [
        named(
            gxe.ExpectColumnMaxToBeBetween,
            f"rule {rule.name!r} ({rule.kind}) holds in every list",
            "warning" if rule.kind == "pin" else "critical",
            column=rule.name,
            min_value=0,
            max_value=0,
        )
        for rule in names
    ]


def none_broken(counts: Iterable[str]) -> list[Expectation]:
    """On one row with, per rule of `text_scores` or `vector_scores`, how many rows break it."""
    return [named(gxe.ExpectColumnMaxToBeBetween, name, column=name, min_value=0, max_value=0) for name in counts]
