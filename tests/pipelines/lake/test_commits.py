"""Commits replace exactly the touched partitions, once, and only when nothing moved underneath."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from staged import D1, D2, base, committed_ids, event, stage

from pipelines import lake
from pipelines.errors import NightmarketError
from pipelines.fence import take
from pipelines.settings import Batch, Settings, night


def test_a_commit_replaces_its_partition_and_leaves_the_others(settings: Settings, tmp_path: Path) -> None:
    first = take(settings, "publish-lake", "a")
    staged = stage(stage(tmp_path / "s1" / "events", D1, [event("a", D1)]), D2, [event("b", D2)])
    lake.commit(settings, "events", staged, [D1, D2], {}, first)

    second = take(settings, "publish-lake", "b")
    newer = stage(tmp_path / "s2" / "events", D1, [event("c", D1)])
    lake.commit(settings, "events", newer, [D1], base(settings), second)

    assert committed_ids(settings) == ["b", "c"]


def test_an_empty_rerun_removes_the_rows_it_had(settings: Settings, tmp_path: Path) -> None:
    lake.commit(
        settings, "events", stage(tmp_path / "s1" / "events", D1, [event("a", D1)]), [D1], {}, take(settings, "p", "a")
    )
    lake.commit(settings, "events", tmp_path / "nothing" / "events", [D1], base(settings), take(settings, "p", "a"))
    assert committed_ids(settings) == []


def test_the_same_commit_twice_makes_one_version(settings: Settings, tmp_path: Path) -> None:
    """As when publish-lake is killed after its commit and run again, with a newer token."""
    staged = stage(tmp_path / "s1" / "events", D1, [event("a", D1)])
    once = lake.commit(settings, "events", staged, [D1], {}, take(settings, "p", "a"))
    again = lake.commit(settings, "events", staged, [D1], {}, take(settings, "p", "a"))
    assert (once["added"], again["added"]) == (1, 0)
    assert once["version"] == again["version"]


def test_a_partition_that_moved_since_preprocess_is_not_overwritten(settings: Settings, tmp_path: Path) -> None:
    lake.commit(
        settings, "events", stage(tmp_path / "s1" / "events", D1, [event("a", D1)]), [D1], {}, take(settings, "p", "a")
    )
    stale = take(settings, "p", "b")
    with pytest.raises(NightmarketError, match=r"changed at 2024-05-01 .* run preprocess again"):
        lake.commit(settings, "events", stage(tmp_path / "s2" / "events", D1, [event("b", D1)]), [D1], {}, stale)
    assert committed_ids(settings) == ["a"]


def test_an_old_version_stays_readable(settings: Settings, tmp_path: Path) -> None:
    lake.commit(
        settings, "events", stage(tmp_path / "s1" / "events", D1, [event("a", D1)]), [D1], {}, take(settings, "p", "a")
    )
    old = lake.version(settings)
    lake.commit(
        settings,
        "events",
        stage(tmp_path / "s2" / "events", D1, [event("b", D1)]),
        [D1],
        base(settings),
        take(settings, "p", "a"),
    )
    found = lake.table(settings, "events")
    assert found is not None
    found.load_as_version(old)
    assert found.to_pyarrow_table(columns=["event_id"])["event_id"].to_pylist() == ["a"]


def test_partitions_touched_by_a_delivery_and_rows_of_the_others(settings: Settings, tmp_path: Path) -> None:
    rows = [event("a", D1), event("late", D1, landed=D2)]
    staged = stage(stage(tmp_path / "s" / "events", D1, rows), D2, [event("b", D2)])
    lake.commit(settings, "events", staged, [D1, D2], {}, take(settings, "p", "a"))

    assert lake.dates_of_landing(settings, "events", night(D2)) == {D1, D2}
    assert lake.copy_partitions(settings, "events", [D1, D2], tmp_path / "out", without=night(D2)) == 1
    assert pq.read_table(tmp_path / "out")["event_id"].to_pylist() == ["a"]


def test_recount_gives_totals_per_file(settings: Settings, tmp_path: Path) -> None:
    rows = [event("a", D1), event("a", D1, landed=D2, duplicate=True), event("late", D1, landed=D2, line=2)]
    staged = stage(stage(tmp_path / "s" / "events", D1, rows), D2, [event("b", D2, line=3)])
    lake.commit(settings, "events", staged, [D1, D2], {}, take(settings, "p", "a"))
    counts = {r["file"]: (r["rows_published"], r["rows_deduplicated"]) for r in lake.recount(settings, [D2])}
    assert counts == {"2024-05-02.jsonl": (2, 1)}


def test_interactions_know_nothing_that_was_delivered_later(settings: Settings, tmp_path: Path) -> None:
    staged = stage(tmp_path / "s" / "events", D1, [event("a", D1), event("late", D1, landed=D2)])
    lake.commit(settings, "events", staged, [D1], {}, take(settings, "p", "a"))
    assert lake.interactions(settings, D1).num_rows == 1
    assert lake.interactions(settings, D2).num_rows == 2


def test_an_event_dated_after_the_night_waits_for_its_own(settings: Settings, tmp_path: Path) -> None:
    """Delivered with D1's file, already D2 in UTC: the evening of a shop west of Greenwich."""
    staged = stage(tmp_path / "s" / "events", D2, [event("early", D2, landed=D1)])
    lake.commit(settings, "events", staged, [D2], {}, take(settings, "p", "a"))
    assert lake.interactions(settings, D1).num_rows == 0
    assert lake.interactions(settings, D2).num_rows == 1


def test_a_batch_is_named_by_its_ends() -> None:
    assert (night(D1).key, Batch(D1, D2).key) == ("2024-05-01", "2024-05-01..2024-05-02")
