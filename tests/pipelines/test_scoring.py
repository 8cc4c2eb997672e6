"""A night's scores on a small lake: what stands in its lists, and why."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.contracts import (
    SCORES_RECOMMENDATIONS,
    SCORES_SHORT_LISTS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
)
from pipelines.settings import Settings
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake, fill_products, fill_users
from tests.pipelines.scored import NIGHT, open_shop, rows, run


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return open_shop(tmp_path)


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


def test_an_item_that_one_matrix_knows_nothing_of_is_left_to_the_next(settings: Settings) -> None:
    """Item-kNN, the heavier one, is silent about what fewer than five people had."""
    fill_lake(settings, [("one", "rare", 27), ("one", "i004", 28)], landed=MONDAY + timedelta(28))
    run(settings)
    found = rows(settings, f"select distinct similar_item_id from {SCORES_SIMILAR.name} where item_id = 'rare'")
    assert found == [("i004",)]


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
