"""The step around dbt: pending days, failures in one line, the lock."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines import features
from pipelines.errors import AuditFailed, NightmarketError
from pipelines.features import PROJECT, build
from pipelines.fence import take
from pipelines.settings import Settings
from tests.dbt.conftest import new_embedded_home  # noqa: F401  a fixture
from tests.dbt.warehouse_rows import DAY, event, load, query

SALE = event(DAY[0], "purchase", user_id="u", session_id="s", item_id="a", quantity=1, unit_price=2)


@pytest.fixture(scope="module")
def home(new_embedded_home: Callable[[], Settings]) -> Settings:  # noqa: F811
    """Built once, so that each test can run by itself."""
    settings = new_embedded_home()
    load(settings, [SALE])
    build(settings, DAY[0], "features", take(settings, "features", "warehouse"))
    return settings


def test_a_failed_data_test_is_a_failed_audit_and_the_day_stays_pending(home: Settings) -> None:
    load(home, [SALE, SALE])
    with pytest.raises(AuditFailed) as caught:
        build(home, DAY[0], "features", take(home, "features", "warehouse"))
    message = str(caught.value)
    assert "is_primary_key_raw_events" in message or "is_primary_key" in message
    assert "2024-01-01" in message
    assert "dbt.log" in message
    assert "\n" not in message
    assert query(home, "select event_date from ops.pending_days") == [(DAY[0],)]


def test_a_killed_build_runs_again_and_then_nothing_is_pending(home: Settings) -> None:
    load(home, [SALE])
    program = (
        "import sys; from datetime import date; from pathlib import Path; from pipelines.features import build;"
        "from pipelines.settings import Settings; from pipelines.fence import take;"
        "home = Settings(home=Path(sys.argv[1]));"
        "build(home, date(2024, 1, 1), 'features', take(home, 'features', 'warehouse'))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(home.home)],
        env={**os.environ, "NIGHTMARKET_FAULT": "features.built"},
        cwd=PROJECT.parent,
    )
    assert killed.returncode == -9
    assert query(home, "select event_date from ops.pending_days") == [(DAY[0],)]
    assert build(home, DAY[0], "features", take(home, "features", "warehouse"))["pending_days"] == 1
    assert query(home, "select event_date from ops.pending_days") == []
    assert query(home, "select user_id, orders_28d from features.user_features") == [("u", 1)]


def test_a_warehouse_held_by_another_process_is_said_in_one_line(home: Settings) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(home.warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(NightmarketError, match="open in another process") as caught:
            build(home, DAY[0], "features", take(home, "features", "warehouse"))
        assert "\n" not in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()


def test_a_model_that_cannot_be_built_is_named(home: Settings) -> None:
    load(home, [SALE])
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("alter table intermediate.int_shop_day drop column revenue")
    with pytest.raises(NightmarketError, match="model int_shop_day") as caught:
        build(home, DAY[0], "features", take(home, "features", "warehouse"))
    assert not isinstance(caught.value, AuditFailed)
    assert "\n" not in str(caught.value)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("drop table intermediate.int_shop_day")


def test_after_an_upgrade_that_changes_a_day_fact_all_its_days_are_made_anew(
    new_embedded_home: Callable[[], Settings],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = new_embedded_home()

    def built(day: date) -> dict:
        return build(home, day, "features", take(home, "features", "warehouse"))

    load(home, [SALE])
    built(DAY[0])
    load(home, [{**SALE, "event_date": DAY[1], "landing_date": DAY[1]}])
    assert not built(DAY[1])["made_anew"]

    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project)
    day_fact = project / "models" / "intermediate" / "int_user_item_day.sql"
    day_fact.write_text(f"select *, 42 as answer from (\n{day_fact.read_text()}\n) as before\n")
    monkeypatch.setattr(features, "PROJECT", project)
    assert built(DAY[1])["made_anew"]
    facts = "select event_date, answer from intermediate.int_user_item_day order by all"
    assert query(home, facts) == [(DAY[0], 42), (DAY[1], 42)]
    assert not built(DAY[1])["made_anew"]


def said(status: str, kind: str = "model", text: str = "1 of 2 OK") -> str:
    node = {"resource_type": kind, "unique_id": f"{kind}.nightmarket.x", "node_status": status}
    return json.dumps({"info": {"name": "LogModelResult", "msg": text}, "data": {"node_info": node}}) + "\n"


@pytest.mark.parametrize("status", ["success", "error", "skipped"])
def test_the_outcome_of_a_model_is_passed_on_as_dbt_said_it(status: str) -> None:
    assert features.watched(said(status)) == said(status)


@pytest.mark.parametrize("line", [said("started"), said("pass", kind="test")])
def test_other_events_become_a_line_that_a_person_reads(line: str) -> None:
    assert features.watched(line) == "1 of 2 OK\n"


def test_what_is_no_event_stays_as_it_is_and_an_empty_one_goes() -> None:
    assert features.watched("Traceback …\n") == "Traceback …\n"
    assert features.watched(said("started", text="")) == ""


def test_a_missing_dbt_is_said_with_what_to_do(home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NightmarketError, match="there is no .*/dbt; run `make setup`"):
        build(home, DAY[0], "features", take(home, "features", "warehouse"))
