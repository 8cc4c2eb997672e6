"""A step says one line, leaves its outcome in `ops.runs`, and turns any failure into one line."""

import errno
from datetime import date
from pathlib import Path

import pytest

from pipelines import ops
from pipelines.errors import NightmarketError, Superseded
from pipelines.fence import Attempt, guard
from pipelines.settings import Batch, Settings, night
from pipelines.steps import Step, one_line, run_step
from pipelines.warehouse import open_warehouse

NIGHT = night(date(2024, 5, 1))


def runs(settings: Settings) -> list[tuple]:
    with open_warehouse(settings) as connection:
        return connection.execute("select step, status, rows, error from ops.runs").fetchall()


def test_the_outcome_of_a_step_is_recorded_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    result = run_step(Settings(home=tmp_path), Step("count", lambda s, b, a: {"rows": 3}), NIGHT, said.append)
    assert (result["rows"], result["step"]) == (3, "count")
    assert said[0].split()[:4] == ["2024-05-01", "count", "3", "rows"]


def test_a_failure_is_in_ops_at_once_and_raised_as_one_line(tmp_path: Path) -> None:
    def fail(settings: Settings, batch: Batch, attempt: Attempt) -> dict:
        raise ValueError("first line\nsecond line")

    settings = Settings(home=tmp_path)
    with pytest.raises(NightmarketError) as raised:
        run_step(settings, Step("load", fail), NIGHT, lambda line: None)
    said = f"first line second line (details: {settings.run / 'last-error.log'})"
    assert str(raised.value) == f"2024-05-01 load: {said}"
    assert runs(settings) == [("load", "failed", None, said)]
    assert "raise ValueError" in (settings.run / "last-error.log").read_text()


def test_each_try_gets_a_newer_token(tmp_path: Path) -> None:
    tokens = []
    step = Step("score", lambda s, b, attempt: tokens.append(attempt.token) or {})
    for _ in range(2):
        run_step(Settings(home=tmp_path), step, NIGHT, lambda line: None)
    assert tokens == [1, 2]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EFBIG, "File too large"),
        RuntimeError("IO Error: Could not write all bytes"),
        RuntimeError("Parquet error: External: File too large (os error 27)"),
        RuntimeError("database or disk is full"),
    ],
)
def test_a_full_disk_is_said_in_plain_words_wherever_it_surfaced(error: Exception) -> None:
    assert one_line(error).startswith("the disk is full")


def test_a_full_disk_that_a_step_had_named_otherwise_is_still_said_in_plain_words(tmp_path: Path) -> None:
    def fail(settings: Settings, batch: Batch, attempt: Attempt) -> dict:
        raise NightmarketError("intake of users: cannot write …: [errno 28] No space left on device")

    with pytest.raises(NightmarketError, match="2024-05-01 load: the disk is full"):
        run_step(Settings(home=tmp_path), Step("load", fail), NIGHT, lambda line: None)


def test_an_attempt_that_was_overtaken_leaves_the_record_to_its_successor(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    def overtaken(settings: Settings, batch: Batch, attempt: Attempt) -> dict:
        run_step(settings, Step("load", lambda s, b, a: {"rows": 7}), NIGHT, lambda line: None)
        with guard(settings, attempt):
            pytest.fail("it was let in")
        return {}

    with pytest.raises(Superseded):
        run_step(settings, Step("load", overtaken), NIGHT, lambda line: None)
    ops.flush(settings)
    assert runs(settings) == [("load", "done", 7, None)]
