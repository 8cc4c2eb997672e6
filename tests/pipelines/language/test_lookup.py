"""`nightmarket search`: any query, the plain order, and one that is moved towards a user's taste."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import NightmarketError, UsageError
from pipelines.language.lookup import look_up
from pipelines.settings import Settings
from tests.models.shop import MONDAY
from tests.pipelines.learning import fill_lake, fill_products

TITLES = (
    "red ceramic mug", "blue ceramic mug", "steel mug for hiking", "hiking boots", "hiking tent", "garden spade",
    "wine glass",
)  # fmt: skip
TOMORROW = MONDAY + timedelta(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    fill_products(settings, [{"item_id": f"i{n}", "title": title} for n, title in enumerate(TITLES)])
    fill_lake(settings, [("hiker", "i3", 0), ("hiker", "i4", 0, "view"), ("late", "i3", 1)])
    return settings


def found(shop: Settings, query: str, user: str | None = None, strength: float | None = None, **more: Any) -> list[str]:
    given = {"night": None, "places": 20, **more}
    return [row["title"] for row in look_up(shop, query, user, strength, **given)["rows"]]


def test_what_is_asked_for_stands_first_and_says_why(shop: Settings) -> None:
    answer = look_up(shop, " Wine Glass", None, None, None, 3)
    assert answer["query"] == "wine glass"
    assert (answer["rows"][0]["title"], answer["rows"][0]["matched"]) == ("wine glass", "words wine glass")
    assert len(answer["rows"]) == 3
    assert "no champion of search" in answer["note"]


def test_a_user_s_taste_moves_the_order_as_far_as_it_is_let(shop: Settings) -> None:
    plain = found(shop, "mug")
    assert found(shop, "mug", "hiker", 0.0) == plain
    assert found(shop, "mug", "nobody", 1.0) == plain
    moved = found(shop, "mug", "hiker", 1.0)
    assert set(moved) == set(plain)
    assert moved.index("steel mug for hiking") < plain.index("steel mug for hiking")


def test_taste_is_what_was_known_that_night(shop: Settings) -> None:
    assert "late has no taste yet" in look_up(shop, "mug", "late", 1.0, MONDAY, 5)["note"]
    assert "towards the taste of late" in look_up(shop, "mug", "late", 1.0, TOMORROW, 5)["note"]


def test_nothing_is_written_by_asking(shop: Settings) -> None:
    """But the lake's days in short, which whoever needs them first keeps for the others."""
    before = sorted(path for path in shop.home.rglob("*") if "summaries" not in path.parts)
    found(shop, "tent", "hiker")
    after = sorted(shop.home.rglob("*"))
    assert [path for path in after if "summaries" not in path.parts] == before
    found(shop, "tent", "hiker")
    assert sorted(shop.home.rglob("*")) == after


def test_what_cannot_be_asked_is_said(shop: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="from 0"):
        found(shop, "mug", "hiker", 2.0)
    with pytest.raises(UsageError, match="no word"):
        found(shop, "  ")
    with pytest.raises(NightmarketError, match="holds no events"):
        found(Settings(home=tmp_path), "mug")
    with pytest.raises(NightmarketError, match="nothing is on sale"):
        found(shop, "mug", night=MONDAY - timedelta(1))
