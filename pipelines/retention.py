"""`nightmarket retention`: delete what is past its time: reports, logs, and vectors that no kept night is read by."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines import bi
from pipelines.media.vectors import FOLDER
from pipelines.report.kept import folder, forget, nights
from pipelines.settings import Settings
from pipelines.training_run import MULTIMODAL


def retention(settings: Settings, dry_run: bool = True, today: date | None = None) -> dict[str, Any]:
    """Delete, or with `dry_run` only count, what is older than the settings say.

    Audit pages and reports of nights more than `bi_history_days` before the night BI sees (a shop may be behind the
    calendar), task logs of Airflow older than `log_days`, and the media vectors of towers that are champion on no night
    since: read again from the bytes where one becomes champion anew. Returns counts by kind.
    """
    newest = bi.current_night(settings) or today or datetime.now(UTC).date()
    oldest = newest - timedelta(settings.bi_history_days)
    pages, reports = list(_old_pages(settings, oldest)), _old_reports(settings, oldest)
    logs = list(_old_files(settings.home / "airflow" / "logs", settings.log_days))
    towers = list(_unused_towers(settings, oldest))
    if not dry_run:
        for place in (*pages, *towers):
            shutil.rmtree(place)
        forget(settings, reports)
        for file in logs:
            file.unlink(missing_ok=True)
        _drop_empty(settings.home / "airflow" / "logs")
    return {
        "dry_run": dry_run, "audit_pages": len(pages), "reports": len(reports), "log_files": len(logs),
        "towers": len(towers),
    }  # fmt: skip


def _old_pages(settings: Settings, oldest: date) -> Iterator[Path]:
    """Folders are named after a night, or after the first and last day of a stretch of history."""
    root = settings.reports / "audit"
    for place in sorted(root.iterdir()) if root.is_dir() else []:
        try:
            last = date.fromisoformat(place.name.rpartition("..")[2])
        except ValueError:
            continue
        if last <= oldest:
            yield place


def _old_reports(settings: Settings, oldest: date) -> list[date]:
    known = map(date.fromisoformat, nights(folder(settings)))
    return [night for night in known if night <= oldest]


def _unused_towers(settings: Settings, oldest: date) -> Iterator[Path]:
    from models.registry import champion_as_of, champions

    standing = champions(settings.models, MULTIMODAL)
    needed = {p.version for p in standing if date.fromisoformat(p.known_until) >= oldest}
    first = champion_as_of(settings.models, MULTIMODAL, oldest + timedelta(1))
    needed |= {first.version} if first else set()
    root = settings.models / FOLDER
    for place in sorted(root.iterdir()) if root.is_dir() else []:
        if place.is_dir() and place.name not in needed:
            yield place


def _old_files(root: Path, days: int) -> Iterator[Path]:
    oldest = time.time() - days * 86_400
    for file in sorted(root.rglob("*.log")):
        if file.is_file() and file.stat().st_mtime < oldest:
            yield file


def _drop_empty(root: Path) -> None:
    for place in sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True):
        if not any(place.iterdir()):
            place.rmdir()
