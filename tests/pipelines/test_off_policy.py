"""A challenger held against lists that were shown: better, worse, the same, and too little to say so.

Shoppers click what they often buy with probability .5 and all else with .05, so what a model would earn is known.
"""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from models.recommender import floors
from models.recommender.configs import CONFIGS
from models.recommender.saved import load, save
from models.registry import Promotion, promote
from pipelines.off_policy import Judged, _evaluated, _impressions, judge
from pipelines.scoring.known import known_by
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake, fill_products, fill_users
from tests.pipelines.ruled_shop import catalogue, write_rules
from tests.pipelines.scored import NIGHT, rows, run

CUTOFF = NIGHT - timedelta(9)
NIGHTS = [NIGHT + timedelta(n) for n in range(3)]
SOLD = seasonal_rows(users=150, items=12, days=30)
OFTEN = {
    user: {item for item, _ in Counter(item for who, item, _ in SOLD if who == user).most_common(3)}
    for user in {row[0] for row in SOLD}
}
RULES = """
rules:
  - {name: no third, deny: {items: [i003]}}
  - {name: fifth first, pin: i005, place: 4, until: 2030-01-01, segment: {country: France}}
  - {name: two of a kind, at_most: 2, of_each: category}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        home=tmp_path_factory.mktemp("shop"), training_days=30, test_days=10, top_k=5, exploration_share=0.5
    )
    fill_lake(settings, SOLD)
    fill_products(settings, catalogue())
    fill_users(settings, {user: {"country": "France" if int(user[1:]) % 2 else "Malta"} for user in OFTEN})
    return settings


def saved(settings: Settings, name: str) -> str:
    """The version of a floor as a training run would have left it."""
    data = known_by(settings, CUTOFF).data
    return save(
        settings.models / "recommender", name, CONFIGS[name], CUTOFF, data.items, floors.fit(data, CONFIGS[name])
    )


def chance(user: str, item: str) -> float:
    return 0.5 if item in OFTEN[user] else 0.05


def shown_by(settings: Settings, name: str, most: int = 10**6) -> None:
    """Three nights of this champion's lists, each place of them shown once, clicked as shoppers do."""
    version = saved(settings, name)
    promote(settings.models, Promotion("recommender", name, version, str(CUTOFF), str(CUTOFF), "2024", "a test"))
    for night in NIGHTS:
        run(settings, night)
    listed = rows(
        settings,
        "select scored_for, user_id, rank, item_id, propensity, model_version from scores.recommendations order by all",
    )
    draw = np.random.default_rng(1)
    with open_warehouse(settings) as connection:
        connection.execute("create schema if not exists intermediate")
        connection.execute(
            "create or replace table intermediate.int_shown_place (scored_for date, listed_kind text,"
            " listed_owner text, rank integer, position bigint, event_date date, event_id text, propensity double,"
            " clicks integer, model_version text)"
        )
        for night, user, rank, item, given, by in listed[:most]:
            connection.execute(
                "insert into intermediate.int_shown_place values (?, 'user', ?, ?, ?, ?, ?, ?, ?, ?)",
                [night, user, rank, rank, night, f"{user}{rank}", given, int(draw.random() < chance(user, item)), by],
            )
        connection.execute(
            "create or replace table intermediate.int_impression_day as"
            " select listed_owner, cast(scored_for as text) as listed_for from intermediate.int_shown_place"
        )


def judged(settings: Settings, name: str) -> Judged:
    found = judge(settings, name, saved(settings, name), CUTOFF)
    assert found is not None
    return found


def listed_places(settings: Settings) -> list[tuple]:
    columns = "scored_for, user_id, rank, item_id"
    return rows(settings, f"select {columns} from scores.recommendations order by scored_for, user_id, rank")


def ranked(settings: Settings, name: str, places: int) -> dict[tuple[date, str], list[str]]:
    """Each night's lists of this model without anything drawn, `places` long, by night and user."""
    shown_by(replace(settings, exploration_share=0.0, top_k=places), name)
    found: dict[tuple[date, str], list[str]] = {}
    for night, user, _, item in listed_places(settings):
        found.setdefault((night, user), []).append(item)
    return found


def truth(settings: Settings, champion: str, challenger: str) -> float:
    """Clicks an impression of the challenger's choices at the places that `champion`'s lists leave open, worked out
    from whole rankings: all twelve items may be drawn that are not in the list. The warehouse holds the shown lists.
    """
    wanted, listed = ranked(settings, challenger, 12), ranked(settings, champion, 5)
    shown_by(settings, champion)
    seen: dict[tuple[date, str], set[str]] = {}
    earned = []
    for night, user, rank, item in listed_places(settings):
        whole = listed[night, user]
        if rank > 2:
            gone = {*whole} - {whole[rank - 1]} | seen[night, user]
            earned.append(chance(user, next(one for one in wanted[night, user] if one not in gone)))
        seen.setdefault((night, user), set()).add(item)
    return float(np.mean(earned))


@pytest.mark.parametrize(
    ("champion", "challenger", "better"),
    [("popular_7_days", "frequent_items", True), ("frequent_items", "popular_7_days", False)],
)
def test_a_better_challenger_passes_and_a_worse_one_does_not(
    shop: Settings, champion: str, challenger: str, better: bool
) -> None:
    would_have = truth(shop, champion, challenger)
    found = judged(shop, challenger)
    assert found.line is not None
    assert found.line.passed == better
    assert found.sentence.startswith("not promoted: ") != better
    assert (found.line.low > 0) == better
    assert found.line.reference + found.line.low < would_have < found.line.reference + found.line.high
    assert found.line.users == 150


def test_nights_that_would_be_shown_otherwise_by_now_are_no_evidence(shop: Settings) -> None:
    shown_by(shop, "frequent_items")
    with open_warehouse(shop) as connection:
        connection.execute("update intermediate.int_shown_place set model_version = 'another' where rank = 4")
    found = judged(shop, "popular_7_days")
    assert found.line is None
    assert "450 of 1,350 could not be shown again" in found.sentence


def test_too_few_clicks_or_no_drawn_place_is_said(shop: Settings) -> None:
    shown_by(shop, "popular_7_days", most=60)
    few = judged(shop, "frequent_items")
    assert few.line is None
    assert "36 impressions" in few.sentence
    assert "fewer than 100 clicks" in few.sentence
    shown_by(replace(shop, exploration_share=0.0), "frequent_items")
    none = judged(shop, "popular_7_days")
    assert none.line is None
    assert "none at a place that may be drawn" in none.sentence


def test_a_shop_without_impressions_is_asked_nothing(tmp_path: Path, shop: Settings) -> None:
    assert judge(replace(shop, home=tmp_path), "blend", "none", MONDAY) is None
    with open_warehouse(replace(shop, home=tmp_path)):  # a warehouse that dbt has not built in
        pass
    assert judge(replace(shop, home=tmp_path), "blend", "none", MONDAY) is None


@pytest.mark.parametrize("rules", ["", RULES])
def test_the_champion_itself_would_have_chosen_what_it_ranked_there(shop: Settings, rules: str) -> None:
    """So it differs from what was shown just where a place was drawn. Nights keep their rules, so this comes last."""
    settings = replace(shop, rules="other.yaml" if rules else "")
    if rules:
        write_rules(settings, rules)
        with open_warehouse(settings) as connection:
            connection.execute("delete from scores.recommendations")
    shown_by(settings, "item_knn")
    shown = _impressions(settings, CUTOFF)
    shown = shown.filter(pc.less(shown["propensity"], 1))
    found = _evaluated(settings, load(settings.models / "recommender" / saved(settings, "item_knn")), shown)
    ranked_there = np.isclose(shown["propensity"].to_numpy(), 0.5)
    clicks = shown["clicks"].to_numpy()
    assert 0.3 < ranked_there.mean() < 0.7
    assert found.overlap.rows == len(shown) > 900
    assert found.estimates["ips"].value == pytest.approx((clicks * ranked_there / 0.5).mean())
