"""The preprocess step: landing files in, one folder of checked Parquet per attempt out.

Phases: frame (bytes to rows, counted before any engine sees them), check (parse and judge every row once), write
(duplicates and sessions, by partition date), count (from the files just written). Nothing outside the attempt's own
folder changes before the pointer `current.json` is moved inside the fence.
"""

import json
import shutil
from collections import Counter
from contextlib import ExitStack
from datetime import date
from typing import Any

from pipelines import intake, lake, landing, staging
from pipelines.contracts import ENTITIES, QUARANTINE, Entity
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.files import write_atomic
from pipelines.preprocess.work import Counts, File, Work
from pipelines.settings import Batch, Settings


def preprocess(settings: Settings, batch: Batch, attempt: Attempt) -> dict[str, Any]:
    """Stage the batch and return its manifest, which is also manifest.json in the attempt's folder.

    Raises NightmarketError where an open day has no events, where a file's rows do not add up or the engine fails,
    Superseded where a newer attempt has taken over.
    """
    missing = landing.check_freshness(settings, batch)
    if missing and batch.is_night:
        raise NightmarketError(missing[0])
    folder = settings.staging / batch.key / attempt.id
    shutil.rmtree(folder, ignore_errors=True)
    # Asked before anything is read: what is staged from here on replaces all that those batches have committed.
    finishes = [b.key for b in staging.partial(settings) if b.first in batch and b.last in batch]
    work = Work(settings, batch, folder)
    with work.phase("frame"):
        for name, entity in ENTITIES.items():
            work.framed[name] = intake.frame(settings, batch, entity, work.scratch / "framed" / name)
    fault_point("preprocess.framed")
    delivered = {name: lake.dates_of_landing(settings, name, batch) for name in ENTITIES}
    _stage(work, [e for n, e in ENTITIES.items() if delivered[n] or work.framed[n].rows_in], delivered)
    manifest = {**_manifest(work, attempt, missing), "finishes": finishes}
    shutil.rmtree(work.scratch, ignore_errors=True)
    write_atomic(folder / "manifest.json", json.dumps(manifest, indent=1).encode())
    fault_point("preprocess.manifest")
    with guard(settings, attempt):
        write_atomic(folder.parent / "current.json", json.dumps({"attempt": attempt.id}).encode())
        for other in folder.parent.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return manifest


def _stage(work: Work, busy: list[Entity], delivered: dict[str, set[date]]) -> None:
    """The Spark part. A batch without a row needs no engine: a closed day takes no time."""
    if not busy:
        return
    from pyspark.errors import PySparkException

    from pipelines.preprocess import stages, writing
    from pipelines.session import engine_failed, spark_session

    with ExitStack() as stack:
        with work.phase("start"):
            spark = stack.enter_context(spark_session(work.settings))
        try:
            with work.phase("check"):
                for entity in busy:
                    stages.check_entity(spark, work, entity)
            fault_point("preprocess.checked")
            with work.phase("write"):
                for entity in busy:
                    writing.write_entity(spark, work, entity, delivered[entity.name])
                stages.write_quarantine(spark, work, busy)
            fault_point("preprocess.written")
            with work.phase("count"):
                for entity in busy:
                    stages.count_written(spark, work, entity)
        except PySparkException as error:
            raise engine_failed(work.settings, f"preprocess of {work.batch.key}", error) from error


def _manifest(work: Work, attempt: Attempt, missing: list[str]) -> dict[str, Any]:
    entities = {name: _entity_entry(work, name) for name in ENTITIES}
    quarantine: Counter[tuple[date, str, str]] = Counter()
    for name, counts in work.counts.items():
        for (day, _, reason), rows in counts.refused.items():
            quarantine[(day, name, reason)] += rows
    # Every day of the batch, with or without refused rows: a rerun may have none where the pass before it had some.
    days = work.batch.days()
    digests = lake.digests(work.settings, QUARANTINE, days)
    return {
        "batch": work.batch.key,
        "attempt": attempt.id,
        "engine": work.settings.engine,
        "seconds": work.seconds,
        "freshness": missing,
        "entities": entities,
        "quarantine": [
            {"landing_date": str(day), "entity": name, "reason": reason, "rows": rows}
            for (day, name, reason), rows in sorted(quarantine.items())
        ],
        "quarantine_dates": [str(d) for d in days],
        "masked": [
            {"landing_date": str(day), "entity": name, "kind": kind, "rows": rows, "places": places}
            for name, counts in work.counts.items()
            for (day, kind), (rows, places) in sorted(counts.masked.items())
        ],
        "base": {**work.base, QUARANTINE: {str(d): v for d, v in digests.items()}},
    }


def _entity_entry(work: Work, name: str) -> dict[str, Any]:
    counts = work.counts.get(name, Counts())
    refused: Counter[File] = Counter()
    for (day, file_name, _), rows in counts.refused.items():
        refused[(day, file_name)] += rows
    files: list[dict[str, Any]] = []
    for file in work.framed[name].files:
        key = (file.landing_date, file.file)
        entry: dict[str, Any] = {
            "landing_date": str(file.landing_date),
            "file": file.file,
            "rows_in": file.rows_in,
            "rows_published": counts.published[key],
            "rows_deduplicated": counts.deduplicated[key],
            "rows_quarantined": refused[key],
            "bytes": file.bytes,
            "note": file.note,
        }
        accounted = entry["rows_published"] + entry["rows_deduplicated"] + entry["rows_quarantined"]
        if accounted != file.rows_in:
            raise NightmarketError(
                f"preprocess of {work.batch.key}: {name}/{file.file} has {file.rows_in} rows but {accounted} are"
                " accounted for; nothing is published, please report this file"
            )
        files.append(entry)
    return {
        "dates": [str(d) for d in sorted(work.touched.get(name, set()))],
        "rows": sum(f["rows_published"] for f in files),
        "files": files,
    }
