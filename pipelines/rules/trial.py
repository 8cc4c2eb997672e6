"""A night's lists under a rules file, beside those it has: the dry run of `nightmarket rules`."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.contracts import (
    SCORES_RECOMMENDATIONS,
    SCORES_RULE_EFFECTS,
    SCORES_SHORT_LISTS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
    Table,
)
from pipelines.errors import NoSuchTable
from pipelines.rules.file import RuleFile
from pipelines.rules.words import count
from pipelines.settings import Settings
from pipelines.steps import Report
from pipelines.warehouse import exists, open_warehouse

_KINDS = {"customers": SCORES_RECOMMENDATIONS, "visitors": SCORES_VISITORS, "similar items": SCORES_SIMILAR}


@dataclass(frozen=True)
class _Change:
    """How the lists of one kind would change."""

    lists: int
    changed: int  # lists that would differ in any place
    before: int  # places now
    after: int
    gone: int  # items that would leave a list
    come: int  # items that would come into one


def trial(settings: Settings, file: RuleFile, night: date, report: Report) -> dict[str, Any]:
    """Say how the night's lists, as they are in the warehouse, differ from what the file would make of them."""
    ruled = _lists(settings, file, night)
    now = _published(settings, night)
    report(
        f"lists of {night} as they {'are' if now else 'would be without rules (it has no scores)'}, and by this file:"
    )
    now = now or _lists(settings, None, night)
    changes = {}
    for name, table in _KINDS.items():
        change = _compare(now[table], ruled[table], table)
        changes[name] = vars(change)
        report(
            f"  {name}: {change.changed:,} of {count(change.lists, 'list')} change; {change.gone:,} items leave,"
            f" {change.come:,} come; {change.before:,} places before, {change.after:,} after"
        )
    effects = ruled[SCORES_RULE_EFFECTS].to_pylist()
    for row in effects:
        if row["state"] == "applied":
            counts = f"{count(row['items'], 'item')}, {count(row['lists'], 'list')}, {count(row['places'], 'place')}"
            report(f"  {row['rule']} ({row['kind']}): {counts}")
    for row in ruled[SCORES_SHORT_LISTS].to_pylist():
        report(f"  short: {count(row['users'], 'list')} of customers, {row['missing_rows']:,} places, {row['reason']}")
    counted = ("rule", "items", "lists", "places")
    return {"lists": changes, "effects": [{name: row[name] for name in counted} for row in effects]}


def _lists(settings: Settings, file: RuleFile | None, night: date) -> dict[Table, pa.Table]:
    from models.recommender import popular
    from models.recommender.configs import Popular
    from pipelines.rules.tonight import Tonight
    from pipelines.scoring import lists_of
    from pipelines.scoring.champion import fitted
    from pipelines.scoring.known import known_by
    from pipelines.scoring.rows import Stamp
    from pipelines.scoring.wanted import with_wanted

    known = with_wanted(settings, known_by(settings, night, file))[0]
    settings.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rules-", dir=settings.run) as folder:
        model, name, version, _ = fitted(settings, known, Path(folder))
        stamp = Stamp(name, version, "", datetime.now(UTC))
        tonight = None if file is None else Tonight(settings, file, known)
        return lists_of(settings, known, model, popular.fit(known.data, Popular()), stamp, tonight)


def _published(settings: Settings, night: date) -> dict[Table, pa.Table]:
    """The night's lists in the warehouse; nothing where it has none."""
    if not exists(settings):
        return {}
    found = {}
    with open_warehouse(settings, read_only=True) as connection:
        for table in _KINDS.values():
            owner, item = table.key[1], table.names[3]
            query = f"select {owner}, rank, {item} from {table.name} where scored_for = ?"
            try:
                found[table] = connection.reader(query, [night]).read_all()
            except NoSuchTable:
                return {}
    return found if found[SCORES_RECOMMENDATIONS].num_rows else {}


def _compare(now: pa.Table, then: pa.Table, table: Table) -> _Change:
    owner, item = table.key[1], table.names[3]
    with duckdb.connect() as bench:
        for name, rows in (("before", now), ("after", then)):
            bench.register(name, rows.select([owner, "rank", item]))
        places = f"select {owner}, rank, {item} from"
        items = f"select {owner}, {item} from"
        ask = {
            "lists": f"select count(*) from (select {owner} from before union select {owner} from after)",
            "changed": f"select count(distinct {owner}) from (({places} before except {places} after)"
            f" union all ({places} after except {places} before))",
            "before": "select count(*) from before",
            "after": "select count(*) from after",
            "gone": f"select count(*) from ({items} before except {items} after)",
            "come": f"select count(*) from ({items} after except {items} before)",
        }
        return _Change(**{name: int(bench.execute(sql).fetchall()[0][0]) for name, sql in ask.items()})
