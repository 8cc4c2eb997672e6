"""Lists under business rules, and which rules a listed item stands there by: a column, and part of its reason."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.reasons import PINNED
from pipelines.rules.file import Rule
from pipelines.scoring.explored import explorer_of
from pipelines.scoring.known import Night
from pipelines.scoring.lists import CATALOGUE_TOO_SMALL, REST_ALREADY_BOUGHT, SHORT_LISTS, block_rows, no_rows
from pipelines.scoring.rows import Stamp
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Recommender
    from pipelines.rules.tonight import Tonight

RULES_HIDE_THE_REST = "rules hide everything else"
RULES_LEAVE_NO_PLACE = "caps and runs of rules leave nothing else"


def recommendations_by_rules(
    settings: Settings, known: Night, model: "Recommender", fill: "PopularModel", stamp: Stamp, rules: "Tonight"
) -> tuple[pa.Table, pa.Table]:
    """What `lists.recommendations` gives, under business rules."""
    parts = [no_rows(known, stamp)]
    users: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for found in rules.customers(model, fill, settings.top_k, explorer_of(settings, known)):
        block = found.lists
        rows_of_block = block_rows(known, fill, stamp, block, block.new, found.filled)
        parts.append(with_rules(rows_of_block, block.touched[block.items >= 0], rules.rules))
        missing = (block.items < 0).sum(axis=1)
        for reason in np.unique(why := _why_short(known, block.users, found.room, settings.top_k)):
            mine = missing[(why == reason) & (missing > 0)]
            users[str(reason)] += len(mine)
            rows[str(reason)] += int(mine.sum())
    short = [
        {"scored_for": known.day, "reason": reason, "users": users[reason], "missing_rows": rows[reason]}
        for reason in sorted(users)
        if users[reason]
    ]
    return pa.concat_tables(parts), pa.Table.from_pylist(short, schema=SHORT_LISTS)


def _why_short(known: Night, users: np.ndarray, room: np.ndarray, k: int) -> np.ndarray:
    """[B]: why a list would be short, if it is; `room` [B] counts the items that the user may be shown at all."""
    available = int(known.available.sum())
    left = np.full(len(users), available)
    if known.seen is not None:
        left -= known.seen[users].astype(np.int64) @ known.available
    reasons = [CATALOGUE_TOO_SMALL, REST_ALREADY_BOUGHT, RULES_HIDE_THE_REST]
    return np.select([np.full(len(users), available < k), left < k, room < k], reasons, RULES_LEAVE_NO_PLACE)


def with_rules(rows: pa.Table, touched: np.ndarray, rules: Sequence[Rule]) -> pa.Table:
    """The rows of a list table with `rule` and `reason` saying which of `rules` touched them, bool [P, rules].

    A pin replaces the reason: nobody's history speaks for the item. The others are told after it.
    """
    packed = np.packbits(touched, axis=1)
    _, first, kind = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    told = [[rule for rule, holds in zip(rules, touched[place], strict=True) if holds] for place in first]
    row = pa.array(kind.ravel())
    names = pa.array([", ".join(rule.name for rule in held) or None for held in told], pa.string())
    after = pa.array(["".join(f"; {_said(rule)}" for rule in held) for held in told], pa.string())
    pins = [next((rule for rule in held if rule.kind == "pin"), None) for held in told]
    pinned = pa.array([pin is not None for pin in pins], pa.bool_()).take(row)
    instead = pa.array([_said(pin) if pin else "" for pin in pins], pa.string()).take(row)
    columns = {
        "rule": names.take(row),
        "reason": pc.if_else(pinned, instead, pc.binary_join_element_wise(rows["reason"], after.take(row), "")),
        "reason_type": pc.if_else(pinned, PINNED, rows["reason_type"]),
        "reason_item_id": pc.if_else(pinned, None, rows["reason_item_id"]),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def _said(rule: Rule) -> str:
    if rule.kind == "pin":
        return f"chosen by the shop: {rule.say}"
    if rule.kind == "boost":
        return f"{'promoted' if rule.number > 1 else 'held back'}: {rule.say}"
    return f"moved up: {rule.say}"
