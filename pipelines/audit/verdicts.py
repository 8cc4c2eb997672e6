"""What an audit said, kept as a file beside what it was said of; `publish-lake` and `publish` go by these.

Landing and events: in the staged attempt's folder. Features and scores: in `run/audits/`, and the step that makes new
ones removes the old verdict first, so that a verdict never speaks for rows it has not seen.
"""

import json
from pathlib import Path
from typing import Any

from pipelines import staging
from pipelines.errors import AuditFailed, NightmarketError
from pipelines.fence import newest_token
from pipelines.files import write_atomic
from pipelines.settings import Batch, Settings

STAGED = ("landing", "events")


def path_of(settings: Settings, stage: str, batch: Batch) -> Path:
    if stage in STAGED:
        return staging.current(settings, batch)[0] / f"audit-{stage}.json"
    return settings.run / "audits" / f"{batch.key}-{stage}.json"


def subject(settings: Settings, stage: str, batch: Batch) -> str:
    """Which rows a verdict would speak of now: it is another text as soon as a step has begun to make new ones."""
    if stage in STAGED:
        return str(staging.current(settings, batch)[1]["attempt"])
    key = "features/warehouse" if stage == "features" else f"score/{batch.key}"
    return f"{key.replace('/', '-')}-{newest_token(settings, key)}"


def keep(settings: Settings, stage: str, batch: Batch, verdict: dict[str, Any]) -> None:
    """Call it inside `fence.guard`: a superseded audit must not speak over its successor."""
    write_atomic(path_of(settings, stage, batch), json.dumps(verdict, indent=1).encode())


def read(settings: Settings, stage: str, batch: Batch) -> dict[str, Any]:
    """The verdict as it was kept. Raises NightmarketError where the audit has not run."""
    path = path_of(settings, stage, batch)
    if not path.exists():
        before = "score it (again), then run" if stage == "scores" else "run"
        raise NightmarketError(f"{batch.key}: audit {stage} has not run; {before} `nightmarket audit {stage}` first")
    verdict: dict[str, Any] = json.loads(path.read_text())
    return verdict


def forget(settings: Settings, stage: str, batch: Batch) -> None:
    """New rows are about to be made: what was said of the old ones no longer counts."""
    path_of(settings, stage, batch).unlink(missing_ok=True)


def require(settings: Settings, stage: str, batch: Batch, attempt: str | None = None) -> None:
    """Raise unless this stage of the batch was audited, for this attempt, and passed."""
    verdict = read(settings, stage, batch)
    if attempt is not None and verdict["attempt"] != attempt:
        raise NightmarketError(f"{batch.key}: audit {stage} is of another attempt; run `nightmarket audit {stage}`")
    if not verdict["success"]:
        raise AuditFailed(f"{batch.key}: audit {stage} failed ({verdict['failed'][0]}); nothing is published")
