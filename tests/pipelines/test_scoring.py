"""A night's scores on a small lake: content, determinism, no future, the champion, and one transaction for all."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from models.artefact import load_artefact
from models.registry import Promotion
from models.registry import promote as append
from pipelines import staging
from pipelines.contracts import (
    SCORE_TABLES,
    SCORES_RECOMMENDATIONS,
    SCORES_SHORT_LISTS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
)
from pipelines.errors import NightmarketError, Superseded
from pipelines.fence import take
from pipelines.scoring import score, scored_nights_after
from pipelines.settings import Settings, night
from pipelines.training import train
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake, fill_products, fill_users

NIGHT = MONDAY + timedelta(29)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    chosen = Settings(home=tmp_path, training_days=30, test_days=10, top_k=5)
    fill_lake(chosen, seasonal_rows(users=40, items=12, days=30))
    return chosen


def run(settings: Settings, night: date = NIGHT) -> dict:
    return score(settings, night, take(settings, "score", str(night)))


def rows(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def content(settings: Settings, night: date = NIGHT) -> dict[str, list[tuple]]:
    """All score tables of a night without the columns a table hash leaves out."""
    with open_warehouse(settings, read_only=True) as connection:
        found = {}
        for table in SCORE_TABLES:
            names = ", ".join(n for n in table.names if n not in table.volatile)
            sql = f"select {names} from {table.name} where scored_for = ? order by all"
            found[table.name] = connection.execute(sql, [night]).fetchall()
    return found


def test_nothing_is_scored_while_a_batch_is_partly_in_the_lake(settings: Settings) -> None:
    staging.mark_partial(settings, night(NIGHT))
    with pytest.raises(NightmarketError, match=f"{NIGHT} is only partly in the lake"):
        run(settings)
    assert scored_nights_after(settings, NIGHT - timedelta(1)) == []


def test_every_known_user_gets_a_full_list_with_reasons(settings: Settings) -> None:
    fill_users(settings, {"newcomer": {}})
    result = run(settings)
    assert (result["users"], result["short_lists"]) == (41, 0)
    sizes = rows(
        settings,
        f"select count(*), min(rank), max(rank), count(distinct item_id) from {SCORES_RECOMMENDATIONS.name}"
        " group by user_id",
    )
    assert sizes == [(5, 1, 5, 5)] * 41
    empty = rows(
        settings,
        f"select count(*) from {SCORES_RECOMMENDATIONS.name} where reason is null or reason = '' or run_id is null",
    )
    assert empty == [(0,)]
    newcomer = rows(
        settings,
        f"select item_id, reason_type from {SCORES_RECOMMENDATIONS.name} where user_id = 'newcomer' order by rank",
    )
    visitors = rows(settings, f"select item_id from {SCORES_VISITORS.name} where segment = 'all' order by rank")
    assert [row[0] for row in newcomer] == [row[0] for row in visitors]
    assert {row[1] for row in newcomer} == {"popular_this_week"}


def test_who_came_only_before_the_window_gets_the_popular_list(settings: Settings) -> None:
    fill_lake(settings, [("old_friend", "i003", 0), ("reader", "i004", 0, "view")])
    run(replace(settings, training_days=20))
    found = rows(
        settings,
        f"select user_id, count(*), min(reason_type), max(reason_type) from {SCORES_RECOMMENDATIONS.name}"
        " where user_id in ('old_friend', 'reader') group by 1 order by 1",
    )
    assert found == [(user, 5, "popular_this_week", "popular_this_week") for user in ("old_friend", "reader")]


def test_no_list_is_longer_than_top_k(settings: Settings) -> None:
    run(replace(settings, top_k=3))
    for table in (SCORES_RECOMMENDATIONS, SCORES_VISITORS, SCORES_SIMILAR):
        assert rows(settings, f"select max(rank) from {table.name}") == [(3,)]


def test_scores_fall_with_the_rank(settings: Settings) -> None:
    run(settings)
    for table, owner in (
        (SCORES_RECOMMENDATIONS, "user_id"),
        (SCORES_VISITORS, "segment"),
        (SCORES_SIMILAR, "item_id"),
    ):
        rising = rows(
            settings,
            f"select count(*) from (select score > lag(score) over (partition by {owner} order by rank) as up"
            f" from {table.name}) where up",
        )
        assert rising == [(0,)]


def test_a_reason_names_an_item_of_the_users_own_history_by_its_title(settings: Settings) -> None:
    fill_products(settings, [{"item_id": f"i{n:03d}", "title": f"Thing {n}"} for n in range(12)])
    run(settings)
    history = {(user, item) for user, item, _ in seasonal_rows(users=40, items=12, days=30)}
    found = rows(
        settings,
        f"select user_id, item_id, reason_item_id, reason_type, reason from {SCORES_RECOMMENDATIONS.name}"
        " where reason_item_id is not null",
    )
    assert {row[3] for row in found} >= {"because_you_bought", "you_buy_it_often"}
    for user, item, source, kind, reason in found:
        assert (user, source) in history
        if kind == "because_you_bought":
            assert reason == f"because you bought Thing {int(source[1:])}"
        else:
            assert item == source


def test_a_view_is_not_called_a_purchase(settings: Settings) -> None:
    fill_lake(settings, [("looker", "i001", 28, "view")], landed=MONDAY + timedelta(28))
    run(settings)
    kinds = rows(
        settings,
        f"select distinct reason_type from {SCORES_RECOMMENDATIONS.name} where user_id = 'looker'"
        " and reason_item_id is not null",
    )
    assert kinds == [("because_you_viewed",)]


def test_similar_items_cover_what_was_sold_and_say_so(settings: Settings) -> None:
    run(settings)
    found = rows(settings, f"select item_id, similar_item_id, reason_item_id, reason from {SCORES_SIMILAR.name}")
    assert {row[0] for row in found} == {f"i{n:03d}" for n in range(12)}
    assert all(a != b and a == source and reason == f"often bought with {a}" for a, b, source, reason in found)


def kettles(settings: Settings) -> None:
    """i000 to i002 are kettles, the others lamps; a kettle and a lamp come new on the night."""
    kinds = [f"{'copper kettle' if n < 3 else 'paper lamp'} number {n}" for n in range(12)]
    fill_products(settings, [{"item_id": f"i{n:03d}", "title": title} for n, title in enumerate(kinds)])
    new = [{"item_id": "new1", "title": "copper kettle large"}, {"item_id": "new2", "title": "paper lamp large"}]
    fill_products(settings, new, landed=NIGHT)


def test_a_new_item_like_what_sold_enters_the_right_lists_that_night(settings: Settings) -> None:
    kettles(settings)
    fill_lake(settings, [("brewer", "i001", 28), ("reader", "i005", 28)], landed=NIGHT)
    run(settings)
    found = rows(
        settings,
        f"select user_id, rank, item_id, reason_type, reason_item_id, reason from {SCORES_RECOMMENDATIONS.name}"
        " where item_id like 'new%' and user_id in ('brewer', 'reader') order by 1",
    )
    assert found == [
        ("brewer", 3, "new1", "new_and_similar", "i001", "new and similar to copper kettle number 1"),
        ("reader", 3, "new2", "new_and_similar", "i005", "new and similar to paper lamp number 5"),
    ]
    most = rows(
        settings,
        f"select max(n) from (select count(*) as n from {SCORES_RECOMMENDATIONS.name}"
        " where reason_type = 'new_and_similar' group by user_id)",
    )
    assert most == [(2,)]


def test_before_it_is_delivered_or_without_places_a_new_item_is_in_no_list(settings: Settings) -> None:
    kettles(settings)
    new = f"select count(*) from {SCORES_RECOMMENDATIONS.name} where reason_type = 'new_and_similar'"
    run(replace(settings, new_item_places=0))
    assert rows(settings, new) == [(0,)]
    run(settings, NIGHT - timedelta(1))
    assert rows(settings, f"{new} and scored_for = '{NIGHT - timedelta(1)}'") == [(0,)]


def test_a_new_item_stands_beside_what_it_is_like_and_has_a_list_of_its_own(settings: Settings) -> None:
    kettles(settings)
    run(settings)
    found = rows(
        settings,
        f"select item_id, similar_item_id, reason_type, reason from {SCORES_SIMILAR.name}"
        " where similar_item_id = 'new1' or item_id = 'new1' order by item_id, rank",
    )
    beside = [row for row in found if row[0] != "new1"]
    assert [row[:3] for row in beside] == [(f"i00{n}", "new1", "new_and_similar") for n in range(3)]
    assert beside[0][3] == "new and similar to copper kettle number 0"
    own = [row for row in found if row[0] == "new1"]
    assert {row[1] for row in own} == {"i000", "i001", "i002"}
    assert {row[2:] for row in own} == {("similar_to", "similar to copper kettle large")}


def test_what_somebody_new_looks_at_steers_their_list_that_night(settings: Settings) -> None:
    viewed = ("i000", "i001", "i002")
    together = [(f"pair{n}", item, day) for n in range(8) for day, item in ((26, "i000"), (27, "i011"))]
    fill_lake(settings, together, landed=MONDAY + timedelta(27))
    fill_lake(settings, [("fresh", item, 29, "view") for item in viewed], landed=NIGHT)
    fill_users(settings, {"silent": {}})
    run(settings)
    listed = {
        user: rows(
            settings,
            f"select item_id, reason_type from {SCORES_RECOMMENDATIONS.name} where user_id = '{user}' order by rank",
        )
        for user in ("fresh", "silent")
    }
    assert listed["fresh"] != listed["silent"]
    assert "i011" in [item for item, _ in listed["fresh"]]
    assert ("because_you_viewed") in {kind for _, kind in listed["fresh"]}
    assert {kind for _, kind in listed["silent"]} == {"popular_this_week"}


def test_segments_with_enough_buyers_get_a_list(settings: Settings) -> None:
    country = {f"u{n:03d}": {"country": "France" if n < 20 else "Malta" if n < 39 else "Peru"} for n in range(40)}
    fill_users(settings, country)
    run(settings)
    assert rows(settings, f"select segment, count(*) from {SCORES_VISITORS.name} group by 1 order by 1") == [
        ("all", 5),
        ("country=France", 5),
    ]


def test_what_is_not_available_is_not_recommended_and_unsold_items_fill_up(settings: Settings) -> None:
    gone = [{"item_id": f"i{n:03d}", "available_to": NIGHT - timedelta(1)} for n in range(9)]
    soon = {"item_id": "soon", "available_from": NIGHT + timedelta(1)}
    fill_products(settings, [*gone, {"item_id": "fresh"}, soon])
    result = run(settings)
    listed = rows(settings, f"select distinct item_id from {SCORES_RECOMMENDATIONS.name} order by 1")
    assert listed == [("fresh",), ("i009",), ("i010",), ("i011",)]
    assert rows(
        settings, f"select distinct reason_type from {SCORES_RECOMMENDATIONS.name} where item_id = 'fresh'"
    ) == [("in_catalogue",)]
    assert result["short_lists"] == 40
    assert rows(settings, f"select reason, users, missing_rows from {SCORES_SHORT_LISTS.name}") == [
        ("fewer items available than top_k", 40, 40)
    ]


def test_without_repeats_nothing_bought_is_recommended_however_long_ago(settings: Settings) -> None:
    chosen = replace(settings, repeat_purchases=False, training_days=10)
    run(chosen)
    bought = {(user, item) for user, item, _ in seasonal_rows(users=40, items=12, days=30)}
    listed = set(rows(chosen, f"select user_id, item_id from {SCORES_RECOMMENDATIONS.name}"))
    assert listed
    assert not listed & bought


def test_without_repeats_a_short_list_is_counted_with_its_reason(settings: Settings) -> None:
    chosen = replace(settings, repeat_purchases=False)
    fill_lake(chosen, [("all", f"i{n:03d}", 20) for n in range(10)], landed=MONDAY + timedelta(20))
    run(chosen)
    found = rows(chosen, f"select reason, users from {SCORES_SHORT_LISTS.name}")
    assert [row[0] for row in found] == ["everything else already bought"]
    short = f"select count(*) from (select user_id from {SCORES_RECOMMENDATIONS.name} group by 1 having count(*) < 5)"
    assert found[0][1] == rows(chosen, short)[0][0]


def test_scoring_again_changes_nothing(settings: Settings) -> None:
    run(settings)
    first = content(settings)
    run(settings)
    assert content(settings) == first


def test_later_events_and_late_deliveries_change_no_byte(settings: Settings) -> None:
    run(settings)
    before = content(settings)
    later = [(f"u{n:03d}", "i000", 31) for n in range(40)]
    fill_lake(settings, later)
    fill_lake(settings, [("u000", "i011", 28)], landed=NIGHT + timedelta(2))
    fill_products(
        settings, [{"item_id": "i000", "title": "later", "available_to": MONDAY}], landed=NIGHT + timedelta(1)
    )
    fill_users(settings, {"tomorrow": {}}, landed=NIGHT + timedelta(1))
    run(settings)
    assert content(settings) == before
    run(settings, NIGHT + timedelta(2))
    assert content(settings, NIGHT + timedelta(2))[SCORES_VISITORS.name] != before[SCORES_VISITORS.name]


def test_the_champion_scores_only_nights_it_knew_nothing_of(settings: Settings) -> None:
    result = train(settings, "recommender", until=NIGHT - timedelta(5))
    version = result["versions"]["ease"]
    known = str(NIGHT - timedelta(5))
    append(settings.models, Promotion("recommender", "ease", version, result["cutoff"], known, "", ""))
    assert run(settings)["model_name"] == "ease"
    early = run(settings, NIGHT - timedelta(5))
    assert early["model_name"] == "starter"
    assert "no champion" in early["note"]
    assert scored_nights_after(settings, NIGHT - timedelta(5)) == [NIGHT]


def test_a_changed_champion_is_refused(settings: Settings) -> None:
    result = train(settings, "recommender", until=NIGHT - timedelta(5))
    version = result["versions"]["ease"]
    append(settings.models, Promotion("recommender", "ease", version, "2024-05-01", "2024-05-02", "", ""))
    (settings.models / "recommender" / version / "model.pkl").write_bytes(b"cos\nsystem\n(S'exit'\ntR.")
    with pytest.raises(NightmarketError, match=r"night 2024-06-04: .* refused, unknown file model.pkl"):
        run(settings)


def test_the_fitted_night_is_kept_and_named_in_every_row(settings: Settings) -> None:
    result = run(settings)
    folder = settings.models / "recommender" / "nightly" / str(NIGHT)
    assert [path.name for path in folder.iterdir()] == [result["model_version"]]
    assert load_artefact(folder / result["model_version"])[1]["cutoff"] == str(NIGHT)
    versions = rows(settings, f"select distinct model_name, model_version, run_id from {SCORES_RECOMMENDATIONS.name}")
    assert versions == [("starter", result["model_version"], f"score-{NIGHT}-1")]


def test_only_the_newest_fitted_nights_are_kept(settings: Settings) -> None:
    chosen = replace(settings, keep_nights=2)
    for back in (3, 2, 1):
        run(chosen, NIGHT - timedelta(back))
    kept = sorted(path.name for path in (settings.models / "recommender" / "nightly").iterdir())
    assert kept == [str(NIGHT - timedelta(2)), str(NIGHT - timedelta(1))]


def test_a_superseded_attempt_writes_nothing(settings: Settings) -> None:
    old = take(settings, "score", str(NIGHT))
    take(settings, "score", str(NIGHT))
    with pytest.raises(Superseded):
        score(settings, NIGHT, old)
    assert scored_nights_after(settings, MONDAY) == []


def test_a_failure_before_the_commit_leaves_the_night_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings)
    before = content(settings)
    fill_lake(settings, [("u000", "i011", 28)], landed=NIGHT)

    def fail(name: str) -> None:
        if name == "score.written":
            raise RuntimeError("power cut")

    monkeypatch.setattr("pipelines.scoring.fault_point", fail)
    with pytest.raises(RuntimeError):
        run(settings)
    assert content(settings) == before
    monkeypatch.undo()
    run(settings)
    assert content(settings) != before


def test_a_night_without_any_event_is_scored_empty(tmp_path: Path) -> None:
    result = run(Settings(home=tmp_path))
    assert (result["rows"], result["users"]) == (0, 0)


def test_no_warehouse_means_no_later_nights(tmp_path: Path) -> None:
    assert scored_nights_after(Settings(home=tmp_path), NIGHT) == []
