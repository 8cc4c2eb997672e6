"""A share of a night's places drawn instead of ranked: none where it is off, the same again, logged as drawn."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.settings import Settings
from tests.models.shop import MONDAY
from tests.pipelines.learning import fill_lake
from tests.pipelines.scored import NIGHT, content, open_shop, rows, run

SHARE = 0.25
NAME = SCORES_RECOMMENDATIONS.name


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return open_shop(tmp_path)


def test_without_a_share_everything_is_certain(settings: Settings) -> None:
    run(settings)
    assert rows(settings, f"select distinct propensity, is_explored from {NAME}") == [(1.0, False)]


def test_drawn_places_are_logged_with_their_chance_and_all_others_stay(settings: Settings) -> None:
    run(settings)
    ranked = {(row[0], row[1]): row[2:] for row in _lists(settings)}
    before = content(settings)
    run(replace(settings, exploration_share=SHARE))
    drawn = _lists(settings)
    assert len(drawn) == len(ranked)
    places: Counter[bool] = Counter()
    for user, rank, item, score, reason, propensity, is_explored in drawn:
        if rank <= 2:
            assert propensity == 1
        elif is_explored:
            # twelve items, five of them listed: seven may be drawn, one less after each draw above
            assert any(propensity == pytest.approx(SHARE / left) for left in (7, 6, 5))
            assert (score, reason) == (0, "something else to discover")
        else:
            assert propensity == 1 - SHARE
        if rank > 2:
            places[is_explored] += 1
        if not is_explored:
            assert (item, score, reason) == ranked[user, rank][:3]
    assert 0.1 < places[True] / places.total() < 0.4
    assert len({(row[0], row[2]) for row in drawn}) == len(drawn)
    after = content(settings)
    assert {name for name in before if before[name] != after[name]} == {NAME}


def test_a_replay_draws_the_same_and_later_events_change_nothing(settings: Settings) -> None:
    explored = replace(settings, exploration_share=SHARE)
    run(explored)
    first = content(explored)
    run(explored)
    assert content(explored) == first
    fill_lake(settings, [("u000", "i003", (NIGHT - MONDAY).days + 1), ("late", "i009", (NIGHT - MONDAY).days + 2)])
    run(explored)
    assert content(explored) == first


def test_another_night_draws_other_places(settings: Settings) -> None:
    explored = replace(settings, exploration_share=SHARE)
    for night in (NIGHT, MONDAY + (NIGHT - MONDAY) // 2):
        run(explored, night)
    found = rows(
        settings, f"select scored_for, list((user_id, rank) order by all) from {NAME} where is_explored group by 1"
    )
    assert found[0][1] != found[1][1]


def _lists(settings: Settings) -> list[tuple]:
    columns = "user_id, rank, item_id, score, reason, propensity, is_explored"
    return rows(settings, f"select {columns} from {NAME} order by user_id, rank")
