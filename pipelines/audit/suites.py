"""What must hold, as Great Expectations suites. Every expectation has a stable, readable name and a severity.

`critical` stops the night; `warning` is recorded and shown. Importing this module imports Great Expectations, which
takes seconds: only `run` does it, and only where there is something to audit.
"""

from collections.abc import Iterable
from typing import Any, Literal

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from pipelines.contracts import (
    EARLY_DAYS,
    EVENT_DATE,
    EVENT_TYPES,
    EVENTS,
    FILE,
    IS_DUPLICATE,
    LANDING_DATE,
    LINE,
    SCORES_NEXT_BASKET,
    SCORES_PROPENSITY,
    SCORES_RECOMMENDATIONS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
    SESSION,
)
from pipelines.rules.file import Rule
from pipelines.settings import Settings

Severity = Literal["critical", "warning"]
DAYS_LATE = "days_late"
"""Added for the audit: landing_date - event_date in days."""
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
FEATURE_KEYS: dict[str, tuple[str, ...]] = {
    "features.user_features": ("user_id",),
    "features.item_features": ("item_id",),
    "features.user_category_affinity": ("user_id", "category"),
    "features.item_cooccurrence": ("item_id", "partner_item_id"),
}
LARGE = 100_000
"""Above this a quantity or a unit price deserves a look; wholesale orders of real shops stay below."""
LARGEST_FLOAT = 1.7976931348623157e308


def named(kind: type[Any], name: str, severity: Severity = "critical", **arguments: Any) -> Expectation:
    made: Expectation = kind(severity=severity, meta={"name": name}, **arguments)
    return made


def name_of(expectation: Any) -> str:
    return str(expectation.meta["name"])


def landing(entities: Iterable[str], limits: dict[str, float], accepted: bool) -> list[Expectation]:
    """On one row with, per entity, `<entity>.quarantined`, `.unaccounted` and `.damaged_files`.

    `limits`: rows of an entity that may be refused. `accepted`: a person has accepted more, so it only warns.
    """
    found = []
    for entity in entities:
        found += [
            named(
                gxe.ExpectColumnMaxToBeBetween,
                f"{entity}: no more rows are quarantined than allowed",
                "warning" if accepted else "critical",
                column=f"{entity}.quarantined",
                max_value=limits[entity],
            ),
            named(
                gxe.ExpectColumnMaxToBeBetween,
                f"{entity}: every row is published, deduplicated or quarantined",
                column=f"{entity}.unaccounted",
                min_value=0,
                max_value=0,
            ),
            named(
                gxe.ExpectColumnMaxToBeBetween,
                f"{entity}: no file is damaged",
                "warning",
                column=f"{entity}.damaged_files",
                max_value=0,
            ),
        ]
    return found


def events(settings: Settings, delivered: int) -> list[Expectation]:
    """On the staged events. `delivered`: this batch's rows, originals and duplicates, by preprocess's own count.

    Uniqueness of originals is held by that count: asking the engine again for distinct ids of ten million rows takes
    longer than the deduplication itself.
    """
    counted = named(
        gxe.ExpectColumnSumToBeBetween,
        "events: the batch's originals and duplicates are as many as preprocess counted",
        column="is_delivered",
        min_value=delivered,
        max_value=delivered,
    )
    return [*_events_say_who_and_what(), *_events_keep_the_contracts_values(settings), counted, *_events_look_usual()]


def _events_say_who_and_what() -> list[Expectation]:
    """Required columns and provenance are given, ids are clean, and a known user's rows have their session."""
    given = [c.name for c in EVENTS.columns if c.required] + [EVENT_DATE, LANDING_DATE, FILE, LINE, IS_DUPLICATE]
    found = [named(gxe.ExpectColumnValuesToNotBeNull, f"events.{name} is given", column=name) for name in given]
    for name in ("event_id", "user_id", "item_id"):
        clean: dict[str, Any] = {"column": name, "regex": r"^\s|\s$|\x00"}
        found.append(named(gxe.ExpectColumnValuesToNotMatchRegex, f"events.{name} has no blanks at its ends", **clean))
    session = named(
        gxe.ExpectColumnValuesToNotBeNull,
        "events.session_id is given where a user is known",
        column=SESSION,
        row_condition=Column("user_id").is_not_null() & (Column(IS_DUPLICATE) == False),  # noqa: E712  a condition, no comparison
    )
    return [*found, session]


def _events_keep_the_contracts_values(settings: Settings) -> list[Expectation]:
    return [
        named(
            gxe.ExpectColumnValuesToBeInSet,
            "events.event_type is one of the contract's",
            column="event_type",
            value_set=list(EVENT_TYPES),
        ),
        named(
            gxe.ExpectColumnValuesToBeBetween,
            "events.event_date is at most late_days before and one day after the landing date",
            column=DAYS_LATE,
            min_value=-EARLY_DAYS,
            max_value=settings.late_days,
        ),
        named(gxe.ExpectColumnValuesToBeBetween, "events.quantity is positive", column="quantity", min_value=1),
        named(
            gxe.ExpectColumnValuesToBeBetween,
            "events.unit_price is negative only for charges",
            column="unit_price",
            min_value=0,
            row_condition=Column("charge_code").is_null(),
        ),
    ]


def _events_look_usual() -> list[Expectation]:
    """Warnings: a quantity or a price this large is possible, and deserves a look."""
    limits: dict[str, dict[str, Any]] = {
        "quantity": {"max_value": LARGE},
        "unit_price": {"min_value": -LARGE, "max_value": LARGE},
    }
    return [
        named(gxe.ExpectColumnValuesToBeBetween, f"events.{name} is not extreme", "warning", column=name, **limit)
        for name, limit in limits.items()
    ]


def features(table: str, columns: list[str]) -> list[Expectation]:
    """Keys are given and unique; shares lie in 0..1, counts are not negative. dbt's own tests say the rest."""
    keys = FEATURE_KEYS[table]
    found = [named(gxe.ExpectColumnValuesToNotBeNull, f"{table}.{k} is given", column=k) for k in (*keys, "as_of")]
    if len(keys) == 1:
        found.append(named(gxe.ExpectColumnValuesToBeUnique, f"{table} has one row per {keys[0]}", column=keys[0]))
    else:
        title = f"{table} has one row per {' and '.join(keys)}"
        found.append(named(gxe.ExpectCompoundColumnsToBeUnique, title, column_list=list(keys)))
    found.append(
        named(gxe.ExpectColumnUniqueValueCountToBeBetween, f"{table} is of one night", column="as_of", max_value=1)
    )
    for name in columns:
        if name.startswith(("purchase_share", "discount_share", "repeat_rate", "confidence")):
            limits: dict[str, Any] = {"column": name, "min_value": 0, "max_value": 1}
            found.append(named(gxe.ExpectColumnValuesToBeBetween, f"{table}.{name} is between 0 and 1", **limits))
        elif name.startswith(("orders_", "sessions_", "popularity_", "recency_", "active_days_", "support", "lift")):
            at_least: dict[str, Any] = {"column": name, "min_value": 0}
            found.append(named(gxe.ExpectColumnValuesToBeBetween, f"{table}.{name} is not negative", **at_least))
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
