"""Values by hand, laws of the estimators, and what bad logs are told."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.feedback import offpolicy
from models.feedback.offpolicy import DM, DR, DROS, ESTIMATORS, IPS, SNDR, SNIPS, BadLogs, Logged, Predicted, evaluate

HAND = Logged(
    reward=np.array([1.0, 0, 1, 0]),
    propensity=np.array([1 / 2, 1 / 2, 1 / 4, 1 / 4]),
    policy=np.array([1 / 4, 1 / 4, 3 / 4, 1 / 4]),
    cluster=np.arange(4),
)
"""Weights 1/2 1/2 3 1."""
EXPECTED = Predicted(shown=np.array([1 / 2, 1 / 2, 1 / 2, 0]), policy=np.array([1 / 4, 1 / 2, 1 / 2, 3 / 4]))
"""What is left of the rewards: 1/2 −1/2 1/2 0."""


def drawn(n: int, seed: int, rate: np.ndarray, logging: np.ndarray, wanted: np.ndarray) -> tuple[Logged, np.ndarray]:
    """n impressions of a policy without context, and the action of each."""
    draw = np.random.default_rng(seed)
    action = draw.choice(len(rate), n, p=logging)
    reward = (draw.random(n) < rate[action]).astype(float)
    return Logged(reward, logging[action], wanted[action], np.arange(n)), action


RATE, LOGGING, WANTED = np.array([0.02, 0.1, 0.3]), np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.2, 0.7])
TRUTH = float(RATE @ WANTED)


def test_every_estimator_by_hand() -> None:
    found = evaluate(HAND, EXPECTED, n=50)
    shrinkage = (2 / 3 * 2) ** 2  # two rewards, equal
    assert found.shrinkage == pytest.approx(shrinkage)
    v = [shrinkage * w / (w * w + shrinkage) for w in (1 / 2, 1 / 2, 3, 1)]
    values = {name: one.value for name, one in found.estimates.items()}
    assert values == pytest.approx({
        IPS: (1 / 2 + 3) / 4,
        SNIPS: (1 / 2 + 3) / 5,
        DM: 2 / 4,
        DR: (2 + 1 / 4 - 1 / 4 + 3 / 2) / 4,
        SNDR: 2 / 4 + (3 / 2) / 5,
        DROS: (2 + v[2] / 2) / 4,
    })  # fmt: skip
    assert found.estimates[IPS].gain == pytest.approx(7 / 8 - 1 / 2)
    assert found.overlap.effective == pytest.approx(25 / (1 / 4 + 1 / 4 + 9 + 1))
    assert (found.overlap.mean_weight, found.overlap.largest_weight, found.overlap.top_share) == (5 / 4, 3, 3 / 5)
    assert found.chosen is None and "2 rewards" in found.sentence


def test_the_cap_on_a_weight_is_a_third_of_the_rewards() -> None:
    shrinkage = offpolicy.shrinkage_of(np.repeat([1.0, 0.0], [60, 940]))
    weights = np.geomspace(1e-3, 1e6, 2000)
    shrunk = offpolicy.shrunk(weights, shrinkage)
    assert shrunk.max() == pytest.approx(20, rel=1e-4) and (shrunk <= weights).all()
    assert offpolicy.shrunk(np.array([1.0]), shrinkage)[0] == pytest.approx(1, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), worth=st.floats(0.1, 50))
def test_laws(seed: int, worth: float) -> None:
    """A policy that is the logging one earns the mean; a value scales with rewards; order of rows says nothing."""
    logged, action = drawn(300, seed, RATE, LOGGING, WANTED)
    own = evaluate(replace(logged, policy=logged.propensity), n=20)
    assert all(one.value == pytest.approx(logged.reward.mean()) for one in own.estimates.values())
    assert all(one.gain_low == pytest.approx(0, abs=1e-12) for one in own.estimates.values())
    model = np.array([0.1, 0.1, 0.2])
    q, m = model[action], np.full(300, model @ WANTED)
    one = evaluate(logged, Predicted(q, m), n=20)
    more = evaluate(replace(logged, reward=worth * logged.reward), Predicted(worth * q, worth * m), n=20)
    mixed = np.random.default_rng(seed).permutation(300)
    other = evaluate(
        Logged(logged.reward[mixed], logged.propensity[mixed], logged.policy[mixed], logged.cluster[mixed]),
        Predicted(q[mixed], m[mixed]), n=20,
    )  # fmt: skip
    for name in ESTIMATORS:
        assert more.estimates[name].value == pytest.approx(worth * one.estimates[name].value)
        assert more.estimates[name].low == pytest.approx(worth * one.estimates[name].low)
        assert other.estimates[name].value == pytest.approx(one.estimates[name].value)
        assert other.estimates[name].high == pytest.approx(one.estimates[name].high)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = dict.fromkeys((IPS, SNIPS, DR, SNDR, DROS), 0)
    model = np.array([0.05, 0.05, 0.2])  # wrong, as models are
    for seed in range(100):
        logged, action = drawn(1000, seed, RATE, LOGGING, WANTED)
        found = evaluate(logged, Predicted(model[action], np.full(1000, model @ WANTED)), n=200)
        for name in held:
            held[name] += found.estimates[name].low <= TRUTH <= found.estimates[name].high
    assert all(0.88 <= hits / 100 <= 0.99 for hits in held.values()), held


def test_a_perfect_model_halves_the_width_where_weights_are_far_from_one() -> None:
    draw = np.random.default_rng(5)
    action = draw.choice(3, 4000, p=LOGGING)
    logged = Logged(1.0 + RATE[action], LOGGING[action], WANTED[action], np.arange(4000))  # no noise in rewards
    found = evaluate(logged, Predicted(logged.reward, np.full(4000, 1 + TRUTH)), n=200)
    assert found.chosen == DR and found.estimates[DR].low == pytest.approx(1 + TRUTH)
    assert found.estimates[IPS].high - found.estimates[IPS].low > 0.1


def test_users_and_not_rows_are_resampled() -> None:
    logged, _ = drawn(2000, 1, RATE, LOGGING, WANTED)
    four = Logged(
        *(np.repeat(column, 4) for column in (logged.reward, logged.propensity, logged.policy, logged.cluster))
    )
    one, other = evaluate(logged).estimates[IPS], evaluate(four).estimates[IPS]
    assert (other.low, other.high) == pytest.approx((one.low, one.high))
    apart = evaluate(replace(four, cluster=np.arange(8000))).estimates[IPS]
    assert (apart.high - apart.low) / (one.high - one.low) == pytest.approx(1 / 2, abs=0.06)


def test_the_same_seed_gives_the_same_interval() -> None:
    logged, _ = drawn(500, 2, RATE, LOGGING, WANTED)
    assert evaluate(logged, n=100, seed=7) == evaluate(logged, n=100, seed=7) != evaluate(logged, n=100, seed=8)


def test_the_narrowest_that_may_be_chosen_is() -> None:
    logged, action = drawn(5000, 3, RATE, LOGGING, WANTED)
    found = evaluate(logged, Predicted(RATE[action], np.full(5000, TRUTH)), n=200)
    able = {name: one.high - one.low for name, one in found.estimates.items() if not one.refused}
    assert set(able) == set(ESTIMATORS) - {DM} and found.chosen == min(able, key=lambda name: able[name])
    assert f"{found.chosen}: the narrowest" in found.sentence and "model's error" in found.sentence


def test_what_the_logs_never_show_is_said() -> None:
    logged, _ = drawn(5000, 4, RATE, LOGGING, WANTED)
    found = evaluate(replace(logged, policy=logged.policy * (logged.policy < 0.5)), n=200)
    assert found.chosen is None and "never show" in found.sentence and found.overlap.mean_weight < 0.4


def test_one_row_that_outweighs_all_others_rules_out_all_but_the_shrunken() -> None:
    logged, action = drawn(5000, 5, RATE, LOGGING, LOGGING)
    logged.propensity[0] = 1e-5
    found = evaluate(logged, Predicted(RATE[action], np.full(5000, RATE @ LOGGING)), n=200)
    assert found.chosen == DROS and found.overlap.effective < 2 and found.overlap.top_share > 0.7
    assert "worth 1 impressions" in found.estimates[SNDR].refused
    assert evaluate(logged, n=200).chosen is None


def test_intervals_of_a_handful_of_users_are_not_gone_by() -> None:
    logged, _ = drawn(5000, 6, RATE, LOGGING, WANTED)
    found = evaluate(replace(logged, cluster=np.arange(5000) % 40), n=200)
    assert found.chosen is None and found.sentence == "40 users or sessions in the logs, fewer than 100"


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("propensity", 0.0, "propensity is 0 or below, though the action was shown, in 1 of 4 rows, first in row 2"),
        ("propensity", 1.2, "propensity is above 1"),
        ("policy", -0.1, "policy is no probability"),
        ("reward", math.nan, "reward is no number in 1 rows"),
    ],
)
def test_bad_logs_are_told_apart(column: str, value: float, said: str) -> None:
    wrong = getattr(HAND, column).copy()
    wrong[2] = value
    with pytest.raises(BadLogs, match=said):
        evaluate(replace(HAND, **{column: wrong}))


def test_logs_without_rows_without_overlap_or_of_other_lengths() -> None:
    with pytest.raises(BadLogs, match="no impressions"):
        evaluate(Logged(*[np.empty(0)] * 4))
    with pytest.raises(BadLogs, match="nothing of what was shown"):
        evaluate(replace(HAND, policy=np.zeros(4)))
    with pytest.raises(BadLogs, match="cluster has 3 rows"):
        evaluate(replace(HAND, cluster=np.arange(3)))
    with pytest.raises(BadLogs, match=r"predicted\.policy is no number"):
        evaluate(HAND, replace(EXPECTED, policy=np.full(4, np.nan)))
