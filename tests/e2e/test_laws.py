"""The laws of the architecture on a tiny shop. docs/laws.md names, for each, the mutation that makes it fail."""

import random
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines import bi, lake, night
from pipelines.bi.file import open_bi
from pipelines.errors import AuditFailed
from pipelines.steps import STEPS, audit_step, run_step
from pipelines.warehouse import open_warehouse
from tests.e2e import shop
from tests.e2e.conftest import HISTORY_UNTIL, NIGHTS, hashes, history, nights, quiet, settings_of

Copy = Callable[[Path], Path]


def test_rows_in_are_published_deduplicated_or_quarantined_in_every_file(clean: Path) -> None:
    """Law 3, against the number of lines the tiny shop wrote."""
    with open_warehouse(settings_of(clean), read_only=True) as connection:
        booked = connection.execute(
            "select landing_date, entity, file, rows_in, rows_published + rows_deduplicated + rows_quarantined,"
            " rows_deduplicated, rows_quarantined from ops.landing_files"
        ).fetchall()
    written = {
        (day, entity, f"date={day}/{name}"): len(lines)
        for day, entities in shop.deliveries().items()
        if day <= NIGHTS[-1]
        for entity, files in entities.items()
        for name, lines in files.items()
    }
    assert {row[:3]: row[3] for row in booked} == written
    assert all(row[3] == row[4] for row in booked)
    again = next(row for row in booked if row[2].endswith("again.jsonl"))
    assert again[5] == again[3] - 1  # every line was delivered yesterday but the torn one, which is quarantined
    assert sum(row[6] for row in booked) > len(NIGHTS)


def test_a_night_says_the_books_of_each_file(after_history: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    said: list[str] = []
    batch = night.night(NIGHTS[0])
    for step in (STEPS["preprocess"], audit_step("landing"), audit_step("events"), STEPS["publish-lake"]):
        run_step(settings_of(home), step, batch, said.append)
    books = next(line for line in said if "again.jsonl" in line)
    rows_in = len(shop.deliveries()[NIGHTS[0]]["events"]["again.jsonl"])
    assert f"{rows_in} rows in = 0 published + {rows_in - 1} deduplicated + 1 quarantined" in books


@pytest.mark.slow
def test_the_same_nights_in_another_workspace_end_equal(after_history: Path, clean: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    nights(home)
    assert hashes(home) == hashes(clean)


def test_nights_in_another_order_end_equal(after_history: Path, clean: Path, copy_of: Copy) -> None:
    """Law 5, scores included: a night filled in behind later ones brings those level."""
    home = copy_of(after_history)
    nights(home, (NIGHTS[1], NIGHTS[0]))
    assert hashes(home) == hashes(clean)


def test_one_history_pass_ends_equal_to_nights(clean: Path, tmp_path: Path) -> None:
    """Law 5 without scores, which history does not make; late files and a redelivery are among the landing files."""
    home = tmp_path / "home"
    shop.land(home)
    history(home, NIGHTS[-1])
    scored = [t for t in hashes(clean) if t.startswith("scores.")]
    marts = ("marts.recommendations", "marts.recommendation_history", "marts.visitor_recommendations")
    forecasts = ("marts.customer_propensity", "marts.next_basket")
    without = (*scored, *marts, *forecasts, "marts.similar_items")
    assert hashes(home, without) == hashes(clean, without)


@pytest.mark.slow
def test_history_in_two_overlapping_passes_ends_equal(clean: Path, after_history: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    first = HISTORY_UNTIL - timedelta(2)
    night.run_history(settings_of(home), first, NIGHTS[-1], None, None, None, quiet)
    lake_tables = [t for t in hashes(clean) if t.startswith(("lake.", "raw.", "features."))]
    assert {t: hashes(home)[t] for t in lake_tables} == {t: hashes(clean)[t] for t in lake_tables}


def test_nothing_of_a_night_depends_on_what_comes_later(after_history: Path, clean: Path, copy_of: Copy) -> None:
    """Law 4: shuffle and replace everything delivered after the night; not one byte of the night changes."""
    night_hashes = {}
    for name, disturb in (("as it was", False), ("another future", True)):
        home = copy_of(after_history)
        if disturb:
            _another_future(home, after=NIGHTS[0])
        # The future is already in the lake when the night is scored: only the as-of filters keep it out.
        _future_to_lake(home)
        night.run_night(settings_of(home), NIGHTS[0], None, None, None, quiet)
        night_hashes[name] = _scores_of(home, NIGHTS[0])
        shutil.rmtree(home)
    assert night_hashes["as it was"] == night_hashes["another future"]
    assert night_hashes["as it was"] == _scores_of(clean, NIGHTS[0])
    assert len(night_hashes["as it was"]) > len(shop.USERS)


def _another_future(home: Path, after: date) -> None:
    rng = random.Random(1)
    for folder in (home / "landing" / "tiny" / "events").iterdir():
        if date.fromisoformat(folder.name.removeprefix("date=")) <= after:
            continue
        for file in folder.iterdir():
            lines = file.read_text().splitlines()
            items = list(shop.ITEMS)
            rng.shuffle(items)
            changed = [line.replace('"item_id": "i', f'"item_id": "{items[n % 15]}x') for n, line in enumerate(lines)]
            file.write_text("\n".join(changed) + "\n")


def _future_to_lake(home: Path) -> None:
    for day in NIGHTS[1:]:
        batch = night.night(day)
        for step in (STEPS["preprocess"], audit_step("landing"), audit_step("events"), STEPS["publish-lake"]):
            run_step(settings_of(home), step, batch, quiet)


def _scores_of(home: Path, day: date) -> list[tuple]:
    with open_warehouse(settings_of(home), read_only=True) as connection:
        return connection.execute(
            "select user_id, rank, item_id, score, reason, model_name, model_version from scores.recommendations"
            " where scored_for = ? order by all",
            [day],
        ).fetchall()


def test_a_failed_audit_publishes_nothing_and_says_why(after_history: Path, copy_of: Copy) -> None:
    """Law 7: more torn lines than the limit stop the night; BI keeps the last one; a person may accept them."""
    home = copy_of(after_history)
    folder = home / "landing" / "tiny" / "events" / f"date={NIGHTS[0]}"
    (folder / "broken.jsonl").write_text('{"torn\n' * 101)
    before, lake_before = settings_of(home).bi.read_bytes(), lake.version(settings_of(home))

    with pytest.raises(AuditFailed) as failure:
        night.run_night(settings_of(home), NIGHTS[0], None, None, None, quiet)

    assert "\n" not in str(failure.value)
    assert str(NIGHTS[0]) in str(failure.value)
    assert settings_of(home).bi.read_bytes() == before
    assert lake.version(settings_of(home)) == lake_before
    with open_warehouse(settings_of(home), read_only=True) as connection:
        recorded = connection.execute(
            "select step, error from ops.runs where status = 'failed' and night = ?", [str(NIGHTS[0])]
        ).fetchall()
    assert recorded == [("audit-landing", str(failure.value))]
    with pytest.raises(AuditFailed):  # not even by hand
        run_step(settings_of(home), STEPS["publish-lake"], night.night(NIGHTS[0]), quiet)

    night.run_night(settings_of(home), NIGHTS[0], None, None, "known bad export, ticket 7", quiet)
    assert bi.current_night(settings_of(home)) == NIGHTS[0]
    with open_warehouse(settings_of(home), read_only=True) as connection:
        overrides = connection.execute("select night, entity, reason from ops.overrides").fetchall()
    assert overrides == [(str(NIGHTS[0]), "events", "known bad export, ticket 7")]


def test_every_known_user_gets_a_full_list_with_reasons(clean: Path) -> None:
    with open_bi(settings_of(clean).bi) as connection:
        lists = connection.execute(
            "select user_id, count(*), count(distinct item_id), min(rank), max(rank), count(reason)"
            " from marts.recommendations group by all"
        ).fetchall()
    catalogue = len(shop.ITEMS)  # smaller than top_k: the lists are as long as the catalogue, and that is counted
    assert {row[0] for row in lists} == set(shop.USERS)
    assert all(row[1:] == (catalogue, catalogue, 1, catalogue, catalogue) for row in lists)
    with open_warehouse(settings_of(clean), read_only=True) as connection:
        short = connection.execute(
            "select sum(users) from scores.short_lists where scored_for = ?", [NIGHTS[-1]]
        ).fetchall()
    assert short == [(len(shop.USERS),)]


def test_a_closed_day_is_an_empty_published_night_and_a_missing_file_is_not(after_history: Path, copy_of: Copy) -> None:
    home = copy_of(after_history)
    open_day = NIGHTS[0]
    shutil.rmtree(home / "landing" / "tiny" / "events" / f"date={open_day}")
    with pytest.raises(Exception, match=f"no events file has landed for {open_day}"):
        night.run_night(settings_of(home), open_day, None, None, None, quiet)
    shop.close_on(home, open_day)
    night.run_night(settings_of(home), open_day, None, None, None, quiet)
    assert bi.current_night(settings_of(home)) == open_day
