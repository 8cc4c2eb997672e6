"""A challenger held against lists that were shown: better, worse, the same, and too little to say so.

Shoppers click what they often buy with probability .8 and all else with .02, so what a model would earn is known.
"""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.recommender import floors
from models.recommender.configs import CONFIGS
from models.recommender.saved import load, save
from models.registry import Promotion, promote
from pipelines.off_policy import Judged, _choices, _evaluated, _impressions, judge
from pipelines.scoring.known import known_by
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake, fill_products, fill_users
from tests.pipelines.ruled_shop import catalogue, write_rules
from tests.pipelines.scored import NIGHT, rows, run

pytestmark = pytest.mark.xdist_group("off-policy")  # one worker makes what the tests of this file share

CUTOFF = NIGHT - timedelta(9)
SOLD = seasonal_rows(users=1000, items=12, days=30)
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
        home=tmp_path_factory.mktemp("shop"), training_days=30, test_days=10, top_k=5, exploration_share=0.7
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
    return 0.8 if item in OFTEN[user] else 0.02


def scored_by(settings: Settings, name: str) -> list[tuple]:
    """The night's places as this champion fills them: user, rank, item, propensity, version."""
    version = saved(settings, name)
    promote(settings.models, Promotion("recommender", name, version, str(CUTOFF), str(CUTOFF), "2024", "a test"))
    run(settings)
    columns = "user_id, rank, item_id, propensity, model_version"
    return rows(settings, f"select {columns} from scores.recommendations order by user_id, rank")


def shown_by(settings: Settings, name: str, most: int = 10**6) -> None:
    """A night's lists of this champion, each place of them shown once, clicked as shoppers do."""
    draw = np.random.default_rng(1)
    shown = [
        {
            "scored_for": NIGHT, "listed_kind": "user", "listed_owner": user, "rank": rank, "position": rank,
            "event_date": NIGHT, "event_id": f"{user}{rank}", "propensity": given, "model_version": by,
            "clicks": int(draw.random() < chance(user, item)),
        }
        for user, rank, item, given, by in scored_by(settings, name)[:most]
    ]  # fmt: skip
    with open_warehouse(settings) as connection:
        connection.execute("create schema if not exists intermediate")
        connection.execute(
            "create or replace table intermediate.int_shown_place (scored_for date, listed_kind text,"
            " listed_owner text, rank integer, position bigint, event_date date, event_id text, propensity double,"
            " clicks integer, model_version text)"
        )
        connection.insert("intermediate.int_shown_place", pa.Table.from_pylist(shown))
        connection.execute(
            "create or replace table intermediate.int_impression_day as"
            " select listed_owner, cast(scored_for as text) as listed_for from intermediate.int_shown_place"
        )


def judged(settings: Settings, name: str) -> Judged:
    found = judge(settings, name, saved(settings, name), CUTOFF)
    assert found is not None
    return found


def ranked(settings: Settings, name: str, places: int) -> dict[str, list[str]]:
    """Each user's list of this model without anything drawn, `places` long."""
    found: dict[str, list[str]] = {}
    for user, _, item, *_ in scored_by(replace(settings, exploration_share=0.0, top_k=places), name):
        found.setdefault(user, []).append(item)
    return found


def truth(settings: Settings, champion: str, challenger: str) -> tuple[float, list[bool]]:
    """Clicks an impression of the challenger's choices at the places that `champion`'s lists leave open, and at which
    of them that was shown; worked out from whole rankings: all fifteen items may be drawn that are not in the list.
    Shows the champion's lists.
    """
    wanted, listed = ranked(settings, challenger, 15), ranked(settings, champion, 5)
    shown_by(settings, champion)
    above: dict[str, set[str]] = {user: set() for user in listed}
    earned, same = [], []
    for user, rank, item in rows(settings, "select user_id, rank, item_id from scores.recommendations order by 1, 2"):
        if rank > 2:
            gone = {*listed[user]} - {listed[user][rank - 1]} | above[user]
            choice = next(one for one in wanted[user] if one not in gone)
            earned.append(chance(user, choice))
            same.append(choice == item)
        above[user].add(item)
    return float(np.mean(earned)), same


@pytest.mark.parametrize(
    ("champion", "challenger", "better"),
    [("popular_7_days", "frequent_items", True), ("frequent_items", "popular_7_days", False)],
)
def test_a_better_challenger_passes_and_a_worse_one_does_not(
    shop: Settings, champion: str, challenger: str, better: bool
) -> None:
    would_have, same = truth(shop, champion, challenger)
    shown = _impressions(shop, CUTOFF)
    made = _choices(
        shop,
        load(shop.models / "recommender" / saved(shop, challenger)),
        NIGHT,
        shown.filter(pc.less(shown["propensity"], 1)),
    )
    assert made.able.all()
    assert made.same.tolist() == same
    found = judged(shop, challenger)
    assert found.line is not None
    assert found.line.passed == better
    assert found.sentence.startswith("not promoted: ") != better
    assert (found.line.low > 0) == better
    # one draw of clicks: the truth lies in an interval of twice the width, 99.99 %
    width = found.line.high - found.line.low
    assert abs(found.line.challenger - would_have) < width
    assert found.line.users == 1000


def test_nights_that_would_be_shown_otherwise_by_now_are_no_evidence(shop: Settings) -> None:
    shown_by(shop, "frequent_items")
    with open_warehouse(shop) as connection:
        connection.execute("update intermediate.int_shown_place set model_version = 'another' where rank = 4")
    found = judged(shop, "popular_7_days")
    assert found.line is None
    assert "1,000 of 3,000 could not be shown again" in found.sentence


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
    ranked_there = np.isclose(shown["propensity"].to_numpy(), 0.3)
    clicks = shown["clicks"].to_numpy()
    assert 0.2 < ranked_there.mean() < 0.4
    assert found.overlap.rows == len(shown) > 900
    assert found.estimates["ips"].value == pytest.approx((clicks * ranked_there / 0.3).mean())
