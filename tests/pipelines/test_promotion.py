"""Who becomes champion, what is kept of the decision, and how it is taken back."""

import shutil
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.artefact import load_artefact, save_artefact
from models.gate import Comparison
from models.registry import Promotion, Training, champion_as_of, champions, latest_training, record_training
from models.registry import promote as append
from models.tracking import Tracking
from pipelines import ops
from pipelines.contracts import OPS_GATE
from pipelines.errors import NightmarketError, UsageError
from pipelines.off_policy import Judged
from pipelines.promotion import promote, roll_back_model
from pipelines.second_stage import contenders
from pipelines.settings import Settings
from pipelines.training import train
from tests.models.shop import MONDAY, seasonal_rows
from tests.pipelines.learning import fill_lake

UNTIL = MONDAY + timedelta(39)
FLOORS = {"popular_7_days": 0.1, "frequent_items": 0.4, "item_knn": 0.5, "transition": 0.3}


@pytest.fixture
def settings(tmp_path: Path, mlflow_store: Path) -> Settings:
    chosen = Settings(home=tmp_path, training_days=30, test_days=10)
    shutil.copytree(mlflow_store, chosen.mlflow)
    return chosen


def judged(
    settings: Settings,
    levels: dict[str, float],
    cutoff: str = "2024-05-01",
    champion: str = "",
    tail: dict[str, float] | None = None,
) -> Training:
    """A training run whose models reached these levels, give or take what differs between 200 users.

    `tail`: how much higher a model's level is among tail items.
    """
    folder = settings.models / "recommender"
    versions, values = {}, {}
    for name, level in levels.items():
        users = np.random.default_rng(1).uniform(-0.1, 0.1, 200)  # the same users are hard for everybody
        noise = np.random.default_rng([2, len(name)]).normal(0, 0.02, 200)
        values |= {f"{name}/{part}": users + noise + level for part in ("all", "new_users", "tail_items")}
        values[f"{name}/tail_items"] += (tail or {}).get(name, 0)
        if name != "champion":
            meta = {"model_name": name, "cutoff": cutoff}
            versions[name] = save_artefact(folder, {"level": np.array([level])}, meta)
    results = save_artefact(folder / "evaluations", values, {"models": list(levels)})
    training = Training("recommender", cutoff, "2024-05-29", True, versions, results, "", champion)
    record_training(settings.models, training)
    return training


def test_a_blend_that_beats_every_floor_is_promoted_and_said_so(settings: Settings) -> None:
    training = judged(settings, {**FLOORS, "blend": 0.6})
    dry = promote(settings, "recommender", dry_run=True)
    assert (dry["would_promote"], dry["promoted"], dry["champion"]) == (True, False, None)
    result = promote(settings, "recommender")
    assert (result["model_name"], result["promoted"]) == ("blend", True)
    assert "it earned its place: +0." in result["verdict"]
    assert Tracking(settings.mlflow, "recommender").aliased("champion") == training.versions["blend"]
    again = promote(settings, "recommender")
    assert not again["promoted"]
    assert "is the champion already" in again["verdict"]


def test_the_second_stage_stands_where_it_beats_the_blend_beyond_doubt(settings: Settings) -> None:
    training = judged(settings, {**FLOORS, "blend": 0.6, "ranker": 0.65})
    result = promote(settings, "recommender")
    assert (result["model_name"], result["promoted"]) == ("ranker", True)
    assert result["model_version"] == training.versions["ranker"]
    assert "against blend" in result["verdict"]
    assert "is the champion already" in promote(settings, "recommender")["verdict"]
    judged(
        settings, {**FLOORS, "blend": 0.6, "ranker": 0.6, "champion": 0.6}, "2024-05-08", training.versions["ranker"]
    )
    assert promote(settings, "recommender")["model_name"] == "blend"


@pytest.mark.parametrize("passed", [True, False])
def test_who_would_have_earned_less_with_the_shown_lists_is_not_promoted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    first = judged(settings, {**FLOORS, "blend": 0.6})
    promote(settings, "recommender")
    after = judged(settings, {**FLOORS, "blend": 0.65, "champion": 0.6}, "2024-05-08", first.versions["blend"])
    line = Comparison("impressions", "shown lists", "not below beyond doubt", 300, 0.01, 0.02, -0.02, -0.01, passed)
    asked = []

    def found(settings: Settings, name: str, version: str, cutoff: date) -> Judged:
        asked.append((name, version, cutoff))
        return Judged(line, "said of it")

    monkeypatch.setattr("pipelines.off_policy.judge", found)
    result = promote(settings, "recommender")
    assert asked == [("blend", after.versions["blend"], date(2024, 5, 8))]
    assert result["promoted"] == passed
    assert result["champion"]["model_version"] == (after if passed else first).versions["blend"]
    assert result["verdict"].endswith("; shown lists: said of it")
    with ops.writing(settings) as connection:
        sql = f"select passed, promoted, users from {OPS_GATE.name} where slice = 'impressions'"
        assert connection.execute(sql).fetchall() == [(passed, passed, 300)]


def test_too_few_impressions_are_said_and_change_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = judged(settings, {**FLOORS, "blend": 0.6})
    promote(settings, "recommender")
    judged(settings, {**FLOORS, "blend": 0.65, "champion": 0.6}, "2024-05-08", first.versions["blend"])
    monkeypatch.setattr("pipelines.off_policy.judge", lambda *_: Judged(None, "12 impressions"))
    result = promote(settings, "recommender")
    assert result["promoted"]
    assert result["verdict"].endswith("; shown lists: 12 impressions")


def test_only_a_second_stage_that_beats_the_blend_is_a_candidate() -> None:
    draw = np.random.default_rng(1)
    blend = {"all": draw.uniform(0.2, 0.8, 200)}
    better, alike = ({"all": blend["all"] + gain + draw.normal(0, 0.02, 200)} for gain in (0.05, 0.0))
    assert contenders({"blend": blend, "ranker": better}) == ["ranker", "blend"]
    assert contenders({"blend": blend, "ranker": alike}) == ["blend"]
    assert contenders({"blend": blend}) == ["blend"]
    assert contenders({"item_knn": blend}) == []


def test_a_second_stage_that_harms_the_tail_leaves_the_place_to_the_blend(settings: Settings) -> None:
    judged(settings, {**FLOORS, "blend": 0.6, "ranker": 0.65}, tail={"ranker": -0.3})
    result = promote(settings, "recommender")
    assert (result["model_name"], result["promoted"]) == ("blend", True)


def test_where_nothing_beats_a_floor_the_floor_is_champion_and_it_is_said(settings: Settings) -> None:
    training = judged(settings, {**FLOORS, "blend": 0.5})
    result = promote(settings, "recommender")
    assert (result["model_name"], result["promoted"]) == ("item_knn", True)
    assert "blend: NDCG@10 0.4" in result["verdict"] or "blend: NDCG@10 0.5" in result["verdict"]
    assert "not promoted: " in result["verdict"]
    assert "item_knn leads the floors" in result["verdict"]
    assert Tracking(settings.mlflow, "recommender").aliased("champion") == training.versions["item_knn"]


def test_a_floor_replaces_another_only_beyond_doubt(settings: Settings) -> None:
    training = judged(settings, FLOORS)
    append(settings.models, promotion("frequent_items", training.versions["frequent_items"]))
    assert "lies above zero" in promote(settings, "recommender")["verdict"]
    judged(settings, {**FLOORS, "transition": 0.5005}, cutoff="2024-05-02")
    result = promote(settings, "recommender")
    assert not result["promoted"]


def test_a_learned_champion_stays_unless_the_next_is_as_good(settings: Settings) -> None:
    first = judged(settings, {**FLOORS, "blend": 0.7})
    promote(settings, "recommender")
    judged(settings, {**FLOORS, "blend": 0.6, "champion": 0.7}, "2024-05-08", champion=first.versions["blend"])
    worse = promote(settings, "recommender")
    assert not worse["promoted"]
    assert "against champion" in worse["verdict"]
    judged(settings, {**FLOORS, "blend": 0.699, "champion": 0.7}, "2024-05-15", champion=first.versions["blend"])
    assert promote(settings, "recommender")["promoted"]  # fresher, and not below it by more than the margin


def test_a_champion_that_the_run_has_not_judged_asks_for_another_run(settings: Settings) -> None:
    judged(settings, {**FLOORS, "blend": 0.6})
    append(settings.models, promotion("blend", "someoneelses"))
    with pytest.raises(NightmarketError, match="someoneelses was not judged in the newest training run"):
        promote(settings, "recommender")


def test_another_version_than_the_approved_one_is_not_promoted(settings: Settings) -> None:
    approved = judged(settings, {**FLOORS, "blend": 0.6}).versions["blend"]
    newer = judged(settings, {**FLOORS, "blend": 0.65}, cutoff="2024-05-02").versions["blend"]
    with pytest.raises(NightmarketError, match=f"blend {newer} of a newer training run stands where {approved} was"):
        promote(settings, "recommender", version=approved)
    assert champion_as_of(settings.models, "recommender") is None
    assert promote(settings, "recommender", version=newer)["promoted"]


def test_the_report_is_kept_in_ops(settings: Settings) -> None:
    judged(settings, {**FLOORS, "blend": 0.6})
    promote(settings, "recommender")
    with ops.writing(settings) as connection:
        rows = connection.execute(
            f"select slice, against, passed, promoted from {OPS_GATE.name} where slice <> 'new_users' order by all"
        ).fetchall()
    assert rows == [("all", name, True, True) for name in sorted(FLOORS)] + [("tail_items", "item_knn", True, True)]


def test_a_rollback_brings_the_model_before_back_within_a_minute(settings: Settings) -> None:
    judged(settings, {**FLOORS, "blend": 0.6})
    first = promote(settings, "recommender")["champion"]
    with pytest.raises(UsageError, match="no champion before"):
        roll_back_model(settings, "recommender", dry_run=False)
    judged(settings, {**FLOORS, "blend": 0.8, "champion": 0.6}, "2024-05-08", champion=first["model_version"])
    promote(settings, "recommender")
    assert roll_back_model(settings, "recommender", dry_run=True)["to"] == first
    assert len(champions(settings.models, "recommender")) == 2
    clock = time.monotonic()
    assert roll_back_model(settings, "recommender", dry_run=False)["to"] == first
    assert time.monotonic() - clock < 60
    standing = champion_as_of(settings.models, "recommender")
    assert standing is not None
    assert standing.version == first["model_version"]
    assert Tracking(settings.mlflow, "recommender").aliased("champion") == first["model_version"]


def test_a_changed_report_of_the_run_is_refused(settings: Settings) -> None:
    training = judged(settings, {**FLOORS, "blend": 0.6})
    path = settings.models / "recommender" / "evaluations" / training.results / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(NightmarketError, match="was changed after it was written"):
        promote(settings, "recommender")


def test_a_run_on_a_real_shop_is_promoted_from(settings: Settings) -> None:
    fill_lake(settings, seasonal_rows(users=40, items=12, days=40))
    with pytest.raises(NightmarketError, match="run `nightmarket train` first"):
        promote(settings, "recommender")
    train(settings, "recommender")
    result = promote(settings, "recommender")
    training = latest_training(settings.models, "recommender")
    assert training is not None
    assert result["champion"]["model_version"] in training.versions.values()
    assert load_artefact(settings.models / "recommender" / result["model_version"])[1]["cutoff"] == training.cutoff


def promotion(name: str, version: str) -> Promotion:
    return Promotion("recommender", name, version, "2024-01-01", "2024-01-29", "", "")
