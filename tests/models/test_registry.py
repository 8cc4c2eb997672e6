import json
from datetime import date
from multiprocessing import get_context
from pathlib import Path

from models.registry import (
    Promotion,
    Training,
    champion_as_of,
    champions,
    latest_training,
    promote,
    record_training,
    roll_back,
)


def promotion(name: str, until: str, family: str = "recommender") -> Promotion:
    return Promotion(family, name, f"{name}-version", "2024-01-01", until, "2024-09-01T00:00:00+00:00", "best floor")


def standing(folder: Path) -> list[str]:
    return [found.model_name for found in champions(folder, "recommender")]


def rolled_back(folder: Path) -> None:
    """Take the newest promotion that stands back."""
    *_, before, now = champions(folder, "recommender")
    roll_back(folder, before, now, "2024-09-02T00:00:00+00:00")


def training(until: str, trained_at: str = "now") -> Training:
    return Training("recommender", "2024-01-01", until, True, {"ease": "abc"}, "def", trained_at)


def test_a_night_is_scored_by_the_latest_champion_that_knew_nothing_of_it(tmp_path: Path) -> None:
    promote(tmp_path, promotion("ease", "2024-02-01"))
    promote(tmp_path, promotion("item_knn", "2024-03-01"))

    def champion(night: date) -> str | None:
        found = champion_as_of(tmp_path, "recommender", night)
        return found.model_name if found else None

    assert champion(date(2024, 2, 1)) is None  # the choice has seen this very day
    assert champion(date(2024, 2, 2)) == "ease"
    assert champion(date(2024, 3, 1)) == "ease"
    assert champion(date(2024, 3, 2)) == "item_knn"


def test_the_later_promotion_wins_even_where_its_data_are_older(tmp_path: Path) -> None:
    promote(tmp_path, promotion("ease", "2024-03-01"))
    promote(tmp_path, promotion("transition", "2024-02-01"))
    found = champion_as_of(tmp_path, "recommender", date(2024, 6, 1))
    assert found is not None
    assert found.model_name == "transition"


def test_a_promotion_taken_back_leaves_the_one_before_it(tmp_path: Path) -> None:
    promote(tmp_path, promotion("ease", "2024-02-01"))
    promote(tmp_path, promotion("blend", "2024-03-01"))
    assert standing(tmp_path) == ["ease", "blend"]
    rolled_back(tmp_path)
    assert standing(tmp_path) == ["ease"]  # before it there was nobody
    assert champions(tmp_path, "recommender") == [promotion("ease", "2024-02-01")]
    for night in (date(2024, 2, 15), date(2024, 6, 1), None):
        found = champion_as_of(tmp_path, "recommender", night)
        assert found is not None
        assert found.model_name == "ease"
    assert champion_as_of(tmp_path, "recommender", date(2024, 2, 1)) is None


def test_a_promotion_taken_back_stays_in_the_log_beside_the_entry_that_takes_it_back(tmp_path: Path) -> None:
    promote(tmp_path, promotion("ease", "2024-02-01"))
    promote(tmp_path, promotion("blend", "2024-03-01"))
    rolled_back(tmp_path)
    log = [json.loads(line) for line in (tmp_path / "recommender" / "promotions.jsonl").read_text().splitlines()]
    assert [(row["model_name"], row["takes_back"]) for row in log] == [
        ("ease", ""),
        ("blend", ""),
        ("ease", "blend-version"),
    ]
    assert log[-1]["reason"] == "rolled back from blend blend-version"


def test_roll_backs_follow_one_another_and_what_was_taken_back_can_be_promoted_again(tmp_path: Path) -> None:
    for month, name in enumerate(("ease", "item_knn", "blend"), start=2):
        promote(tmp_path, promotion(name, f"2024-{month:02d}-01"))
    rolled_back(tmp_path)
    rolled_back(tmp_path)
    assert standing(tmp_path) == ["ease"]
    promote(tmp_path, promotion("blend", "2024-04-01"))
    assert standing(tmp_path) == ["ease", "blend"]


def test_a_roll_back_that_comes_too_late_takes_nothing_back(tmp_path: Path) -> None:
    ease, blend = promotion("ease", "2024-02-01"), promotion("blend", "2024-03-01")
    for entry in (ease, blend, promotion("item_knn", "2024-04-01")):
        promote(tmp_path, entry)
    roll_back(tmp_path, ease, blend, "2024-09-02T00:00:00+00:00")  # decided before item_knn came
    assert standing(tmp_path) == ["ease", "blend", "item_knn"]


def test_families_do_not_share_champions(tmp_path: Path) -> None:
    promote(tmp_path, promotion("ease", "2024-02-01"))
    assert champion_as_of(tmp_path, "nlp", date(2024, 6, 1)) is None


def test_a_training_run_again_is_recorded_once(tmp_path: Path) -> None:
    assert latest_training(tmp_path, "recommender") is None
    record_training(tmp_path, training("2024-02-01", "10:00"))
    record_training(tmp_path, training("2024-02-01", "11:00"))
    record_training(tmp_path, training("2024-03-01", "12:00"))
    assert len((tmp_path / "recommender" / "trainings.jsonl").read_text().splitlines()) == 2
    assert latest_training(tmp_path, "recommender") == training("2024-03-01", "12:00")


def _promote_many(folder: Path, name: str) -> None:
    for _ in range(10):
        promote(folder, promotion(name, "2024-02-01"))


def test_two_processes_lose_no_promotion(tmp_path: Path) -> None:
    context = get_context("spawn")
    others = [context.Process(target=_promote_many, args=(tmp_path, name)) for name in ("a", "b")]
    for process in others:
        process.start()
    for process in others:
        process.join()
    lines = (tmp_path / "recommender" / "promotions.jsonl").read_text().splitlines()
    assert len(lines) == 20
