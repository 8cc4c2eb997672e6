"""The outbox loses nothing, repeats harmlessly, and never stops on a busy warehouse."""

from pathlib import Path

import pytest

from pipelines import ops
from pipelines.contracts import OPS_RUNS
from pipelines.errors import NightmarketError
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse


def runs(settings: Settings) -> list[tuple]:
    with open_warehouse(settings) as connection:
        return connection.execute("select night, step, status, rows from ops.runs order by all").fetchall()


def test_rows_reach_the_warehouse_with_the_next_writer(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ops.record(settings, OPS_RUNS, [{"night": "2024-05-01", "step": "load", "status": "done", "rows": 3}], "t")
    assert runs(settings) == []
    with ops.writing(settings):
        pass
    assert runs(settings) == [("2024-05-01", "load", "done", 3)]
    assert ops.waiting(settings) == []


def test_the_newest_row_of_a_key_wins_and_a_partial_row_keeps_the_rest(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ops.record(settings, OPS_RUNS, [{"night": "n", "step": "load", "status": "failed", "rows": 3}], "t")
    ops.record(settings, OPS_RUNS, [{"night": "n", "step": "load", "status": "done"}], "t")
    ops.flush(settings)
    assert runs(settings) == [("n", "load", "done", 3)]


def test_a_rolled_back_writer_leaves_the_outbox_as_it_was(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ops.record(settings, OPS_RUNS, [{"night": "n", "step": "load", "status": "done"}], "t")
    with pytest.raises(ZeroDivisionError), ops.writing(settings):
        1 / 0  # noqa: B018
    assert len(ops.waiting(settings)) == 1
    assert runs(settings) == []


def test_a_file_taken_in_twice_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ops.record(settings, OPS_RUNS, [{"night": "n", "step": "load", "status": "done", "rows": 1}], "t")
    kept = ops.waiting(settings)[0]
    content = kept.read_bytes()
    ops.flush(settings)
    kept.write_bytes(content)  # killed after the commit, before the removal
    ops.flush(settings)
    assert runs(settings) == [("n", "load", "done", 1)]


def test_an_unknown_column_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown columns"):
        ops.record(Settings(home=tmp_path), OPS_RUNS, [{"night": "n", "step": "s", "colour": "red"}], "t")


def test_a_broken_outbox_file_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ops.record(settings, OPS_RUNS, [{"night": "n", "step": "s"}], "t")
    ops.waiting(settings)[0].write_text("{")
    with pytest.raises(NightmarketError, match="outbox file .* cannot be read"), ops.writing(settings):
        pass
