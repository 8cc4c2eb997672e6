"""What only a store can do to the lake: two writers at once, a kill after the upload, a cut upload, no answer."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from pyspark.sql import SparkSession
from staged import D1, D2, base, committed_ids, event, stage

from pipelines import lake
from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.fence import take
from pipelines.settings import Settings
from tests import s3

ROOT = Path(__file__).parents[3]
COMMIT = """
import sys
from datetime import date
from pathlib import Path
from pipelines import lake
from pipelines.fence import take
from pipelines.settings import Settings
settings = Settings(home=Path(sys.argv[1]), lake_url=sys.argv[2])
lake.commit(settings, "events", Path(sys.argv[3]), [date(2024, 5, 1)], {}, take(settings, "p", "a"))
"""


def test_of_two_changes_planned_from_one_version_the_second_is_refused(settings: Settings, tmp_path: Path) -> None:
    """Two homes may share a bucket, and the fence knows only one."""
    other = stage(tmp_path / "before" / "events", D2, [event("before", D2)])
    lake.commit(settings, "events", other, [D2], {}, take(settings, "p", "before"))
    changes = [
        lake.plan(settings, "events", stage(tmp_path / name / "events", D1, [event(name, D1)]), [D1], {})
        for name in ("first", "second")
    ]
    lake.apply(settings, changes[0], take(settings, "p", "first"))
    with pytest.raises(Unavailable, match="another process committed to lake/events at the same moment; run again"):
        lake.apply(settings, changes[1], take(settings, "p", "second"))
    assert committed_ids(settings) == ["before", "first"]


@pytest.mark.parametrize("exists", [False, True])
def test_of_four_racing_commits_one_wins(settings: Settings, tmp_path: Path, exists: bool) -> None:
    if exists:
        other = stage(tmp_path / "before" / "events", D2, [event("before", D2)])
        lake.commit(settings, "events", other, [D2], {}, take(settings, "p", "before"))
    names = ["a", "b", "c", "d"]
    changes = [
        lake.plan(settings, "events", stage(tmp_path / name / "events", D1, [event(name, D1)]), [D1], {})
        for name in names
    ]
    attempts = [take(settings, "p", name) for name in names]
    start = Barrier(len(names))

    def race(number: int) -> str | None:
        start.wait(timeout=60)
        try:
            lake.apply(settings, changes[number], attempts[number])
        except Unavailable:
            return None
        return names[number]

    with ThreadPoolExecutor(len(names)) as pool:
        winners = [name for name in pool.map(race, range(len(names))) if name]
    assert len(winners) == 1
    assert committed_ids(settings, [D1]) == winners


def test_killed_between_upload_and_commit_a_rerun_finds_its_own_files(
    s3_settings: Settings, s3_server: s3.Store, tmp_path: Path
) -> None:
    staged = stage(tmp_path / "attempt-1" / "events", D1, [event("a", D1)])
    prefix = f"{tmp_path.name}/lake/events/event_date={D1}/"

    def commit(**environment: str) -> int:
        words = [sys.executable, "-c", COMMIT, str(s3_settings.home), s3_settings.lake_url, str(staged)]
        known = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.run(words, env=known, timeout=300, check=False).returncode

    assert commit(NIGHTMARKET_FAULT="lake.placed") == -signal.SIGKILL
    uploaded = s3_server.keys(prefix)
    assert len(uploaded) == 1
    assert committed_ids(s3_settings) == []
    assert commit() == 0
    assert s3_server.keys(prefix) == uploaded
    assert committed_ids(s3_settings) == ["a"]


def test_an_upload_that_was_cut_is_not_taken_for_whole(
    s3_settings: Settings, s3_server: s3.Store, tmp_path: Path
) -> None:
    staged = stage(tmp_path / "attempt-1" / "events", D1, [event("a", D1)])
    whole = (staged / f"event_date={D1}" / "part-0.parquet").read_bytes()
    (name,) = lake.plan(s3_settings, "events", staged, [D1], {}).wanted
    key = f"{tmp_path.name}/lake/events/{name}"
    s3_server.client().put_object(Bucket=s3.BUCKET, Key=key, Body=whole[: len(whole) // 2])
    lake.commit(s3_settings, "events", staged, [D1], {}, take(s3_settings, "p", "a"))
    assert s3_server.keys(key) == {key: len(whole)}
    assert committed_ids(s3_settings) == ["a"]


def test_attempts_of_two_homes_that_bear_one_name_do_not_take_each_others_files(
    settings: Settings, tmp_path: Path
) -> None:
    """Each home counts its attempts from one; so does a home whose own files were lost while the lake stayed."""
    for home, row in (("one", "a"), ("other", "b")):
        staged = stage(tmp_path / home / "attempt-1" / "events", D1, [event(row, D1)])
        done = lake.commit(settings, "events", staged, [D1], base(settings), take(settings, "p", home))
        assert done["added"] == 1
        assert committed_ids(settings) == [row]


def test_a_folder_and_a_store_hold_the_same_table(s3_settings: Settings, tmp_path: Path) -> None:
    staged = stage(tmp_path / "attempt-1" / "events", D1, [event("a", D1), event("b", D1, line=2)])
    folder = replace(s3_settings, lake_url="")
    for settings in (folder, s3_settings):
        lake.commit(settings, "events", staged, [D1], {}, take(settings, "p", "a"))
    assert lake.digests(folder, "events") == lake.digests(s3_settings, "events")
    assert lake.dataset(folder, "events").to_table() == lake.dataset(s3_settings, "events").to_table()


def test_vacuum_deletes_what_no_kept_version_needs(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, vacuum_days=0)
    for name in ("a", "b"):
        staged = stage(tmp_path / name / "events", D1, [event(name, D1)])
        lake.commit(settings, "events", staged, [D1], base(settings), take(settings, "p", "a"))
    found = lake.table(settings, "events")
    assert found is not None
    found.load_as_version(found.version() - 1)
    assert lake.vacuum(settings) == {"events": 1}  # a dry run
    assert found.to_pyarrow_table(columns=["event_id"])["event_id"].to_pylist() == ["a"]
    assert lake.vacuum(settings, dry_run=False) == {"events": 1}
    with pytest.raises(OSError, match="(?i)not found"):
        found.to_pyarrow_table(columns=["event_id"])
    assert committed_ids(settings) == ["b"]


@pytest.fixture
def mortal(s3_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3.Store]:
    """A store of the test's own, to be stopped."""
    with s3.serving() as store:
        for name, value in store.variables.items():
            monkeypatch.setenv(name, value)
        yield store


def test_a_store_that_is_down_is_said_in_one_line(s3_settings: Settings, mortal: s3.Store, tmp_path: Path) -> None:
    staged = stage(tmp_path / "attempt-1" / "events", D1, [event("a", D1)])
    change = lake.plan(s3_settings, "events", staged, [D1], {})
    attempt = take(s3_settings, "p", "a")
    mortal.stop()
    for step in (
        lambda: lake.version(s3_settings),
        lambda: lake.plan(s3_settings, "events", staged, [D1], {}),
        lambda: lake.apply(s3_settings, change, attempt),
    ):
        with pytest.raises(Unavailable, match=f"lake at {s3_settings.lake_url} cannot be reached; .* run again") as no:
            step()
        assert len(str(no.value).splitlines()) == 1
        assert "\x1b" not in str(no.value)


def test_a_bucket_that_is_not_there_is_no_reason_to_try_again(s3_settings: Settings) -> None:
    wrong = replace(s3_settings, lake_url="s3://another/lake")
    with pytest.raises(NightmarketError, match="the store refused the lake at s3://another/lake: .*404") as refused:
        lake.version(wrong)
    assert not isinstance(refused.value, Unavailable)


def test_another_kind_of_url_is_the_callers_error(s3_settings: Settings) -> None:
    with pytest.raises(UsageError, match="lake_url must be s3://bucket/folder, not 'ftp://x'"):
        lake.version(replace(s3_settings, lake_url="ftp://x"))


def test_sail_reads_what_was_committed_and_writes_beside_it(
    s3_settings: Settings, sail: SparkSession, tmp_path: Path
) -> None:
    staged = stage(tmp_path / "attempt-1" / "events", D1, [event("a", D1), event("b", D1, line=2)])
    lake.commit(s3_settings, "events", staged, [D1], {}, take(s3_settings, "p", "a"))
    files = [f"{s3_settings.lake_url}/events/{path}" for path in lake.active_files(s3_settings, "events")[D1]]
    copy = f"{s3_settings.lake_url}/copy"
    sail.read.parquet(*files).write.parquet(copy)
    assert sorted(row[0] for row in sail.read.parquet(copy).select("event_id").collect()) == ["a", "b"]
