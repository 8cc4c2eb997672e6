"""A batch is in the lake whole, or marked as not; whoever reads across tables waits for the rest."""

import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import lake, staging
from pipelines.contracts import ENTITIES
from pipelines.errors import NightmarketError
from pipelines.fence import take
from pipelines.load import load
from pipelines.publish_lake import publish_lake
from pipelines.settings import Batch, Settings, night
from pipelines.warehouse import open_warehouse

D1, D2 = date(2024, 5, 1), date(2024, 5, 2)
REFUSED = f"{D1} is only partly in the lake: .* run `nightmarket publish-lake --date {D1}` first"


class Killed(Exception):
    """Stands for kill -9 in these tests; tests/e2e/test_kill.py sends real ones."""


def stage(settings: Settings, batch: Batch, users: int = 1, finishes: tuple[str, ...] = ()) -> None:
    """An audited attempt of one event and some users, as preprocess leaves it."""
    attempt = take(settings, "preprocess", batch.key)
    folder = settings.staging / batch.key / attempt.id
    day, file = batch.last, {"landing_date": batch.last, "file": "f", "is_duplicate": False}
    staged: dict[str, list[dict[str, Any]]] = {
        "users": [{"user_id": f"u{n}", "line": n, **file} for n in range(users)],
        "events": [{"event_id": "e", "event_type": "view", "user_id": "u0", "line": 1, **file}],
    }
    entities = {}
    for name, rows in staged.items():
        column = lake.partition_column(name)
        target = folder / name / f"{column}={day}"
        target.mkdir(parents=True)
        table = pa.Table.from_pylist([{column: day, **row} for row in rows], schema=ENTITIES[name].lake_schema())
        pq.write_table(table.drop_columns([column]), target / "part.parquet")
        book = {"landing_date": str(day), "file": "f", "rows_in": len(rows), "rows_published": len(rows)}
        book |= {"rows_deduplicated": 0, "rows_quarantined": 0, "bytes": 1, "note": ""}
        entities[name] = {"dates": [str(day)], "rows": len(rows), "files": [book]}
    base = {name: {str(d): v for d, v in lake.digests(settings, name).items()} for name in staged}
    manifest = {"attempt": attempt.id, "entities": entities, "base": base, "finishes": list(finishes)}
    manifest |= {"quarantine": [], "quarantine_dates": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for audited in ("landing", "events"):
        verdict = {"attempt": attempt.id, "success": True, "failed": []}
        (folder / f"audit-{audited}.json").write_text(json.dumps(verdict))
    (folder.parent / "current.json").write_text(json.dumps({"attempt": attempt.id}))


def publish(settings: Settings, batch: Batch) -> dict[str, Any]:
    return publish_lake(settings, batch, take(settings, "publish-lake", batch.key))


def killed_at(settings: Settings, batch: Batch, point: str) -> None:
    def die(name: str) -> None:
        if name == point:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        for module in ("lake.commits", "publish_lake"):
            patch.setattr(f"pipelines.{module}.fault_point", die)
        publish(settings, batch)


def load_now(settings: Settings) -> dict[str, Any]:
    return load(settings, night(D1), take(settings, "load", "warehouse"))


def users_loaded(settings: Settings) -> int:
    with open_warehouse(settings) as connection:
        return connection.execute("select count(*) from raw.users").fetchall()[0][0]


@pytest.mark.parametrize("point", ["lake.placed", "lake.committed", "publish_lake.committed"])
def test_load_refuses_a_batch_that_is_partly_in_the_lake_until_it_is_whole(settings: Settings, point: str) -> None:
    stage(settings, night(D1))
    killed_at(settings, night(D1), point)
    with pytest.raises(NightmarketError, match=REFUSED):
        load_now(settings)
    assert users_loaded(settings) == 0
    publish(settings, night(D1))
    assert load_now(settings)["rows"] == 2


def test_killed_with_all_but_the_mark_done_a_rerun_takes_the_mark_away(settings: Settings) -> None:
    stage(settings, night(D1))
    killed_at(settings, night(D1), "publish_lake.swept")
    with pytest.raises(NightmarketError, match=REFUSED):
        load_now(settings)
    publish(settings, night(D1))
    assert load_now(settings)["rows"] == 2


def test_a_new_attempt_of_the_batch_is_still_refused_until_it_is_published(settings: Settings) -> None:
    stage(settings, night(D1))
    killed_at(settings, night(D1), "lake.committed")
    stage(settings, night(D1), users=3)
    with pytest.raises(NightmarketError, match=REFUSED):
        load_now(settings)
    publish(settings, night(D1))
    load_now(settings)
    assert users_loaded(settings) == 3


def test_a_stretch_that_was_staged_after_the_kill_finishes_the_night_within_it(settings: Settings) -> None:
    stage(settings, night(D2))
    killed_at(settings, night(D2), "lake.committed")
    stage(settings, Batch(D1, D2), finishes=(str(D2),))
    publish(settings, Batch(D1, D2))
    assert staging.partial(settings) == []
    # A night of it that is committed anew, and only half, is not finished by running the old stretch again.
    stage(settings, night(D2), users=2)
    killed_at(settings, night(D2), "lake.committed")
    publish(settings, Batch(D1, D2))
    assert staging.partial(settings) == [night(D2)]


def test_a_change_that_is_refused_leaves_every_table_as_it_was(settings: Settings) -> None:
    """The events, last to be committed, moved since: the users before them stay out too, and nobody has to wait."""
    stage(settings, night(D1))
    publish(settings, night(D1))
    stage(settings, night(D1), users=2)
    folder, manifest = staging.current(settings, night(D1))
    manifest["base"]["events"] = {str(D1): "another"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    before = lake.digests(settings, "users")
    with pytest.raises(NightmarketError, match=f"lake/events changed at {D1}"):
        publish(settings, night(D1))
    assert lake.digests(settings, "users") == before
    assert load_now(settings)["rows"] == 2


def test_an_attempt_staged_before_the_mark_existed_can_be_published(settings: Settings) -> None:
    stage(settings, night(D1))
    folder, manifest = staging.current(settings, night(D1))
    del manifest["finishes"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    publish(settings, night(D1))
    assert load_now(settings)["rows"] == 2


def test_a_stretch_is_named_with_both_its_ends(settings: Settings) -> None:
    staging.mark_partial(settings, Batch(D1, D2))
    with pytest.raises(NightmarketError, match=f"publish-lake --from {D1} --until {D2}` first"):
        staging.require_whole(settings)
