"""What the simulated shop says is true of clicks, coupons and relevance shows in what its shoppers do."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipelines.sources._shop.queries import ANY, Queries, grade, make_queries
from pipelines.sources._shop.sessions import EXAMINED, SEARCH, Sessions, sessions_of
from pipelines.sources._shop.settings import ShopSettings
from pipelines.sources._shop.world import World, make_world

DAY = 10  # the first campaign runs


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(ShopSettings(users=120_000, products=600, days=20))


@pytest.fixture(scope="module")
def queries(world: World) -> Queries:
    return make_queries(world)


@pytest.fixture(scope="module")
def day(world: World, queries: Queries) -> list[Sessions]:
    return list(sessions_of(world, queries, DAY))


def rate(clicks: int, shown: int) -> tuple[float, float]:
    """A share, and four standard errors of it."""
    share = clicks / shown
    return share, 4 * (share * (1 - share) / shown) ** 0.5


def test_clicks_fall_with_the_place_as_examination_does(day: list[Sessions]) -> None:
    clicked = np.concatenate([s.clicked[s.surface != SEARCH] for s in day])
    shown = np.concatenate([s.items[s.surface != SEARCH] for s in day]) >= 0
    first = rate(int(clicked[:, 0].sum()), int(shown[:, 0].sum()))[0]
    for place in (1, 3, 9):
        share, error = rate(int(clicked[:, place].sum()), int(shown[:, place].sum()))
        assert abs(share - first * EXAMINED[place]) < error + 0.05 * share


def coupons_chances(world: World, day: list[Sessions]) -> Iterator[tuple[float, float]]:
    """(cart rate, error) of clicked coupon items: of users written to, then of those who were not."""
    for treated in (True, False):
        carted = clicked = 0
        for s in day:
            written = world.campaigns.treated[0, s.user] == treated
            rows = s.known & written & (world.users.joined[s.user] <= world.campaigns.first[0])
            fits = s.clicked & world.campaigns.in_coupon[0, s.items] & rows[:, None]
            clicked += int(fits.sum())
            carted += int((s.carted & fits).sum())
        yield rate(carted, clicked)


def test_a_coupon_adds_what_the_truth_says(world: World, day: list[Sessions]) -> None:
    (with_it, error), (without, error_without) = coupons_chances(world, day)
    odds = np.log(with_it / (1 - with_it)) - np.log(without / (1 - without))
    mean = float(world.campaigns.uplift[0, world.campaigns.treated[0]].mean())
    slack = (error + error_without) / (without * (1 - without))
    assert 0 < odds < mean + slack  # averaged over unlike shoppers, log-odds shrink
    assert odds > mean / 2 - slack
    assert all((s.campaign >= 0).sum() > 0 for s in day)


def test_nobody_redeems_before_the_campaign(world: World, queries: Queries) -> None:
    assert all((s.campaign < 0).all() for s in sessions_of(world, queries, int(world.campaigns.first[0]) - 1))


def test_a_days_sessions_are_bounded_in_size_and_ordered(day: list[Sessions]) -> None:
    starts = np.concatenate([s.second for s in day])
    assert len(day) > 1 and max(len(s.user) for s in day) == 20_000
    assert (np.diff(starts) >= 0).all()


def test_grades_by_hand(world: World, queries: Queries) -> None:
    # Category 3 is kettles, 4 frying pans (same department), 0 dresses (another one).
    items = replace(
        world.items,
        category=np.array([3, 3, 3, 3, 4, 4, 0]),
        brand=np.array([6, 6, 7, 7, 6, 7, 0]),
        colour=np.array([1, 2, 1, 2, 1, 1, 1]),
    )
    asked = ((3, 6, 1), (3, 6, ANY), (3, ANY, ANY), (ANY, 6, ANY))
    category, brand, colour = (np.array(column) for column in zip(*asked, strict=True))
    some = replace(queries, category=category, brand=brand, colour=colour)
    expected = ([3, 2, 2, 1, 1, 0, 0], [3, 3, 2, 2, 1, 0, 0], [3, 3, 3, 3, 1, 1, 0], [3, 3, 1, 1, 3, 1, 0])
    for query, grades in enumerate(expected):
        assert grade(some, query, items, np.arange(7)).tolist() == grades
