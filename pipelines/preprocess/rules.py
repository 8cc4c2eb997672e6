"""Why a row is refused: one stable text per row, the first rule in this order that it breaks.

Refused rows go to quarantine whole; nothing is repaired except blanks at the ends of texts. A text that holds NUL is
refused because PostgreSQL cannot store it, and a silently shortened id would be another id.
"""

from collections.abc import Iterator
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.contracts import (
    CAMPAIGNS,
    CONTENT_HASH,
    EARLY_DAYS,
    EVENT_DATE,
    EVENT_TYPES,
    EVENTS,
    LANDING_DATE,
    LATE_DAYS_REASON,
    MEDIA_ENTITIES,
    PRODUCTS,
    Entity,
)
from pipelines.preprocess.values import NOT_A

ID_CHARACTERS = 256
TEXT_CHARACTERS = 10_000
NOT_YET = "after its landing date"
# The product of both fits decimal(18,2), the type of an amount: one typing error must not stop every later night.
MAX_QUANTITY, MAX_UNIT_PRICE = 1_000_000, 1_000_000_000
MAX_POSITION = 1_000

Rule = tuple[Column, str]


def rejection(entity: Entity, late_days: int) -> Column:
    """The reason of the first broken rule, or NULL. Reads typed columns `x` and the texts they came from, `text_x`."""
    rules = [*_form(entity)]
    if entity is EVENTS:
        rules += [*_events(late_days)]
    elif entity is PRODUCTS:
        rules += [(F.col("price") < 0, "price is negative"), _order("available_from", "available_to")]
    elif entity is CAMPAIGNS:
        rules += [_order("starts_on", "ends_on")]
    elif entity in MEDIA_ENTITIES:
        rules += [
            (~F.col(CONTENT_HASH).rlike("^[0-9a-f]{64}$"), f"{CONTENT_HASH} is no SHA-256 in hex"),
            (~F.col("position").between(1, MAX_POSITION), f"position is not between 1 and {MAX_POSITION}"),
        ]
    # CASE WHEN in rule order; a condition that is NULL does not fire.
    first, *rest = rules
    return reduce(lambda case, rule: case.when(*_case(rule)), rest, F.when(*_case(first)))


def _case(rule: Rule) -> tuple[Column, Column]:
    return rule[0], F.lit(rule[1])


def _order(first: str, last: str) -> Rule:
    return F.col(last) < F.col(first), f"{last} is before {first}"


def _form(entity: Entity) -> Iterator[Rule]:
    for column in entity.columns:
        text = F.col(f"text_{column.name}")
        if column.kind == "map":
            json = F.to_json(text)
            yield F.instr(json, "\\u0000") > 0, f"{column.name} holds a NUL character"
            yield F.length(json) > TEXT_CHARACTERS, f"{column.name} is longer than {TEXT_CHARACTERS} characters"
        elif column.kind == "string":
            limit = ID_CHARACTERS if column.name.endswith("_id") or column.required else TEXT_CHARACTERS
            yield text.contains("\0"), f"{column.name} holds a NUL character"
            yield F.length(text) > limit, f"{column.name} is longer than {limit} characters"
    for column in entity.columns:
        text = F.col(f"text_{column.name}")
        if column.required:
            yield text.isNull(), f"{column.name} is missing"
        if column.kind in ("int", "decimal", "timestamp", "date"):
            yield text.isNotNull() & F.col(column.name).isNull(), f"{column.name} {NOT_A[column.kind]}"


def _events(late_days: int) -> Iterator[Rule]:
    kind, quantity, item, charge = (F.col(n) for n in ("event_type", "quantity", "item_id", "charge_code"))
    yield ~kind.isin(*EVENT_TYPES), "event_type is unknown"
    yield quantity <= 0, "quantity is not positive"
    yield quantity > MAX_QUANTITY, f"quantity is above {MAX_QUANTITY}"
    yield F.abs(F.col("unit_price")) > MAX_UNIT_PRICE, f"unit_price is above {MAX_UNIT_PRICE}"
    yield kind.isin("purchase", "return") & quantity.isNull(), "quantity is missing"
    yield kind.isin("purchase", "return") & item.isNull() & charge.isNull(), "item_id is missing"
    yield kind.isin("impression", "view", "add_to_cart", "remove_from_cart") & item.isNull(), "item_id is missing"
    yield (kind == "search") & F.col("query").isNull(), "query is missing"
    yield item.isNotNull() & charge.isNotNull(), "item_id and charge_code are both given"
    yield (F.col("unit_price") < 0) & charge.isNull(), "unit_price is negative"
    yield F.col(EVENT_DATE) < F.date_sub(F.col(LANDING_DATE), late_days), LATE_DAYS_REASON
    yield F.col(EVENT_DATE) > F.date_add(F.col(LANDING_DATE), EARLY_DAYS), NOT_YET
