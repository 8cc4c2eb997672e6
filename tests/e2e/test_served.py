"""The warehouse on PostgreSQL: equal to the embedded one, table by table, whatever is killed in between."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import psycopg
import pytest

from pipelines import bi
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse.postgres import TRANSFORMER, connect
from tests.e2e import shop
from tests.e2e.conftest import HISTORY_UNTIL, NIGHTS, command, hashes, history, last_json, nights, serve, settings_of
from tests.postgres import Server

Copy = Callable[[Path], Path]


def test_the_served_night_equals_the_embedded_night(clean: Path, served_clean: Path) -> None:
    embedded, served = hashes(clean), hashes(served_clean)
    assert {name: served.get(name) for name in embedded} == embedded
    assert set(served) == set(embedded)
    assert len(served) > 25
    assert bi.current_night(settings_of(served_clean)) == NIGHTS[-1]


@pytest.mark.slow
def test_nights_in_another_order_end_equal(served_after_history: Path, clean: Path, copy_of: Copy) -> None:
    home = copy_of(served_after_history)
    nights(home, (NIGHTS[1], NIGHTS[0]))
    assert hashes(home) == hashes(clean)


# ---- PostgreSQL goes away ------------------------------------------------------------------------------------------


@pytest.fixture
def own_home(own_server: Server, tmp_path: Path) -> Path:
    """The tiny shop after its history, with its warehouse on that server."""
    home = tmp_path / "shop"
    shop.land(home)
    serve(home, own_server.conninfo)
    history(home)
    return home


def paused(home: Path, point: str, flag: Path) -> subprocess.Popen[str]:
    """The night, asleep at `point` until `flag` exists."""
    environment = {**os.environ, "NIGHTMARKET_HOME": str(home), "NIGHTMARKET_PAUSE": f"{point}:{flag}"}
    words = [sys.executable, "-m", "pipelines.cli", "night", "--date", str(NIGHTS[0])]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not Path(f"{flag}.reached").exists():
        assert process.poll() is None, process.communicate()[1][-500:]
        time.sleep(0.05)
    return process


def in_one_line(process: subprocess.Popen[str]) -> str:
    """What the command said when it failed; that trying again helps is part of it."""
    out, said = process.communicate(timeout=900)
    assert process.returncode == 1, said[-800:]
    assert '"retry": true' in out.strip().splitlines()[-1]
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


@pytest.mark.slow
def test_postgresql_killed_in_mid_night_and_started_again_ends_equal(
    own_server: Server, own_home: Path, clean: Path, tmp_path: Path
) -> None:
    """In the transactions of `load`, `score` and `publish`, and while dbt builds; each time the next try goes on."""
    for point in ("load.events", "score.written", "publish.guarded"):
        night = paused(own_home, point, tmp_path / point)
        own_server.kill()
        (tmp_path / point).touch()
        line = in_one_line(night)
        assert "PostgreSQL at 127.0.0.1" in line and "went away" in line
        refused = command(own_home, "load", "--date", str(HISTORY_UNTIL))
        assert "does not answer" in last_json(refused)["error"] and last_json(refused)["retry"]
        own_server.start()

    while_dbt_builds(own_home, own_server.kill)
    own_server.start()
    nights(own_home)
    assert hashes(own_home) == hashes(clean)


def while_dbt_builds(home: Path, disturb: Callable[[], None]) -> None:
    log = home / "dbt" / "logs" / "dbt.log"
    offset = log.stat().st_size
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "features", "--date", str(NIGHTS[0])],
        env={**os.environ, "NIGHTMARKET_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while log.read_bytes()[offset:].count(b"START") < 3:
        assert process.poll() is None
        time.sleep(0.01)
    disturb()
    line = in_one_line(process)
    assert "PostgreSQL" in line and ("went away while dbt built" in line or "does not answer" in line)


# ---- backup and restore --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_backup_loss_of_the_data_folder_restore_ends_equal(
    own_server: Server, own_home: Path, clean: Path, tmp_path: Path
) -> None:
    run_script(own_server, "backup.sh", tmp_path / "older")
    nights(own_home, NIGHTS[:1])
    before = hashes(own_home)
    run_script(own_server, "backup.sh", tmp_path / "backup")

    lose_and_restore(own_server, tmp_path / "backup")
    assert hashes(own_home) == before
    assert bi.current_night(settings_of(own_home)) == NIGHTS[0]
    with psycopg.connect(own_server.conninfo, user="bi_reader") as reader:  # roles, passwords and rights, too
        assert reader.execute("select count(*) > 0 from daily_kpis").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select * from raw.events")
    nights(own_home, NIGHTS[1:])
    assert hashes(own_home) == hashes(clean)

    lose_and_restore(own_server, tmp_path / "older", set_up=True)  # brought level by running the nights since
    nights(own_home)
    assert hashes(own_home) == hashes(clean)


def lose_and_restore(server: Server, backup: Path, set_up: bool = False) -> None:
    """Into an empty server, or as in a container into one that has set itself up."""
    server.lose()
    server.initialise()
    server.start()
    if set_up:
        server.set_up()
    run_script(server, "restore.sh", backup)


def run_script(server: Server, name: str, folder: Path) -> None:
    script = Path(__file__).parents[2] / "docker" / "postgres" / name
    done = subprocess.run([str(script), str(folder)], env=server.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- readers during publishes (law 2) --------------------------------------------------------------------------------

PUBLISHES, READERS = 200, 4


def _read_until(
    conninfo: str, level: int, stop: Event, torn: multiprocessing.Queue, reads: multiprocessing.Queue
) -> None:
    """One statement over two marts in READ COMMITTED; two statements of a transaction in REPEATABLE READ."""
    count, nights_seen = 0, set()
    with psycopg.connect(conninfo, user="bi_reader", autocommit=True) as connection:
        connection.isolation_level = psycopg.IsolationLevel(level)
        while not stop.is_set():
            with connection.transaction():
                first = connection.execute(
                    "select one.as_of, two.as_of, one.rows, two.rows from"
                    " (select min(as_of) as as_of, count(distinct as_of) + count(*) as rows from marts.one) as one,"
                    " (select min(as_of) as as_of, count(distinct as_of) + count(*) as rows from marts.two) as two"
                ).fetchone()
                again = connection.execute("select distinct as_of from marts.two").fetchall()
            whole = first is not None and first[0] == first[1] and first[2:] == (101, 101) and len(again) == 1
            if level == psycopg.IsolationLevel.REPEATABLE_READ:
                whole = whole and [(first[0],)] == again
            if not whole:
                torn.put(repr((first, again)))
                break
            count += 1
            nights_seen.update(again)
    reads.put((count, len(nights_seen)))


def _publish(settings: Settings, night: date) -> None:
    """Two marts of a hundred rows each, as dbt would leave them."""
    with connect(settings, TRANSFORMER) as connection, connection.transaction():
        for name in ("one", "two"):
            connection.execute(f"drop table if exists built.{name}")
            connection.execute(
                f"create table built.{name} as select cast(? as date) as as_of, n from generate_series(1, 100) n",
                [night],
            )
    bi.publish(settings, night, take(settings, "publish", "bi"))


def test_readers_see_whole_nights_through_200_publishes(served: Settings) -> None:
    _publish(served, shop.FIRST)
    context = multiprocessing.get_context("spawn")
    stop, torn, reads = context.Event(), context.Queue(), context.Queue()
    levels = [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ] * (READERS // 2)
    readers = [
        context.Process(target=_read_until, args=(served.postgres, level.value, stop, torn, reads)) for level in levels
    ]
    for reader in readers:
        reader.start()
    for n in range(1, PUBLISHES + 1):
        _publish(served, shop.FIRST + timedelta(n))
    stop.set()
    counts = [reads.get(timeout=120) for _ in readers]
    for reader in readers:
        reader.join(timeout=120)
    assert all(reader.exitcode == 0 for reader in readers), "a reader met an error"
    assert torn.empty(), torn.get()
    assert all(count > 0 and nights_seen > 1 for count, nights_seen in counts), counts
    assert bi.current_night(served) == shop.FIRST + timedelta(PUBLISHES)
