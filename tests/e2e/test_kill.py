"""Law 1: kill -9 inside every step, run the step again, and the night ends equal. Laws 2 and 6 beside it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from pipelines import bi, ops
from pipelines.bi import file
from pipelines.fence import take
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.e2e import shop
from tests.e2e.conftest import NIGHTS, command, hashes, last_json, nights, settings_of, what_bi_sees

Copy = Callable[[Path], Path]

# Every step of a night in order, with the points at which it is killed, one after the other: the second kill at
# lake.committed is after the second table's commit, since the rerun finds the first one done.
KILL_POINTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("preprocess",), ("preprocess.framed", "preprocess.checked", "preprocess.written", "preprocess.manifest")),
    (("audit", "landing"), ("audit.checked", "audit.recorded")),
    (("audit", "events"), ("audit.recorded",)),
    (
        ("publish-lake",),
        ("lake.placed", "lake.committed", "lake.committed", "publish_lake.committed", "publish_lake.swept"),
    ),
    (("load",), ("load.events", "warehouse.before_commit", "warehouse.committed")),
    (("texts",), ("texts.read", "texts.delivery", "texts.summarised")),
    (("vectors",), ("vectors.made",)),
    (("features",), ("features.started", "features.built")),
    (("audit", "features"), ("audit.recorded",)),
    (("score",), ("score.fitted", "score.scored", "score.written", "score.committed")),
    (("audit", "scores"), ("audit.checked", "audit.recorded")),
    (("marts",), ("warehouse.committed", "features.started", "features.built")),
    (("publish",), ("publish.before_guard", "publish.guarded", "publish.swapped")),
)


TOUCHES_THE_WAREHOUSE = ("load", "texts", "vectors", "features", "score", "marts", "publish")
"""On PostgreSQL the other steps do what they do embedded, and are killed there."""

# The homes that a law holds for: the warehouse embedded, and on PostgreSQL.
AFTER_HISTORY, CLEAN = ("after_history", "served_after_history"), ("clean", "served_clean")
HOMES = list(zip(AFTER_HISTORY, CLEAN, strict=True))
BOTH = pytest.mark.parametrize(("start", "end"), HOMES, ids=["embedded", "served"])
SERVED_FIRST = ("served_clean_first", CLEAN[1])
Fixture = pytest.FixtureRequest


@pytest.mark.slow
@BOTH
def test_killed_at_every_point_the_night_ends_equal(request: Fixture, start: str, end: str, copy_of: Copy) -> None:
    clean: Path = request.getfixturevalue(end)
    home = copy_of(request.getfixturevalue(start))
    day = NIGHTS[0]
    before = what_bi_sees(home)
    killed = 0
    for words, points in KILL_POINTS:
        for point in points if start == "after_history" or words[0] in TOUCHES_THE_WAREHOUSE else ():
            result = command(home, *words, "--date", str(day), NIGHTMARKET_FAULT=point)
            assert result.returncode == -signal.SIGKILL, f"{words} was not killed at {point}: {result.stderr[-500:]}"
            killed += 1
            swapped = point == "publish.swapped"
            assert (what_bi_sees(home) == before) != swapped, f"BI changed at {point}"
            if words == ("publish-lake",) and point != "lake.placed":
                refused = command(home, "load", "--date", str(day))
                assert "only partly in the lake" in last_json(refused)["error"], f"loaded after {point}"
        again = command(home, *words, "--date", str(day))
        assert again.returncode == 0, f"{words} after its kills: {again.stderr[-800:]}"
    assert killed >= (25 if start == "after_history" else 12)
    nights(home, NIGHTS[1:])
    assert hashes(home) == hashes(clean)


@pytest.mark.slow
def test_a_whole_night_killed_again_and_again_ends_equal(after_history: Path, clean: Path, copy_of: Copy) -> None:
    """Each rerun begins with what the kill before it left, and gets as far as the next."""
    home = copy_of(after_history)
    for point in ("preprocess.written", "lake.committed", "score.written", "publish.guarded"):
        killed = command(home, "night", "--date", str(NIGHTS[0]), NIGHTMARKET_FAULT=point)
        assert killed.returncode == -signal.SIGKILL, f"not killed at {point}: {killed.stderr[-500:]}"
    nights(home)
    assert hashes(home) == hashes(clean)


@pytest.mark.slow
@BOTH
def test_killed_while_dbt_writes_the_night_ends_equal(request: Fixture, start: str, end: str, copy_of: Copy) -> None:
    """No fault point: the whole process group dies at whatever dbt was doing when its n-th model had started."""
    clean: Path = request.getfixturevalue(end)
    home = copy_of(request.getfixturevalue(start))
    for words in (("preprocess",), ("audit", "landing"), ("audit", "events"), ("publish-lake",), ("load",)):
        assert command(home, *words, "--date", str(NIGHTS[0])).returncode == 0
    for models_started in (2, 6):
        log = home / "dbt" / "logs" / "dbt.log"
        offset = log.stat().st_size if log.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "features", "--date", str(NIGHTS[0])],
            env={**os.environ, "NIGHTMARKET_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None:
            text = log.read_bytes()[offset:] if log.exists() else b""
            if text.count(b"START") > models_started:
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
        assert process.wait() == -signal.SIGKILL, "dbt finished before it could be killed"
    nights(home)
    assert hashes(home) == hashes(clean)


def _orphan(home: Path, words: tuple[str, ...], point: str, flag: Path) -> subprocess.Popen[str]:
    """A command that stops at `point` until `flag` exists, and is there when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *words],
        env={**os.environ, "NIGHTMARKET_HOME": str(home), "NIGHTMARKET_PAUSE": f"{point}:{flag}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not Path(f"{flag}.reached").exists():
        assert process.poll() is None, f"{words} ended before {point}"
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(
    ("words", "point", "start", "end"),
    [
        (("preprocess",), "preprocess.manifest", "after_history", "clean"),
        pytest.param(("audit", "events"), "audit.checked", "after_history", "clean", marks=pytest.mark.slow),
        (("audit", "scores"), "audit.checked", "clean_first", "clean"),
        pytest.param(("score",), "score.scored", "clean_first", "clean", marks=pytest.mark.slow),
        pytest.param(("publish",), "publish.before_guard", "clean_first", "clean", marks=pytest.mark.slow),
        pytest.param(("score",), "score.scored", *SERVED_FIRST, marks=pytest.mark.slow),
        pytest.param(("publish",), "publish.before_guard", *SERVED_FIRST, marks=pytest.mark.slow),
    ],
)
def test_an_orphan_that_wakes_up_after_its_successor_publishes_nothing(
    request: Fixture, start: str, end: str, copy_of: Copy, tmp_path: Path, words: tuple[str, ...], point: str
) -> None:
    """Law 6: the first attempt sleeps before its commit, a second one finishes the night, the first wakes up.

    Steps behind the lake start from a whole first night, which they make a second time.
    """
    clean: Path = request.getfixturevalue(end)
    home = copy_of(request.getfixturevalue(start))
    if words == ("audit", "events"):  # of a batch in the lake it only reads the verdict
        assert command(home, "preprocess", "--date", str(NIGHTS[0])).returncode == 0
    orphan = _orphan(home, (*words, "--date", str(NIGHTS[0])), point, tmp_path / "flag")
    nights(home)
    finished, audits = hashes(home), _audits(home)
    (tmp_path / "flag").touch()
    _, said = orphan.communicate(timeout=600)
    assert orphan.returncode == 1
    assert "took over; nothing of this one is published" in said
    assert hashes(home) == finished == hashes(clean)
    assert _audits(home) == audits


def _audits(home: Path) -> tuple[dict[Path, str], list[tuple]]:
    """Every verdict file, and every audit result, those still in the outbox included."""
    verdicts = {path: path.read_text() for path in home.glob("**/audit-*.json")}
    verdicts |= {path: path.read_text() for path in (home / "run" / "audits").iterdir()}
    assert ops.flush(settings_of(home))
    with open_warehouse(settings_of(home), read_only=True) as connection:
        return verdicts, sorted(connection.execute("select * from ops.audit_results").fetchall(), key=repr)


# ---- readers during publishes (law 2) ----------------------------------------------------------------------------

PUBLISHES = 50


def _read_until(bi_file: Path, stop: Event, torn: multiprocessing.Queue, reads: multiprocessing.Queue) -> None:
    count = 0
    while not stop.is_set():
        with file.open_bi(bi_file) as connection:
            tables = connection.execute("select a.as_of, b.as_of, a.n, b.n from marts.one a, marts.two b").fetchall()
            again = connection.execute("select distinct as_of from marts.two").fetchall()
        if len(tables) != 1 or tables[0][0] != tables[0][1] or [(tables[0][0],)] != again:
            torn.put(repr(tables))
        count += 1
    reads.put(count)


def _publish(settings: Settings, night: date) -> None:
    with open_warehouse(settings) as connection:
        for name in ("one", "two"):
            connection.execute(f"create or replace table marts.{name} as select ?::date as as_of, 1 as n", [night])
    attempt = take(settings, "publish", "bi")
    bi.publish(settings, night, attempt)


def test_readers_see_whole_nights_through_50_publishes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    _publish(settings, shop.FIRST)
    context = multiprocessing.get_context("spawn")
    stop, torn, reads = context.Event(), context.Queue(), context.Queue()
    readers = [context.Process(target=_read_until, args=(settings.bi, stop, torn, reads)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(1, PUBLISHES + 1):
        _publish(settings, shop.FIRST + timedelta(n))
    stop.set()
    counts = [reads.get(timeout=120) for _ in readers]
    for reader in readers:
        reader.join(timeout=120)
    assert all(reader.exitcode == 0 for reader in readers), "a reader met an error"
    assert torn.empty(), torn.get()
    assert min(counts) > 0
    assert bi.current_night(settings) == shop.FIRST + timedelta(PUBLISHES)


# ---- failing commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("night", "--date", "2011-13-01"), 2, "'2011-13-01' is not a date"),
        (("history", "--until", "soon"), 2, "'soon' is not a date"),
        (("night", "--date", "2024-05-07", "--source", "nowhere"), 2, "no source named 'nowhere'"),
        (("land", "--source", "rees46", "--date", "2024-05-07", "--path", "/no/such.csv"), 2, "/no/such.csv"),
        (("audit", "moon", "--date", "2024-05-07"), 2, "no audit stage 'moon'"),
        (("preprocess",), 2, "give --date"),
        (("publish-lake", "--date", "2024-05-30"), 1, "2024-05-30 is not preprocessed"),
        (("train", "weather"), 2, "weather"),
        (("rollback", "--to", "2020-01-01"), 2, "kept nights"),
        (("query", "select * from marts.nothing"), 1, "query failed"),
        (("nigth",), 2, "No such command"),
    ],
)
def test_a_wrong_call_says_one_clear_line_and_loses_nothing(
    after_history: Path, copy_of: Copy, words: tuple[str, ...], code: int, said: str
) -> None:
    home = copy_of(after_history)
    before = hashes(home)
    result = command(home, *words)
    assert result.returncode == code, result.stderr
    assert said in last_json(result)["error"]
    assert said in result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert hashes(home) == before


def test_a_locked_warehouse_is_said_in_one_line(after_history: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    before = hashes(home)
    with open_warehouse(settings_of(home)):
        result = command(home, "load", "--date", str(NIGHTS[0]))
    assert result.returncode == 1
    assert "is open in another process" in last_json(result)["error"]
    assert hashes(home) == before


def _warehouse(home: Path) -> dict[str, str]:
    return {name: value for name, value in hashes(home).items() if not name.startswith("lake.")}


@pytest.mark.parametrize(
    ("step", "limit"), [pytest.param("preprocess", 2_000, marks=pytest.mark.slow), ("night", 100_000)]
)
def test_a_full_disk_is_said_in_one_line_and_loses_nothing(
    after_history: Path, clean: Path, copy_of: Copy, step: str, limit: int
) -> None:
    """A file-size limit stands for the full disk: the write that crosses it fails as on a full one.

    At 2 kB preprocess fails; at 100 kB the night gets as far as its first write to the warehouse.
    """
    home = copy_of(after_history)
    before, seen = _warehouse(home), what_bi_sees(home)
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "sys.argv = ['nightmarket', *sys.argv[1:]]; from pipelines.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", limited, step, "--date", str(NIGHTS[0])],
        env={**os.environ, "NIGHTMARKET_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "disk is full" in last_json(result)["error"]
    assert (_warehouse(home), what_bi_sees(home)) == (before, seen)
    nights(home)
    assert hashes(home) == hashes(clean)
