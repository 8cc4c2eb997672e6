"""The audit step: hold one stage of a night against its suite, keep every result, stop at a critical failure.

Great Expectations runs in an ephemeral context without network: pandas for the counts of `landing`, Spark for rows.
Its import takes seconds and so does an engine, hence both are late and an empty stage needs neither.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from pipelines import ops, staging
from pipelines.audit import verdicts
from pipelines.audit.page import page
from pipelines.contracts import (
    EVENT_DATE,
    EVENTS,
    LANDING_DATE,
    OPS_AUDIT_RESULTS,
    OPS_OVERRIDES,
    REVIEWS,
    SUPPORT_MESSAGES,
)
from pipelines.errors import AuditFailed, NightmarketError, NoSuchTable, UsageError
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.files import write_atomic
from pipelines.settings import Batch, Settings
from pipelines.warehouse import Warehouse, open_warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PAGE = "summary.html"
Rows = list[dict[str, Any]]
Frames = dict[str, tuple[Any, list[Any]]]  # by title, a frame and its expectations


@dataclass(frozen=True)
class Findings:
    """What a stage's expectations said, and what a person accepted all the same: rows of two ops tables."""

    results: Rows
    overrides: Rows = field(default_factory=list)


def audit(
    settings: Settings, stage: str, batch: Batch, attempt: Attempt, accept_quarantine: str | None = None
) -> dict[str, Any]:
    """Audit `landing`, `events`, `features` or `scores`; returns the verdict, which is also kept as a file.

    `accept_quarantine`: why more quarantined rows than allowed are fine this time; kept in ops.overrides.
    Raises AuditFailed at a critical failure, after results and verdict are kept; Superseded, with nothing kept, where
    a newer attempt has taken over.
    """
    stages: dict[str, Callable[[], Findings]] = {
        "landing": lambda: _landing(settings, batch, accept_quarantine),
        "events": lambda: _events(settings, batch),
        "features": lambda: _features(settings, batch),
        "scores": lambda: _scores(settings, batch),
    }
    if stage not in stages:
        raise UsageError(f"no audit stage {stage!r}; choose from {', '.join(stages)}")
    if stage in verdicts.STAGED and staging.committed(staging.current(settings, batch)[0]) is not None:
        return verdicts.read(settings, stage, batch)  # its files are in the lake now, and this let them in
    subject = verdicts.subject(settings, stage, batch)
    findings = stages[stage]()
    fault_point("audit.checked")
    verdict = _keep(settings, stage, batch, attempt, subject, findings)
    fault_point("audit.recorded")
    failed = [r for r in findings.results if _is_critical(r)]
    if failed:
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise AuditFailed(
            f"audit {stage} of {batch.key}: {first['expectation']!r} failed ({first['observed']}){more};"
            f" see {docs_folder(settings, stage, batch) / PAGE}"
        )
    return verdict


def _keep(
    settings: Settings, stage: str, batch: Batch, attempt: Attempt, subject: str, findings: Findings
) -> dict[str, Any]:
    """Results, overrides and verdict inside the fence (law 6), and only of rows that are still the ones audited."""
    now = datetime.now(UTC)
    rows = [{"night": batch.key, "suite": stage, "attempt": subject, "audited_at": now, **r} for r in findings.results]
    verdict = {
        "attempt": subject,
        "success": not any(_is_critical(r) for r in findings.results),
        "failed": [r["expectation"] for r in findings.results if _is_critical(r)],
        "warnings": [r["expectation"] for r in findings.results if not r["success"] and r["severity"] == "warning"],
        "results": len(rows),
    }
    with guard(settings, attempt):
        if verdicts.subject(settings, stage, batch) != subject:
            raise NightmarketError(
                f"{batch.key}: {stage} was made again while it was audited; run `nightmarket audit {stage}` again"
            )
        for override in findings.overrides:
            ops.record(settings, OPS_OVERRIDES, [override], f"accept-{override['entity']}-{batch.key}")
        replaced = [{"night": batch.key, "suite": stage}]
        ops.record(settings, OPS_AUDIT_RESULTS, rows, f"audit-{stage}-{batch.key}", replace=replaced)
        verdicts.keep(settings, stage, batch, verdict)
        html = page(stage, batch.key, findings.results)
        write_atomic(docs_folder(settings, stage, batch) / PAGE, html.encode())
    return verdict


def _is_critical(result: dict[str, Any]) -> bool:
    return not result["success"] and result["severity"] == "critical"


def docs_folder(settings: Settings, stage: str, batch: Batch) -> Path:
    return settings.reports / "audit" / batch.key / stage


# ---- stages ----------------------------------------------------------------------------------------------------


def _landing(settings: Settings, batch: Batch, accept: str | None) -> Findings:
    """The manifest's counts. A closed day has none, and passes."""
    _, manifest = staging.current(settings, batch)
    entities = {name: entry["files"] for name, entry in manifest["entities"].items() if entry["files"]}
    if not entities:
        return Findings([])
    import pandas as pd

    from pipelines.audit import suites
    from pipelines.audit.expectations import validate

    limits: dict[str, float] = {}
    counts: dict[str, int] = {}
    overrides: Rows = []
    for name, files in entities.items():
        rows, refused = (sum(f[k] for f in files) for k in ("rows_in", "rows_quarantined"))
        accounted = refused + sum(f["rows_published"] + f["rows_deduplicated"] for f in files)
        limits[name] = max(settings.quarantine_rows, settings.quarantine_share * rows)
        counts |= {
            f"{name}.quarantined": refused,
            f"{name}.unaccounted": rows - accounted,
            f"{name}.damaged_files": sum(bool(f["note"]) for f in files),
        }
        if refused > limits[name] and accept:
            overrides.append(_override(batch, name, accept, refused, rows))
    suite = suites.landing(entities, limits, accepted=bool(accept))
    docs = docs_folder(settings, "landing", batch)
    return Findings(validate({"landing": (pd.DataFrame([counts]), suite)}, docs, manifest["attempt"]), overrides)


def _override(batch: Batch, entity: str, reason: str, refused: int, rows: int) -> dict[str, Any]:
    return {
        "night": batch.key,
        "entity": entity,
        "reason": reason,
        "rows_quarantined": refused,
        "rows_in": rows,
        "recorded_at": datetime.now(UTC),
    }


def _events(settings: Settings, batch: Batch) -> Findings:
    """The staged events, and the staged texts of people beside them."""
    folder, manifest = staging.current(settings, batch)
    staged = {e.name for e in (EVENTS, REVIEWS, SUPPORT_MESSAGES) if any((folder / e.name).glob("*/*.parquet"))}
    if not staged:
        return Findings([])
    from pyspark.sql import functions as F

    from pipelines.audit import suites, texts
    from pipelines.audit.expectations import validate

    with _engine(settings, "events", batch) as spark:
        frames: Frames = {}
        if EVENTS.name in staged:
            files = manifest["entities"][EVENTS.name]["files"]
            delivered = sum(f["rows_published"] + f["rows_deduplicated"] for f in files)
            ours = F.col(LANDING_DATE).between(F.lit(batch.first), F.lit(batch.last))
            rows = spark.read.parquet(str(folder / EVENTS.name)).withColumns(
                {suites.DAYS_LATE: F.datediff(LANDING_DATE, EVENT_DATE), "is_delivered": F.when(ours, 1).otherwise(0)}
            )
            frames[EVENTS.name] = (rows, suites.events(settings, delivered))
        for entity in texts.TEXTS:
            if entity.name in staged:
                rows = spark.read.parquet(str(folder / entity.name))
                frames[entity.name] = (texts.with_language(rows), texts.suite(entity))
        return Findings(validate(frames, docs_folder(settings, "events", batch), manifest["attempt"]))


def _features(settings: Settings, batch: Batch) -> Findings:
    from pipelines.audit import suites

    queries: dict[str, tuple[str, list[Any]]] = {table: (f"select * from {table}", []) for table in suites.FEATURE_KEYS}
    return _warehouse(settings, "features", batch, queries, suites.features)


def _scores(settings: Settings, batch: Batch) -> Findings:
    from pipelines.audit import score_suites

    def suite(table: str, _: list[str]) -> list[Any]:
        return score_suites.scores(table, settings.top_k)

    more = {**_rules(settings, batch), **_of_the_newest(settings, batch)}
    return _warehouse(settings, "scores", batch, score_suites.queries(batch.last), suite, more)


def _rules(settings: Settings, batch: Batch) -> Frames:
    """One row with, per business rule of the night, how often its lists break it; nothing without rules."""
    from pipelines.audit import score_suites
    from pipelines.audit.rules import broken_rules

    broken = broken_rules(settings, batch.last)
    if not broken:
        return {}
    import pandas as pd

    counts = pd.DataFrame([{rule.name: count for rule, count in broken.items()}])
    return {"business rules": (counts, score_suites.rules(broken))}


def _of_the_newest(settings: Settings, batch: Batch) -> Frames:
    """One row with, per rule, how many rows of what was read out of texts, or of vectors, break it; nothing without."""
    from pipelines.audit import score_suites
    from pipelines.audit.text_scores import broken_texts
    from pipelines.audit.vector_scores import broken_vectors

    counts = {
        "texts": broken_texts(settings, batch.last), "vectors and personas": broken_vectors(settings, batch.last),
    }  # fmt: skip
    if not any(counts.values()):
        return {}
    import pandas as pd

    return {title: (pd.DataFrame([found]), score_suites.none_broken(found)) for title, found in counts.items() if found}


def _warehouse(
    settings: Settings,
    stage: str,
    batch: Batch,
    queries: dict[str, tuple[str, list[Any]]],
    suite: Callable[[str, list[str]], list[Any]],
    more: Frames | None = None,
) -> Findings:
    """Rows of warehouse tables as temporary Parquet, then the same path as staged events; `more` as it is."""
    from pipelines.audit.expectations import validate

    with tempfile.TemporaryDirectory(prefix="audit-", dir=_scratch(settings)) as scratch:
        exported = {}
        with open_warehouse(settings, read_only=True) as connection:
            for table, (query, values) in queries.items():
                exported[table] = _export(connection, table, query, values, Path(scratch) / f"{table}.parquet")
        with _engine(settings, stage, batch) as spark:
            frames: dict[str, DataFrame] = {t: spark.read.parquet(str(path)) for t, path in exported.items()}
            checked = {table: (rows, suite(table, rows.columns)) for table, rows in frames.items()}
            return Findings(validate({**checked, **(more or {})}, docs_folder(settings, stage, batch), batch.key))


def _scratch(settings: Settings) -> Path:
    settings.run.mkdir(parents=True, exist_ok=True)
    return settings.run


def _export(connection: Warehouse, table: str, query: str, values: list[Any], path: Path) -> Path:
    try:
        reader = connection.reader(query, values)
    except NoSuchTable as error:
        raise NightmarketError(f"the warehouse has no table {table}; run `nightmarket features` first") from error
    with pq.ParquetWriter(path, reader.schema) as writer:
        for chunk in reader:
            writer.write_batch(chunk)
    return path


@contextmanager
def _engine(settings: Settings, stage: str, batch: Batch) -> "Iterator[SparkSession]":
    from pyspark.errors import PySparkException

    from pipelines.session import engine_failed, spark_session

    with spark_session(settings) as spark:
        try:
            yield spark
        except PySparkException as error:
            raise engine_failed(settings, f"audit {stage} of {batch.key}", error) from error
