"""What each rule of the night's file did: rows of scores.rule_effects, and the lines that the score step says."""

from typing import Any

import pyarrow as pa

from pipelines.contracts import SCORES_RULE_EFFECTS
from pipelines.rules.kept import is_file_now
from pipelines.rules.tonight import Tonight
from pipelines.settings import Settings

_KINDS = {"date": pa.date32(), "text": pa.string(), "integer": pa.int32(), "bigint": pa.int64()}
_SCHEMA = pa.schema([(name, _KINDS[kind]) for name, kind in SCORES_RULE_EFFECTS.columns])

KEPT = "scored by the rules kept for this night; `nightmarket score --new-rules` takes the file as it is now"


def effects(tonight: Tonight | None) -> pa.Table:
    """One row per rule of the file, applied or not; none where there are no rules. To be asked after the lists."""
    if tonight is None:
        return _SCHEMA.empty_table()
    rows = []
    for standing in tonight.standings:
        rule, applied = standing.rule, standing.state == "applied"
        items, lists, places = tonight.did(tonight.rules.index(rule)) if applied else (0, 0, 0)
        rows.append({
            "scored_for": tonight.known.day, "rule": rule.name, "line": rule.line, "kind": rule.kind,
            "state": standing.state, "note": standing.note or None, "valid_from": rule.first,
            "valid_until": rule.until, "items": items, "lists": lists, "places": places,
            "rules_digest": tonight.file.digest,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def summary(settings: Settings, tonight: Tonight | None) -> dict[str, Any]:
    """For the record of the step: how many rules hold, and a line for each that does not do all it says."""
    stale = [] if is_file_now(settings, None if tonight is None else tonight.file.text) else [KEPT]
    if tonight is None:
        return {"lines": stale}
    states = [standing.state for standing in tonight.standings]
    lines = [
        f"rule {s.rule.name!r} (line {s.rule.line}) {'is skipped' if s.state == 'skipped' else 'in part'}: {s.note}"
        for s in tonight.standings
        if s.note and s.state in ("applied", "skipped")
    ]
    counts = {state: states.count(state) for state in sorted(set(states))}
    return {"rules": {"digest": tonight.file.digest, **counts}, "lines": [*lines, *stale]}
