"""Training on a small lake: what is recorded, what is promoted, and that nothing of the test days is used."""

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import mlflow
import pyarrow as pa
import pytest

from models.artefact import load_artefact
from models.recommender.configs import CONFIGS
from models.tracking import Tracking
from pipelines import ops, staging
from pipelines.contracts import OPS_MODEL_METRICS
from pipelines.errors import NightmarketError, UsageError
from pipelines.settings import Settings, night
from pipelines.training import train
from pipelines.training_run import Choices, availability
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake, fill_products

UNTIL = MONDAY + timedelta(39)
PRODUCTS = [{"item_id": f"i{n:03d}", "title": f"{('red', 'blue')[n % 2]} thing"} for n in range(12)]


@pytest.fixture
def settings(tmp_path: Path, mlflow_store: Path) -> Settings:
    chosen = Settings(home=tmp_path, training_days=30, test_days=10)
    shutil.copytree(mlflow_store, chosen.mlflow)
    fill_lake(chosen, seasonal_rows(users=40, items=12, days=40))
    fill_products(chosen, PRODUCTS)
    return chosen


def metric(result: dict, model: str, name: str, part: str = "all") -> dict:
    wanted = [r for r in result["metrics"] if (r["model_name"], r["metric"], r["slice"]) == (model, name, part)]
    return wanted[0]


def test_training_judges_and_saves_every_floor(settings: Settings) -> None:
    result = train(settings, "recommender")
    assert (result["cutoff"], result["until"]) == (str(UNTIL - timedelta(10)), str(UNTIL))
    assert set(CONFIGS) < set(result["versions"])
    own, popular = metric(result, "frequent_items", "ndcg@10"), metric(result, "popular_7_days", "ndcg@10")
    assert own["low"] > popular["high"]  # the shop was made of people with favourites
    assert own["low"] < own["value"] < own["high"]
    assert metric(result, "ease", "coverage@10")["low"] is None
    for name, version in result["versions"].items():
        assert load_artefact(settings.models / "recommender" / version)[1]["model_name"] == name


def test_where_products_say_nothing_the_floor_that_reads_them_is_left_out(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, training_days=30, test_days=10)
    fill_lake(settings, [row for row in seasonal_rows(users=40, items=12, days=40) if row[2] >= 22])
    result = train(settings, "recommender")
    assert "alike" not in result["versions"]
    assert result["not_applicable"]["alike"].startswith("nothing is said of the products")


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
    fill_products(other, PRODUCTS)
    fill_products(other, [{"item_id": "i000", "title": "another name"}], landed=MONDAY + timedelta(30))
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


def test_the_learned_models_are_judged_beside_the_floors(settings: Settings) -> None:
    said: list[str] = []
    result = train(settings, "recommender", progress=said.append)
    assert {"transformer", "blend"} <= set(result["versions"])
    assert result["learning"]["learned_until"] == str(UNTIL - timedelta(20))  # the validation days are not learned from
    assert [sum(w.values()) for w in result["learning"]["weights"].values()] == pytest.approx([1, 1])
    best = max(metric(result, name, "ndcg@10")["value"] for name in CONFIGS)
    assert metric(result, "blend", "ndcg@10")["value"] > best - 0.05
    assert any(line.startswith("blend minus the best floor ") for line in said)


def test_a_short_history_is_left_to_the_floors(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, training_days=30, test_days=10)
    fill_lake(settings, [row for row in seasonal_rows(users=40, items=12, days=40) if row[2] >= 22])
    fill_products(settings, PRODUCTS)
    result = train(settings, "recommender")
    assert set(result["versions"]) == set(CONFIGS)
    assert result["not_applicable"]["blend"].startswith("cannot train: 0 events")


def test_mlflow_has_the_run_with_its_curve_its_data_and_its_card(settings: Settings) -> None:
    result = train(settings, "recommender")
    tracking = Tracking(settings.mlflow, "recommender")
    run = mlflow.get_run(result["mlflow_run"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["all/blend"] == pytest.approx(metric(result, "blend", "ndcg@10")["value"])
    assert [d.dataset.name for d in run.inputs.dataset_inputs] == ["lake.events"]
    artefacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert "| blend | " in (artefacts / "model_card.md").read_text()
    assert {p.name for p in (artefacts / "plots").iterdir()} == {"curves.png", "models.png"}
    assert tracking.aliased("challenger") == result["versions"]["blend"]
    again = train(settings, "recommender")
    assert again["mlflow_run"] == result["mlflow_run"]


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
    with pytest.raises(NightmarketError, match="holds no events; run `nightmarket history` first"):
        train(settings, "recommender")
    with pytest.raises(UsageError, match="unknown config 'huge'; known: base, quick"):
        train(settings, "recommender", choices=Choices(config="huge"))


def test_nothing_is_trained_on_a_batch_that_is_partly_in_the_lake(settings: Settings) -> None:
    staging.mark_partial(settings, night(UNTIL))
    with pytest.raises(NightmarketError, match=f"{UNTIL} is only partly in the lake"):
        train(settings, "recommender")
    assert not (settings.models / "recommender").exists()


def test_too_few_days_are_said(settings: Settings) -> None:
    with pytest.raises(NightmarketError, match=r"cannot train: 0 events .* choose a later --until"):
        train(settings, "recommender", until=MONDAY + timedelta(5))
