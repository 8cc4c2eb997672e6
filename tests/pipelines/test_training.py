"""Training on a small lake: what is recorded, what is promoted, and that nothing of the test days is used."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.artefact import load_artefact
from models.recommender.configs import CONFIGS
from models.registry import Promotion, champion_as_of
from models.registry import promote as append
from pipelines import ops, staging
from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import Settings, night
from pipelines.training import _verdict, availability, promote, train
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake

UNTIL = MONDAY + timedelta(39)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    chosen = Settings(home=tmp_path, training_days=30, test_days=10)
    fill_lake(chosen, seasonal_rows(users=40, items=12, days=40))
    return chosen


def metric(result: dict, model: str, name: str, part: str = "all") -> dict:
    wanted = [r for r in result["metrics"] if (r["model_name"], r["metric"], r["slice"]) == (model, name, part)]
    return wanted[0]


def test_training_judges_and_saves_every_floor(settings: Settings) -> None:
    result = train(settings, "recommender")
    assert (result["cutoff"], result["until"]) == (str(UNTIL - timedelta(10)), str(UNTIL))
    assert set(result["versions"]) == set(CONFIGS)
    own, popular = metric(result, "frequent_items", "ndcg@10"), metric(result, "popular_7_days", "ndcg@10")
    assert own["low"] > popular["high"]  # the shop was made of people with favourites
    assert own["low"] < own["value"] < own["high"]
    assert metric(result, "ease", "coverage@10")["low"] is None
    for name, version in result["versions"].items():
        assert load_artefact(settings.models / "recommender" / version)[1]["model_name"] == name


def test_the_metrics_reach_the_warehouse(settings: Settings) -> None:
    result = train(settings, "recommender")
    with ops.writing(settings) as connection:
        stored = connection.execute(f"select count(*), min(cutoff) from {OPS_MODEL_METRICS.name}").fetchall()
    assert stored == [(len(result["metrics"]), UNTIL - timedelta(10))]


def test_training_again_gives_the_same_versions_and_values(settings: Settings) -> None:
    def stable(result: dict) -> str:
        rows = [{k: v for k, v in row.items() if k != "trained_at"} for row in result["metrics"]]
        return json.dumps([result["versions"], rows], sort_keys=True)

    assert stable(train(settings, "recommender")) == stable(train(settings, "recommender"))


def test_the_test_days_reach_no_fit(settings: Settings, tmp_path: Path) -> None:
    other = replace(settings, home=tmp_path / "other")
    rows = [row for row in seasonal_rows(users=40, items=12, days=40) if row[2] < 30]
    fill_lake(other, [*rows, *((f"u{n:03d}", "i000", 39) for n in range(40))])
    first, second = train(settings, "recommender"), train(other, "recommender")
    assert first["versions"] == second["versions"]
    assert metric(first, "ease", "ndcg@10")["value"] != metric(second, "ease", "ndcg@10")["value"]


def test_what_is_delivered_after_the_cut_off_reaches_no_fit(settings: Settings) -> None:
    before = train(settings, "recommender")
    late = [(f"u{n:03d}", "i000", 28) for n in range(40)]  # happened a day before the cut-off, delivered after it
    fill_lake(settings, late, landed=MONDAY + timedelta(31))
    after = train(settings, "recommender")
    assert after["versions"] == before["versions"]
    assert metric(after, "ease", "ndcg@10")["value"] == metric(before, "ease", "ndcg@10")["value"]


def test_training_says_what_each_floor_reached_on_each_slice(settings: Settings) -> None:
    said: list[str] = []
    result = train(settings, "recommender", progress=said.append)
    own = metric(result, "frequent_items", "ndcg@10")
    line = next(line for line in said if line.startswith("frequent_items  all "))
    assert f"39 users  ndcg@10 {own['value']:.4f} [{own['low']:.4f}, {own['high']:.4f}]  recall@10 0." in line
    assert "coverage@10 1.0000" in line
    slices = {(row["model_name"], row["slice"]) for row in result["metrics"]}
    assert len([line for line in said if " ndcg@10 " in line]) == len(slices) > len(CONFIGS)


def test_without_a_champion_the_best_floor_is_promoted_once(settings: Settings) -> None:
    train(settings, "recommender")
    dry = promote(settings, "recommender", dry_run=True)
    assert (dry["would_promote"], dry["promoted"], dry["champion"]) == (True, False, None)
    assert champion_as_of(settings.models, "recommender") is None

    first = promote(settings, "recommender")
    assert first["promoted"]
    assert "there was no champion" in first["verdict"]
    champion = champion_as_of(settings.models, "recommender")
    assert champion is not None
    assert (champion.model_name, champion.known_until) == (first["model_name"], str(UNTIL))
    assert first["champion"] == {"model_name": champion.model_name, "model_version": champion.version}

    again = promote(settings, "recommender")
    assert not again["promoted"]
    assert "is the champion already" in again["verdict"]


def test_a_clearly_worse_champion_is_replaced(settings: Settings) -> None:
    result = train(settings, "recommender")
    version = result["versions"]["popular_7_days"]
    append(settings.models, Promotion("recommender", "popular_7_days", version, "2024-01-01", "2024-01-02", "", ""))
    verdict = promote(settings, "recommender")
    assert verdict["promoted"]
    assert "lies above zero" in verdict["verdict"]


def champion(name: str) -> Promotion:
    return Promotion("recommender", name, "v", "2024-01-01", "2024-01-29", "", "")


def test_a_lead_within_the_interval_replaces_nobody() -> None:
    values = np.random.default_rng(1).uniform(0, 1, 50)
    noise = np.random.default_rng(2).normal(0.01, 0.3, 50)
    best, sentence, promoted = _verdict(
        {"ease": values + noise - noise.mean() + 0.001, "item_knn": values}, champion("item_knn")
    )
    assert (best, promoted) == ("ease", False)
    assert "does not lie above zero: the champion stays" in sentence


def test_an_item_is_available_between_its_dates_and_without_them() -> None:
    day = date(2024, 5, 10)
    products = pa.table(
        {
            "item_id": ["early", "gone", "last_day", "open"],
            "available_from": pa.array([date(2024, 5, 11), None, day, None], pa.date32()),
            "available_to": pa.array([None, date(2024, 5, 9), day, None], pa.date32()),
        }
    )
    items = pa.array(["early", "gone", "last_day", "open", "unlisted"])
    assert availability(products, items, day).tolist() == [False, False, True, True, True]


def test_wrong_uses_are_said_in_one_line(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(UsageError, match="unknown model family 'nlp'; known: recommender"):
        train(settings, "nlp")
    with pytest.raises(NightmarketError, match="no events to train on; run `nightmarket history` first"):
        train(settings, "recommender")
    with pytest.raises(NightmarketError, match="run `nightmarket train` first"):
        promote(settings, "recommender")


def test_nothing_is_trained_on_a_batch_that_is_partly_in_the_lake(settings: Settings) -> None:
    staging.mark_partial(settings, night(UNTIL))
    with pytest.raises(NightmarketError, match=f"{UNTIL} is only partly in the lake"):
        train(settings, "recommender")
    assert not (settings.models / "recommender").exists()


def test_too_few_days_are_said(settings: Settings) -> None:
    with pytest.raises(NightmarketError, match=r"cannot train: 0 events .* choose a later --until"):
        train(settings, "recommender", until=MONDAY + timedelta(5))
