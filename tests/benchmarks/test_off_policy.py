"""The benchmark of off-policy estimates: its measures by hand, its logs as they were meant."""

import numpy as np
import pytest

from benchmarks.off_policy import OTHER, apart, drawn, estimated, furthest, held, row, summary


def log(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rate, logging = np.full((4, 3), 0.1), np.full((4, 3), 0.25)
    return drawn(rate, logging, np.random.default_rng(seed), n), np.tile([[0.4], [0.3], [0.2], [0.1]], 3)


def test_two_intervals_make_that_of_a_difference() -> None:
    """Of 5 ± 3 and 10 ± 4 the difference is −5 ± 5: it just holds 0."""
    assert apart(5, (2, 8), 10, (6, 14)) and not apart(5, (2, 8), 10.1, (6.1, 14.1))
    assert apart(10, (6, 14), 5, (2, 8)) and not apart(10.1, (6.1, 14.1), 5, (2, 8))


def test_what_is_drawn_has_the_rates_and_propensities_it_was_given() -> None:
    logging = np.array([[0.7, 0.2], [0.3, 0.8]])
    rate = np.array([[0.5, 0.1], [0.2, 0.9]])
    found = drawn(rate, logging, np.random.default_rng(0), 40_000)
    for place in (0, 1):
        at = found["position"] == place
        assert np.bincount(found["action"][at]) / at.sum() == pytest.approx(logging[:, place], abs=0.02)
        of_first = at & (found["action"] == 0)
        assert found["reward"][of_first].mean() == pytest.approx(rate[0, place], abs=0.03)
        assert set(found["propensity"][of_first]) == {logging[0, place]}


def test_a_log_is_estimated_held_against_the_other_and_summed_up() -> None:
    own, policy = log(2000, 1)
    evaluation, model = estimated(own, policy)
    assert model.shape == (2000, 4, 3)
    found = row(evaluation, own["reward"], own["moment"])
    ips = found["estimators"]["ips"]
    assert found["truth"] == pytest.approx(own["reward"].mean()) and ips["width_of_ips"] == 1
    assert ips["covers"] == (ips["low"] <= found["truth"] <= ips["high"])
    lines = summary({"one": found, "other": found})
    assert lines["ips"]["logs"] == 2 and lines["ips"]["no_wider_than_ips"] == 2
    assert lines["chosen"]["covers"] == 2 * found["estimators"][found["chosen"]]["covers"]


def test_values_that_are_not_those_of_obp_stop_it() -> None:
    found = {"log": {"estimators": {"ips": {"value": 0.5}, "dr": {"value": 0.4}}}}
    assert furthest(found, {"log": {"ips": 0.5, "dr": 0.4}}) == 0
    with pytest.raises(SystemExit, match="dr"):
        furthest(found, {"log": {"ips": 0.5, "dr": 0.41}})


def test_simulated_logs_tell_coverage_and_error() -> None:
    rate, logging = np.full((4, 3), 0.1), np.full((4, 3), 0.25)
    found = held(rate, logging, logging, 3, np.random.default_rng(0), rows=500)
    assert set(found) >= {"ips", "dros", "chosen"} and found["ips"]["width_of_ips"] == 1
    assert 0 <= found["ips"]["covers"] <= 1 and found["ips"]["error"] < 0.5 and set(OTHER) == {"random", "bts"}
