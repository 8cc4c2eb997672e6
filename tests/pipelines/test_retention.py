"""Retention deletes pages and logs past their time, and only when it is told to."""

import os
import time
from datetime import date, timedelta
from pathlib import Path

from models.registry import Promotion, promote
from pipelines.report.kept import keep
from pipelines.retention import retention
from pipelines.settings import Settings

TODAY = date(2024, 5, 1)


def a_home(settings: Settings) -> dict[str, Path]:
    found = {}
    for name in ("2024-01-01", "2023-10-01..2024-01-31", "2024-04-30", "notes"):
        found[name] = settings.reports / "audit" / name
        found[name].mkdir(parents=True)
        (found[name] / "index.html").touch()
    for night, name in ((date(2024, 1, 1), "old report"), (date(2024, 4, 30), "fresh report")):
        found[name] = keep(settings, night, "<p><!--nights--><!--/nights--></p>")
    for name, days in (("old.log", 40), ("fresh.log", 1)):
        found[name] = settings.home / "airflow" / "logs" / f"run-{days}" / name
        found[name].parent.mkdir(parents=True)
        found[name].touch()
        os.utime(found[name], (time.time() - days * 86_400,) * 2)
    return found


def test_a_dry_run_counts_and_deletes_nothing(settings: Settings) -> None:
    made = a_home(settings)
    assert retention(settings, today=TODAY) == {
        "dry_run": True, "audit_pages": 2, "reports": 1, "log_files": 1,
        "towers": 0,
    }  # fmt: skip
    assert all(path.exists() for path in made.values())


def test_only_what_is_past_its_time_goes(settings: Settings) -> None:
    made = a_home(settings)
    retention(settings, dry_run=False, today=TODAY)
    assert {name for name, path in made.items() if path.exists()} == {
        "2024-04-30",
        "notes",
        "fresh report",
        "fresh.log",
    }
    assert "2024-01-01" not in made["fresh report"].read_text()  # no link leads to what is gone
    assert not made["old.log"].parent.exists()


def test_vectors_go_with_the_last_kept_night_that_is_read_by_them(settings: Settings) -> None:
    oldest = TODAY - timedelta(settings.bi_history_days)
    for version, before in (("first", 60), ("second", 30), ("third", -30)):
        until = str(oldest - timedelta(before))
        promote(settings.models, Promotion("multimodal", "towers", version, until, until, "now", "it earned it"))
    made = {name: settings.models / "media" / name / "image" for name in ("first", "second", "third", "never")}
    for folder in made.values():
        folder.mkdir(parents=True)
    assert retention(settings, today=TODAY)["towers"] == 2
    assert all(folder.exists() for folder in made.values())
    retention(settings, dry_run=False, today=TODAY)
    assert {name for name, folder in made.items() if folder.exists()} == {"second", "third"}
