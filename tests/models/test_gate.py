"""The gate on hand-made results: who passes, who does not, and that the sentence says why."""

import numpy as np
import pytest

from models.gate import FEW, MARGIN, Values, judge

USERS = 400


def results(level: float, new: float | None = None, tail: float | None = None, few: int = 100) -> dict[str, np.ndarray]:
    """Per-user values around a level; the same users are hard for every model."""
    hard = np.random.default_rng(1).uniform(-0.05, 0.05, USERS)
    noise = np.random.default_rng(int(level * 10_000)).normal(0, 0.01, USERS)

    def around(mean: float, users: int) -> np.ndarray:
        return hard[:users] + noise[:users] + mean

    return {
        "all": around(level, USERS),
        "new_users": around(level if new is None else new, few),
        "tail_items": around(level if tail is None else tail, USERS),
    }


FLOORS: dict[str, Values] = {"popular": results(0.2), "item_knn": results(0.4)}


def test_above_every_floor_is_promoted_and_said_with_its_interval() -> None:
    verdict = judge("blend", results(0.45), FLOORS, None)
    assert verdict.promoted
    assert "blend: NDCG@10 0.44" in verdict.sentence
    assert "it earned its place: +0.05" in verdict.sentence
    assert "against item_knn" in verdict.sentence
    assert {line.against for line in verdict.comparisons if line.slice == "all"} == {"popular", "item_knn"}


def test_an_interval_that_includes_zero_against_one_floor_refuses() -> None:
    verdict = judge("blend", results(0.4001), FLOORS, None)
    assert not verdict.promoted
    assert "not promoted: " in verdict.sentence
    assert verdict.sentence.endswith("against item_knn")


@pytest.mark.parametrize(("below", "passes"), [(MARGIN * 0.5, True), (MARGIN * 2, False)])
def test_the_champion_may_be_missed_by_less_than_the_margin(below: float, passes: bool) -> None:
    champion = results(0.5)
    verdict = judge("blend", results(0.5 * (1 - below)), FLOORS, ("champion", champion))
    assert verdict.promoted is passes
    assert passes or verdict.sentence.endswith("against champion")


@pytest.mark.parametrize("harmed", ["new", "tail"])
def test_good_overall_but_worse_on_a_slice_refuses(harmed: str) -> None:
    verdict = judge("blend", results(0.5, **{harmed: 0.25}), FLOORS, None)
    assert not verdict.promoted
    assert f"against item_knn on {'new_users' if harmed == 'new' else 'tail_items'}" in verdict.sentence


def degraded(sound: Values, seed: int) -> dict[str, np.ndarray]:
    """Lower on the whole, or as good on the whole with no hit for many people of one slice."""
    draw = np.random.default_rng(seed)
    if seed % 2:
        return {part: values - draw.exponential(0.04, len(values)) for part, values in sound.items()}
    part = ("new_users", "tail_items")[seed // 2 % 2]
    return {**sound, part: np.where(draw.random(len(sound[part])) < draw.uniform(0.4, 1), 0, sound[part])}


@pytest.mark.parametrize("seed", range(20))
def test_a_degraded_challenger_does_not_follow_a_sound_champion(seed: int) -> None:
    sound = results(0.5)
    assert judge("blend", sound, FLOORS, ("champion", sound)).promoted
    verdict = judge("blend", degraded(sound, seed), FLOORS, ("champion", sound))
    assert not verdict.promoted
    assert "against champion" in verdict.sentence


def test_the_sentence_has_the_numbers_of_the_comparison_that_failed() -> None:
    floors: dict[str, Values] = {"item_knn": {"all": np.array([0.25, 0.5, 0.75, 0.5])}}
    verdict = judge("blend", {"all": np.array([0.0, 0.25, 0.5, 0.25])}, floors, None)  # each user a quarter below
    assert verdict.sentence == (
        "blend: NDCG@10 0.2500 over 4 users; not promoted: -0.2500 [-0.2500, -0.2500] against item_knn"
    )


def test_of_a_small_slice_only_harm_beyond_doubt_counts() -> None:
    few = FEW - 1
    floors: dict[str, Values] = {"item_knn": results(0.4, few=few)}
    noisy = results(0.5, few=few)
    swing = np.where(np.arange(few) % 2, 0.9, -1.0)
    noisy["new_users"] = floors["item_knn"]["new_users"] + swing  # lower at its centre, and anything may be true
    assert judge("blend", noisy, floors, None).promoted
    noisy["new_users"] = floors["item_knn"]["new_users"] - 0.2
    assert not judge("blend", noisy, floors, None).promoted


def test_a_slice_with_nobody_in_it_decides_nothing() -> None:
    floors: dict[str, Values] = {"item_knn": results(0.4, few=0)}
    assert judge("blend", results(0.5, few=0), floors, None).promoted
