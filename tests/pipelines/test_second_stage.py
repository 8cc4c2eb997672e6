"""The second stage inside a training run, as champion of a night, and the forecasts of a shop with a past."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.registry import Promotion
from models.registry import promote as append
from models.trees import NoTrees
from pipelines.contracts import (
    OPS_MODEL_METRICS,
    SCORES_NEXT_BASKET,
    SCORES_PROPENSITY,
    SCORES_RECOMMENDATIONS,
    Table,
)
from pipelines.errors import NightmarketError
from pipelines.fence import take
from pipelines.scoring import score
from pipelines.settings import Settings
from pipelines.training import train
from pipelines.training_run import Choices
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY
from tests.pipelines.learning import fill_lake, fill_products

DAYS = 250
LAST = MONDAY + timedelta(DAYS - 1)
QUICK = Choices(config="quick", epochs=1)


def rhythm_rows(users: int = 160, items: int = 40, seed: int = 5) -> list[tuple]:
    """Everybody comes on one weekday and buys each of their things again after its own number of weeks."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        weekday, end = int(draw.integers(7)), DAYS if draw.random() < 0.8 else int(draw.integers(30, DAYS))
        for item in draw.choice(items, 9, replace=False):
            first, period = int(draw.integers(5)) * 7 + weekday, int(draw.integers(2, 6)) * 7
            rows += [(f"u{user:03d}", f"i{item:02d}", day) for day in range(first, end, period)]
    return rows


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, mlflow_store: Path) -> Path:
    folder = tmp_path_factory.mktemp("rhythm")
    settings = Settings(home=folder)
    shutil.copytree(mlflow_store, settings.mlflow)
    fill_lake(settings, rhythm_rows())
    return folder


@pytest.fixture
def settings(home: Path, tmp_path: Path) -> Iterator[Settings]:
    shutil.copytree(home, tmp_path / "home")
    yield Settings(home=tmp_path / "home", training_days=120, test_days=14, top_k=5)


def run(settings: Settings, night: date = LAST) -> dict:
    return score(settings, night, take(settings, "score", str(night)))


def rows(settings: Settings, sql: str) -> list[tuple]:
    with open_warehouse(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def content(settings: Settings, table: Table) -> list[tuple]:
    names = ", ".join(n for n in table.names if n not in table.volatile)
    return rows(settings, f"select {names} from {table.name} where scored_for = '{LAST}' order by all")


def test_it_is_judged_beside_the_others_and_scores_a_night(settings: Settings) -> None:
    said: list[str] = []
    until = LAST - timedelta(1)
    result = train(settings, "recommender", until=until, progress=said.append, choices=QUICK)
    assert any(line.startswith("ranker minus the blend: ") for line in said)
    metrics = {(row["model_name"], row["metric"], row["slice"]): row for row in result["metrics"]}
    assert metrics["ranker", "ndcg@10", "all"]["value"] > metrics["blend", "ndcg@10", "all"]["value"]
    assert 0 <= metrics["ranker", "calibration_error@10", "all"]["value"] < 0.2
    assert ("blend", "calibration_error@10", "all") not in metrics
    assert result["learning"]["second_stage"]["users"] > 60

    version = result["versions"]["ranker"]
    append(settings.models, Promotion("recommender", "ranker", version, result["cutoff"], result["until"], "", ""))
    scored = run(settings)
    assert scored["model_name"] == "ranker"
    shown = rows(settings, f"select distinct model_name, model_version from {SCORES_RECOMMENDATIONS.name}")
    assert shown == [("ranker", scored["model_version"])]
    chances = rows(settings, f"select min(score), max(score) from {SCORES_RECOMMENDATIONS.name}")
    assert 0 <= chances[0][0] < chances[0][1] < 1


def test_a_champion_with_trees_says_what_is_missing_to_read_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(settings, "recommender", until=LAST - timedelta(1), choices=QUICK)
    version = result["versions"]["ranker"]
    append(settings.models, Promotion("recommender", "ranker", version, result["cutoff"], result["until"], "", ""))

    def gone() -> None:
        raise NoTrees("LightGBM cannot be loaded (libgomp); apt-get install libgomp1")

    monkeypatch.setattr("models.trees.require", gone)
    with pytest.raises(NightmarketError, match=f"night {LAST}: LightGBM cannot be loaded .* apt-get install libgomp1"):
        run(settings)


def test_the_test_days_reach_no_tree(settings: Settings, tmp_path: Path) -> None:
    first = train(settings, "recommender", until=LAST, choices=QUICK)
    other = replace(settings, home=tmp_path / "other")
    cut = DAYS - settings.test_days
    future = [(f"u{n:03d}", "i00", DAYS - 1) for n in range(160)]
    fill_lake(other, [*(row for row in rhythm_rows() if row[2] < cut), *future])
    second = train(other, "recommender", until=LAST, choices=QUICK)
    assert first["versions"]["ranker"] == second["versions"]["ranker"]


def test_the_forecasts_of_a_shop_with_a_past(settings: Settings) -> None:
    result = run(settings)
    assert result["propensity"].startswith("7 days: ")
    active = {row[0] for row in rhythm_rows() if row[2] > DAYS - 1 - 180}
    likely = rows(
        settings,
        "select user_id, min(buy_probability) filter (horizon_days = 7),"
        f" min(buy_probability) filter (horizon_days = 28), max(abs(buy_probability + lapse_probability - 1))"
        f" from {SCORES_PROPENSITY.name} group by 1",
    )
    assert {row[0] for row in likely} == active
    assert all(0 <= week <= month <= 1 and off < 1e-9 for _, week, month, off in likely)
    baskets = rows(
        settings,
        f"select user_id, count(*), max(rank), count(distinct item_id), min(expected_basket_size)"
        f" from {SCORES_NEXT_BASKET.name} group by 1",
    )
    assert {row[0] for row in baskets} == active
    assert {row[1:4] for row in baskets} == {(5, 5, 5)}
    assert all(1 < row[4] < 9 for row in baskets)
    judged = rows(
        settings,
        f"select family, cutoff, test_days, count(*) from {OPS_MODEL_METRICS.name} group by all order by all",
    )
    assert [row[:3] for row in judged] == [
        ("next_basket", LAST - timedelta(28), 28),
        ("propensity", LAST - timedelta(28), 28),
        ("propensity", LAST - timedelta(7), 7),
    ]
    run(settings)
    again = rows(settings, f"select count(*) from {OPS_MODEL_METRICS.name}")
    assert again == [(sum(row[3] for row in judged),)]


def test_what_happens_or_is_delivered_later_changes_no_forecast(settings: Settings) -> None:
    run(settings)
    before = {table.name: content(settings, table) for table in (SCORES_PROPENSITY, SCORES_NEXT_BASKET)}
    metrics = f"select * exclude (trained_at) from {OPS_MODEL_METRICS.name} order by all"
    judged = rows(settings, metrics)
    fill_lake(settings, [(f"u{n:03d}", "i01", DAYS + 1) for n in range(60)])
    fill_lake(settings, [("u001", "i02", DAYS - 2)], landed=LAST + timedelta(1))
    run(settings)
    assert {table.name: content(settings, table) for table in (SCORES_PROPENSITY, SCORES_NEXT_BASKET)} == before
    assert rows(settings, metrics) == judged


def test_what_went_off_sale_is_in_no_next_basket(settings: Settings) -> None:
    gone = [{"item_id": "i05", "title": "gone", "available_to": LAST - timedelta(1)}]
    fill_products(settings, gone)
    run(settings)
    found = rows(settings, f"select count(*) filter (item_id = 'i05'), count(*) from {SCORES_NEXT_BASKET.name}")
    assert found[0][0] == 0
    assert found[0][1] > 0
