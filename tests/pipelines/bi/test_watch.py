"""A reader that switched its time-out off is ended by somebody who looks."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from pipelines.bi import watch
from pipelines.errors import Unavailable, UsageError
from pipelines.serve.health import require_healthy
from pipelines.settings import Settings
from tests.pipelines.bi.test_pointer import D1, publish, reader_of
from tests.postgres import free_port


def test_a_long_reader_is_ended_and_the_round_is_told(
    served: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "EVERY_SECONDS", 0.0)
    publish(served, D1)
    settings = replace(served, bi_timeout_minutes=0)
    with pytest.raises(Unavailable, match="long ago"):
        require_healthy(settings, "bi-watch")
    with reader_of(served) as reader:
        reader.execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
        with pytest.raises(psycopg.OperationalError, match="terminating"), reader.transaction(force_rollback=True):
            reader.execute("select 1")
            assert watch.watch(settings, iter(range(3))) == 1
            reader.execute("select 1")
    assert capsys.readouterr().err == "ended 1 statements of bi_reader, over 0 min\n"
    monkeypatch.undo()
    require_healthy(settings, "bi-watch")


def test_a_server_that_stays_away_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "EVERY_SECONDS", 0.0)
    settings = Settings(home=tmp_path, postgres=f"host=127.0.0.1 port={free_port()} dbname=warehouse")
    assert watch.watch(settings, iter(range(3))) == 0
    assert capsys.readouterr().err.count("does not answer") == 1


def test_an_embedded_warehouse_needs_no_watch(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="PostgreSQL"):
        watch.watch(Settings(home=tmp_path), iter(range(1)))
