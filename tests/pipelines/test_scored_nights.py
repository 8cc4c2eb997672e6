"""A night's scores on a small lake: determinism, no future, the champion, and one transaction for all."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from models.artefact import load_artefact
from models.registry import Promotion
from models.registry import promote as append
from pipelines import staging
from pipelines.contracts import (
    SCORES_RECOMMENDATIONS,
    SCORES_VISITORS,
)
from pipelines.errors import NightmarketError, Superseded
from pipelines.fence import take
from pipelines.scoring import score, scored_nights_after
from pipelines.settings import Settings, night
from pipelines.training import train
from tests.models.shop import MONDAY
from tests.pipelines.learning import fill_lake, fill_products, fill_users
from tests.pipelines.scored import NIGHT, content, open_shop, rows, run


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return open_shop(tmp_path)


def test_nothing_is_scored_while_a_batch_is_partly_in_the_lake(settings: Settings) -> None:
    staging.mark_partial(settings, night(NIGHT))
    with pytest.raises(NightmarketError, match=f"{NIGHT} is only partly in the lake"):
        run(settings)
    assert scored_nights_after(settings, NIGHT - timedelta(1)) == []


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
