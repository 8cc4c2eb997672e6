"""A stretch of history as one pass, as its callers see it go."""

from datetime import date
from typing import Any

import pytest

from pipelines import landing, night
from pipelines.errors import NightmarketError
from pipelines.settings import Settings


def test_who_waits_for_the_lake_is_called_when_it_is_committed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def run_step(_: Settings, step: night.Step, *__: object) -> dict[str, Any]:
        seen.append(step.name)
        return {"step": step.name, "seconds": 0.0, "missing_days": []}

    monkeypatch.setattr(night, "run_step", run_step)
    monkeypatch.setattr(landing, "landed_dates", lambda _: (date(2024, 5, 1), date(2024, 5, 9)))
    monkeypatch.setattr(night, "rescore", lambda *_: [])
    night.run_history(
        settings, None, date(2024, 5, 9), None, None, None, lambda line: None, in_lake=lambda: seen.append("in lake")
    )
    assert seen[seen.index("in lake") - 1] == "publish-lake"
    assert seen[seen.index("in lake") + 1] == "load"
    assert seen[-2:] == ["marts", "publish"]


def test_a_night_that_cannot_be_measured_is_a_night_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_step(_: Settings, step: night.Step, *__: object) -> dict[str, Any]:
        if step.name == "monitor":
            raise NightmarketError("no")
        return {"step": step.name, "seconds": 0.0}

    monkeypatch.setattr(night, "run_step", run_step)
    monkeypatch.setattr(night, "rescore", lambda *_: [])
    found = night.run_night(settings, date(2024, 5, 9), None, None, None, lambda line: None)
    assert list(found["steps"])[-2:] == ["marts", "publish"]
