"""Commit a batch that passed its audits to the lake, and keep the books of law 3 (conservation)."""

from datetime import date
from pathlib import Path
from typing import Any

from pipelines import lake, ops, staging
from pipelines.audit import verdicts
from pipelines.contracts import EVENTS, LANDING_DATE, OPS_LANDING_FILES, OPS_MASKED, OPS_QUARANTINE, QUARANTINE
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.settings import Batch, Settings


def publish_lake(settings: Settings, batch: Batch, attempt: Attempt) -> dict[str, Any]:
    """One Delta commit per table. Refuses what no audit passed; committing again changes nothing.

    From before the first commit until the last one is in the books, a mark keeps readers of the lake away.
    """
    with guard(settings, attempt):
        folder, manifest = staging.current(settings, batch)
        result = staging.committed(folder)
        if result is None:
            for stage in verdicts.STAGED:
                verdicts.require(settings, stage, batch, manifest["attempt"])
            result = _commit(settings, batch, folder, manifest, attempt)
        fault_point("publish_lake.swept")
        staging.mark_whole(settings, [batch])
    return result


def _commit(
    settings: Settings, batch: Batch, folder: Path, manifest: dict[str, Any], attempt: Attempt
) -> dict[str, Any]:
    # All of them are planned, and the last one can be refused, before the first one is committed.
    changes = [_plan(settings, folder, name, entry) for name, entry in _tables(manifest).items()]
    staging.mark_partial(settings, batch)
    commits = [lake.apply(settings, change, attempt) for change in changes]
    fault_point("publish_lake.committed")
    books = _keep_books(settings, batch, manifest)
    lake.summarise(settings)
    result = {
        "rows": sum(entry["rows"] for entry in manifest["entities"].values()),
        "lake_version": lake.version(settings),
        "files_added": sum(c["added"] for c in commits),
        "files_removed": sum(c["removed"] for c in commits),
        "lines": _lines(batch, books),
    }
    # The batch's own mark stands until it is committed: after a kill in between, the rerun comes here again.
    staging.mark_whole(settings, staging.batches(manifest.get("finishes", [])))  # older manifests have none
    staging.sweep(folder, manifest, result)
    return result


def _tables(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    quarantine = {"dates": manifest["quarantine_dates"], "base": manifest["base"].get(QUARANTINE, {})}
    entities = {
        name: {"dates": entry["dates"], "base": manifest["base"].get(name, {})}
        for name, entry in manifest["entities"].items()
    }
    # Events last: what they refer to is there when they appear.
    events = {EVENTS.name: entities.pop(EVENTS.name)} if EVENTS.name in entities else {}
    return {QUARANTINE: quarantine, **entities, **events}


def _plan(settings: Settings, folder: Path, name: str, entry: dict[str, Any]) -> lake.Change:
    dates = [date.fromisoformat(d) for d in entry["dates"]]
    return lake.plan(settings, name, folder / name, dates, entry["base"])


def _lines(batch: Batch, files: list[dict[str, Any]]) -> list[str]:
    """The books of a night, a line per file; of a stretch of history, a line per entity."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        name = file["entity"]
        groups.setdefault(f"{name}/{file['file']}" if batch.is_night else f"{name} (all files)", []).append(file)
    lines = []
    for name, members in groups.items():
        rows = {k: sum(m[k] for m in members) for k in members[0] if k.startswith("rows_")}
        lines.append(
            f"{batch.key}  {name}: {rows['rows_in']:,} rows in = {rows['rows_published']:,} published"
            f" + {rows['rows_deduplicated']:,} deduplicated + {rows['rows_quarantined']:,} quarantined"
        )
    return lines


def _keep_books(settings: Settings, batch: Batch, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Recount from the committed rows and hold it against what intake counted before any engine saw a row.

    Returns the files' books as they were recorded.
    """
    files = [
        {"entity": name, **file} for name, entry in manifest["entities"].items() for file in entry["files"]
    ]  # fmt: skip
    touched = [date.fromisoformat(d) for d in manifest["entities"].get(EVENTS.name, {}).get("dates", [])]
    recounted = {(r["landing_date"], r["file"]): r for r in lake.recount(settings, touched)}
    for file in files:
        if file["entity"] == EVENTS.name:
            key = (date.fromisoformat(file["landing_date"]), file["file"])
            found = recounted.pop(key, {"rows_published": 0, "rows_deduplicated": 0})
            file |= {k: found[k] for k in ("rows_published", "rows_deduplicated")}
        accounted = file["rows_published"] + file["rows_deduplicated"] + file["rows_quarantined"]
        if file["rows_in"] != accounted:
            raise NightmarketError(
                f"{batch.key}: {file['entity']}/{file['file']} had {file['rows_in']} rows,"
                f" {accounted} are accounted for"
            )
    columns = set(OPS_LANDING_FILES.names)
    ops.record(settings, OPS_LANDING_FILES, [{k: v for k, v in f.items() if k in columns} for f in files], batch.key)
    # Deliveries of other nights whose duplicates this batch uncovered: only their two counts move.
    ops.record(settings, OPS_LANDING_FILES, list(recounted.values()), f"{batch.key}-others")
    replaced = [{LANDING_DATE: day} for day in manifest["quarantine_dates"]]
    ops.record(settings, OPS_QUARANTINE, manifest["quarantine"], batch.key, replace=replaced)
    ops.record(settings, OPS_MASKED, manifest.get("masked", []), batch.key, replace=replaced)
    return files
