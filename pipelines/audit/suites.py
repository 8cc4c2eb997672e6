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
    SESSION,
)
from pipelines.settings import Settings

Severity = Literal["critical", "warning"]
DAYS_LATE = "days_late"
"""Added for the audit: landing_date - event_date in days."""
FEATURE_KEYS: dict[str, tuple[str, ...]] = {
    "features.user_features": ("user_id",),
    "features.item_features": ("item_id",),
    "features.user_category_affinity": ("user_id", "category"),
    "features.item_cooccurrence": ("item_id", "partner_item_id"),
}
SHARES = ("purchase_share", "discount_share", "repeat_rate", "confidence", "positive_share")
COUNTS = ("orders_", "sessions_", "popularity_", "recency_", "active_days_", "support", "lift", "reviews")
"""How columns begin that hold shares, and counts."""
LARGE = 100_000
"""Above this a quantity or a unit price deserves a look; wholesale orders of real shops stay below."""


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
        if name.startswith(SHARES):
            limits: dict[str, Any] = {"column": name, "min_value": 0, "max_value": 1}
            found.append(named(gxe.ExpectColumnValuesToBeBetween, f"{table}.{name} is between 0 and 1", **limits))
        elif name.startswith(COUNTS):
            at_least: dict[str, Any] = {"column": name, "min_value": 0}
            found.append(named(gxe.ExpectColumnValuesToBeBetween, f"{table}.{name} is not negative", **at_least))
    return found
