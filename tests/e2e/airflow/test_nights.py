"""Nights under Airflow: equal to the command's, in order, whatever is killed; and every failure says its reason."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from pipelines import bi
from pipelines.report.kept import path_of
from pipelines.serve import processes, stack
from pipelines.serve.client import FINISHED
from pipelines.warehouse import open_warehouse
from tests.e2e import shop
from tests.e2e.airflow.conftest import Stack
from tests.e2e.conftest import NIGHTS, hashes, nights, settings_of

pytestmark = pytest.mark.slow


def of_the_stack(made: Stack, words: str) -> list[psutil.Process]:
    """Living processes of the stack whose command line has these words."""
    found = []
    for process in processes.marked(stack.mark_of(made.settings)):
        try:
            if words in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def backfill(made: Stack, first: str, last: str) -> list[str]:
    """Ask for the nights of a range, all at once; the ids of their runs."""
    body = {
        "dag_id": "nightly", "from_date": f"{first}T00:00:00Z", "to_date": f"{last}T23:59:59Z",
        "max_active_runs": 10, "run_backwards": False, "dag_run_conf": {}, "reprocess_behavior": "none",
    }  # fmt: skip
    made.until(lambda: made.airflow.call("POST", "backfills", body), "the backfill")
    wanted = [day for day in map(str, shop.DAYS) if first <= day <= last]

    def runs() -> list[str]:
        found = made.airflow.call("GET", "dags/nightly/dagRuns?limit=100")["dag_runs"]
        named = {run["logical_date"][:10]: run["dag_run_id"] for run in found if run["run_type"] == "backfill"}
        return [named[day] for day in wanted] if set(wanted) <= set(named) else []

    return list(made.until(runs, "the backfill's runs"))


def test_a_backfill_runs_nights_in_order_one_at_a_time_and_ends_equal(a_stack: Stack, clean: Path) -> None:
    runs = backfill(a_stack, str(NIGHTS[0]), str(NIGHTS[1]))
    addresses: set[str] = set()

    def both_ended() -> bool:  # all the while, whatever a step opens (an engine, a server) is on loopback
        addresses.update(address for _, address, _ in processes.listeners(stack.mark_of(a_stack.settings)))
        return all(a_stack.state(run) in FINISHED for run in runs)

    a_stack.until(both_ended, "the end of both nights")
    assert [a_stack.state(run) for run in runs] == ["success", "success"]
    assert addresses == {"127.0.0.1"}
    assert hashes(a_stack.home) == hashes(clean)
    land = [a_stack.task(run, "land") for run in runs]
    publish = [a_stack.task(run, "publish") for run in runs]
    assert land[1]["start_date"] > publish[0]["end_date"]
    models = [t for t in a_stack.airflow.tasks("nightly", runs[0]) if t["operator"] == "DbtRunWatcherOperator"]
    assert len(models) > 20 and {t["state"] for t in models} == {"success"}
    ports = {port for _, _, port in processes.listeners(stack.mark_of(a_stack.settings))}
    assert ports == {a_stack.settings.airflow_port, a_stack.settings.mlflow_port}


def test_a_run_that_is_late_is_said_to_be(a_stack: Stack) -> None:
    """The deadline of a real run is moved into the past; scheduler and triggerer do the rest."""
    run = a_stack.trigger(date=str(NIGHTS[0]))
    a_stack.until(lambda: a_stack.state(run) == "running", "the start of the run")
    with closing(sqlite3.connect(a_stack.home / "airflow" / "airflow.db", timeout=60)) as database, database:
        moved = database.execute("update deadline set deadline_time = '2024-05-08 06:00:00.000000'").rowcount
    assert moved == 1
    logs = [a_stack.home / "logs", a_stack.home / "airflow" / "logs"]

    def said() -> bool:
        files = [file for folder in logs for file in folder.rglob("*.log")]
        return any(f"NIGHTMARKET LATE run {run}" in file.read_text(errors="replace") for file in files)

    a_stack.until(said, "the alert")


def kill_a_task(made: Stack, run: str) -> None:
    """The command, and the task process above it, while it preprocesses."""
    command = made.until(lambda: of_the_stack(made, "nightmarket preprocess"), "the command")[0]
    for process in (command.parent(), command):
        if process is not None:
            process.kill()


def kill_the_scheduler(made: Stack, run: str) -> None:
    """While dbt builds; its workers are left behind and go on by themselves."""
    made.until(lambda: of_the_stack(made, "dbt_project"), "dbt")
    for process in of_the_stack(made, "airflow scheduler"):
        process.kill()
    made.until(lambda: not of_the_stack(made, "airflow scheduler"), "the scheduler's death")
    made.up()


def kill_everything(made: Stack, run: str) -> None:
    """All processes of the stack at once while a night is being scored, then `up` again."""
    made.until(lambda: of_the_stack(made, "nightmarket score"), "the scoring")
    for process in processes.marked(stack.mark_of(made.settings)):
        process.kill()
    made.until(lambda: not list(processes.marked(stack.mark_of(made.settings))), "the end of all processes")
    made.up()


def test_killed_thrice_in_one_night_it_ends_equal_without_anybody_doing_anything(
    a_stack: Stack, clean_first: Path
) -> None:
    run = a_stack.trigger(date=str(NIGHTS[0]))
    for kill in (kill_a_task, kill_the_scheduler, kill_everything):
        kill(a_stack, run)
    assert a_stack.wait(run) == "success"
    assert hashes(a_stack.home) == hashes(clean_first)


def test_an_orphan_of_the_night_before_publishes_nothing(a_stack: Stack, clean: Path, tmp_path: Path) -> None:
    """A `publish` that somebody left behind, asleep before its commit, wakes up when Airflow is a night further."""
    nights(a_stack.home, NIGHTS[:1])
    flag = tmp_path / "flag"
    program = str(Path(stack.__file__).resolve().parents[2] / ".venv" / "bin" / "nightmarket")
    orphan = subprocess.Popen(
        [program, "publish", "--date", str(NIGHTS[0])],
        env={
            **os.environ,
            "NIGHTMARKET_HOME": str(a_stack.home),
            "NIGHTMARKET_PAUSE": f"publish.before_guard:{flag}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    a_stack.until(lambda: Path(f"{flag}.reached").exists(), "the orphan's pause")
    assert a_stack.wait(a_stack.trigger(date=str(NIGHTS[1]))) == "success"
    flag.touch()
    said, _ = orphan.communicate(timeout=600)
    assert orphan.returncode == 1
    assert "took over; nothing of this one is published" in said
    assert bi.current_night(a_stack.settings) == NIGHTS[1]
    assert hashes(a_stack.home) == hashes(clean)


def failed_with(made: Stack, task: str, says: str, **params: str) -> None:
    """The run fails at this task, at its first try, and its log ends with the reason and what to do."""
    run = made.trigger(**params)
    assert made.wait(run) == "failed"
    found = made.task(run, task)
    assert (found["state"], found["try_number"]) == ("failed", 1)
    alerts = [line for line in made.log(run, task) if "NIGHTMARKET FAILED" in line]
    assert len(alerts) == 1
    assert says in alerts[0]
    assert "Next: " in alerts[0] and "\n" not in alerts[0]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 8 kB in place of `folder`; only root may mount one."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("a full disk needs a small file system, and mounting one needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_each_failure_shows_one_clear_line_and_the_right_state(a_stack: Stack) -> None:
    home, seen = a_stack.home, (a_stack.settings.bi).read_bytes()
    folder = home / "landing" / "tiny" / "events" / f"date={NIGHTS[0]}"
    failed_with(a_stack, "preprocess", "nothing has landed after 2024-05-10")  # the schedule's day: a shop of 2024

    shutil.move(folder, home / "kept")  # a missing file on an open day
    failed_with(a_stack, "preprocess", f"no events file has landed for {NIGHTS[0]}", date=str(NIGHTS[0]))
    shutil.move(home / "kept", folder)

    (folder / "broken.jsonl").write_text('{"torn\n' * 101)  # a failed audit
    failed_with(a_stack, "audit_events", f"audit landing of {NIGHTS[0]}", date=str(NIGHTS[0]))
    said = path_of(a_stack.settings, NIGHTS[0]).read_text()  # the report comes all the same
    assert f"Night {NIGHTS[0]} is not published: audit-landing failed." in said
    (folder / "broken.jsonl").unlink()

    with small_disk(home / "staging"):
        failed_with(a_stack, "preprocess", "the disk is full", date=str(NIGHTS[0]))

    assert a_stack.settings.bi.read_bytes() == seen
    shutil.rmtree(folder)  # an empty closed day is a night like any other
    shop.close_on(home, NIGHTS[0])
    assert a_stack.wait(a_stack.trigger(date=str(NIGHTS[0]))) == "success"
    assert bi.current_night(settings_of(home)) == NIGHTS[0]
    with open_warehouse(settings_of(home), read_only=True) as connection:
        closed = connection.execute("select is_closed from ops.nights where night = ?", [NIGHTS[0]]).fetchall()
    assert closed == [(True,)]
