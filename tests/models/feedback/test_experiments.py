"""Expected values are worked out by hand; the false-alarm rate of the split is counted."""

import math

import numpy as np
import pytest

from models.feedback import experiments as ab

Z = ab.Z_INTERVAL


def test_a_rate_and_its_error_by_hand() -> None:
    """Clicks 1 0 2 of impressions 4 2 4: R = 3/10; left over −1/5, −3/5, 4/5; their squares sum to 26/25."""
    found = ab.rate(np.array([1, 0, 2]), np.array([4, 2, 4]))
    error = math.sqrt(3 / 2 * 26 / 25) / 10
    assert (found.users, found.value, found.error) == (3, 3 / 10, pytest.approx(error))
    assert (found.low, found.high) == pytest.approx((0.3 - Z * error, 0.3 + Z * error))


def test_of_a_bottom_of_ones_it_is_the_error_of_a_mean() -> None:
    values = np.random.default_rng(0).gamma(1, 10, 50)
    assert ab.rate(values, np.ones(50)).error == pytest.approx(values.std(ddof=1) / math.sqrt(50))


def test_the_delta_method_agrees_with_resampled_users() -> None:
    draw = np.random.default_rng(1)
    shown = draw.poisson(8, 3000) + 1
    clicks = draw.binomial(shown, draw.beta(1, 20, 3000))
    rows = draw.integers(0, 3000, (1000, 3000))
    ratios = clicks[rows].sum(axis=1) / shown[rows].sum(axis=1)
    assert ab.rate(clicks, shown).error == pytest.approx(ratios.std(), rel=0.08)


def test_difference_ratio_and_least_effect_by_hand() -> None:
    """Conversion 1 of 4 against 2 of 4: variance of each mean p (1 − p) / 3 = 1/16 and 1/12."""
    control, variant = np.array([1, 0, 0, 0]), np.array([1, 1, 0, 0])
    found = ab.read((control, np.ones(4)), (variant, np.ones(4)))
    error = math.sqrt(1 / 16 + 1 / 12)
    assert found.difference == 1 / 4 and found.ratio == 2
    assert found.difference_high == pytest.approx(1 / 4 + Z * error)
    spread = Z * math.sqrt(1 / 16 / (1 / 4) ** 2 + 1 / 12 / (1 / 2) ** 2)
    assert (found.ratio_low, found.ratio_high) == pytest.approx((2 * math.exp(-spread), 2 * math.exp(spread)))
    assert found.detectable == pytest.approx((1.959964 + 0.841621) * error)


def test_without_users_or_clicks_nothing_is_said() -> None:
    nobody = (np.empty(0), np.empty(0))
    assert math.isnan(ab.rate(*nobody).value) and math.isnan(ab.rate(np.zeros(2), np.zeros(2)).value)
    found = ab.read((np.zeros(3), np.ones(3)), (np.array([1, 0, 0]), np.ones(3)))
    assert found.difference == pytest.approx(1 / 3) and math.isnan(found.ratio)


def test_the_chi_square_of_a_split_by_hand() -> None:
    """60 and 40 where 50 and 50 were meant: 100/50 + 100/50 = 4; P(χ²₁ > 4) = 2 · P(z > 2)."""
    found = ab.split({"a": 60, "b": 40}, {"a": 0.5, "b": 0.5})
    assert found.chi_square == 4 and found.p == pytest.approx(math.erfc(2 / math.sqrt(2))) and found.sound
    assert not ab.split({"a": 6000, "b": 5500}, {"a": 0.5, "b": 0.5}).sound


def test_a_sound_split_is_called_off_as_often_as_stated() -> None:
    a = np.random.default_rng(2).binomial(10_000, 0.9, 20_000)
    alarms = np.mean([not ab.split({"a": n, "b": 10_000 - n}, {"a": 0.9, "b": 0.1}).sound for n in a.tolist()])
    assert 0.0001 <= alarms <= 0.0011  # 10 wanted of 20,000, give or take 4 deviations


@pytest.mark.parametrize("meant", [{"a": 1.0}, {"a": 0.5, "b": 0.4}, {"a": 1.0, "b": 0.0}])
def test_shares_that_cannot_be(meant: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        ab.split({"a": 1, "b": 1}, meant)


def test_the_read_out_of_a_table() -> None:
    rows = ab.by_user(
        np.array(["u2", "u1", "u1", "u3", "u4"]),
        clicks=np.array([0, 1, 1, 1, 0]), impressions=np.array([2, 3, 1, 2, 2]),
        purchases=np.array([0, 1, 1, 0, 0]), revenue=np.array([0, 5, 2, 0, 0]),
    )  # fmt: skip
    assert rows["users"].tolist() == ["u1", "u2", "u3", "u4"] and rows["clicks"].tolist() == [2, 0, 1, 0]
    found = ab.read_out(np.array(["new", "new", "old", "old"]), rows, control="old")["new"]
    assert (found["ctr"].variant.value, found["ctr"].control.value) == (2 / 6, 1 / 4)
    assert (found["conversion"].variant.value, found["revenue_per_user"].variant.value) == (1 / 2, 7 / 2)
    with pytest.raises(ValueError, match="nobody"):
        ab.read_out(np.array(["new"] * 4), rows, control="old")
