"""A reader learned from the shop's own rated reviews: judged on later ones, promoted where it earns it, kept if not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.nlp.lexicon import shipped
from models.nlp.saved import load
from pipelines.errors import NightmarketError
from pipelines.fence import take
from pipelines.language import read_texts
from pipelines.language.promotion import Judged, _candidate
from pipelines.language.rated import split
from pipelines.language.trial import FLOOR, LEARNED, LOG_LOSS
from pipelines.promotion import promote, roll_back_model
from pipelines.settings import Settings
from pipelines.training import train
from pipelines.warehouse import open_warehouse
from tests.models.shop import MONDAY
from tests.pipelines.learning import commit

pytestmark = pytest.mark.xdist_group("reviews-trained")  # one worker makes what the tests of this file share

LAST = 30
WORDS = {
    "en": (
        ("great", "lovely", "perfect", "excellent", "comfortable"), ("awful", "broken", "terrible", "scratchy", "late"),
        "The {item} is {word} and I would {end}.", ("buy it again", "not buy it again"),
    ),
    "zh": (
        ("很好", "舒服", "喜欢", "完美", "满意"), ("很差", "破了", "失望", "难受", "太慢"),
        "这个{item}{word}，{end}", ("推荐", "不推荐"),
    ),
}  # fmt: skip


def reviews(language: str, count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rated reviews of thirty days; one in ten says the opposite of its rating."""
    draw = np.random.default_rng(seed)
    good, bad, form, ends = WORDS[language]
    rows = []
    for number in range(count):
        positive, honest = bool(draw.random() < 0.6), bool(draw.random() < 0.9)
        spoken = good if positive == honest else bad
        day = MONDAY + timedelta(int(draw.integers(LAST + 1)))
        body = form.format(
            item=f"item{draw.integers(9)}", word=draw.choice(spoken), end=ends[0 if positive == honest else 1]
        )
        rows.append(
            {
                "review_id": f"{language}{number}", "item_id": f"i{number % 7}", "landing_date": day, "body": body,
                "created_at": datetime.combine(day, datetime.min.time(), UTC), "language": language, "file": "f",
                "line": number, "is_duplicate": False, "rating": [1, 2, 4, 5][2 * positive + number % 2],
            }
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("home"), test_days=10)
    commit(settings, "reviews", [*reviews("en", 900), *reviews("zh", 150)])
    return settings


@pytest.fixture(scope="module")
def trained(shop: Settings) -> dict[str, Any]:
    return train(shop, "reviews")


def test_only_a_language_with_enough_rated_reviews_is_learned(shop: Settings, trained: dict[str, Any]) -> None:
    assert (trained["cutoff"], trained["until"]) == (str(MONDAY + timedelta(20)), str(MONDAY + timedelta(30)))
    assert list(trained["languages"]) == ["en"]
    assert list(load(shop.models / "reviews" / trained["versions"][LEARNED], shipped()).sentiment) == ["en"]


def test_it_is_judged_on_later_reviews_and_near_what_can_be_reached(trained: dict[str, Any]) -> None:
    found = {(row["model_name"], row["metric"]): row for row in trained["metrics"]}
    measured = found[LEARNED, "f1"]
    assert measured["slice"] == "en"
    assert 200 < measured["users"] < 400
    assert 0.8 < measured["value"] < 0.97  # one rating in ten contradicts its words
    assert measured["low"] < measured["value"] < measured["high"]
    assert found[LEARNED, "ece"]["value"] < 0.1
    assert found[FLOOR, "log_loss"]["value"] > 0


def test_what_is_learned_from_and_judged_by_do_not_meet(shop: Settings) -> None:
    before, after = split(shop, MONDAY + timedelta(20), MONDAY + timedelta(30))
    assert len(before["en"].texts) + len(after["en"].texts) == 900
    assert set(np.unique(before["en"].outcome)) == {0, 1}


def test_trained_again_everything_ends_equal(shop: Settings, trained: dict[str, Any]) -> None:
    again = train(shop, "reviews")
    assert again["versions"] == trained["versions"]
    left_out = ("trained_at", "model_version")
    facts = [
        [{k: v for k, v in row.items() if k not in left_out} for row in run["metrics"]] for run in (again, trained)
    ]
    assert facts[0] == facts[1]


def test_the_first_champion_reads_the_nights_after_its_evaluation(shop: Settings, trained: dict[str, Any]) -> None:
    dry = promote(shop, "reviews", dry_run=True)
    assert (dry["promoted"], dry["would_promote"], dry["champion"]) == (False, True, None)
    done = promote(shop, "reviews", version=dry["model_version"])
    assert (done["promoted"], done["champion"]["model_version"]) == (True, dry["model_version"])
    assert "it is the champion already" in promote(shop, "reviews")["verdict"]
    with pytest.raises(NightmarketError, match="stands where other was asked for"):
        promote(shop, "reviews", version="other")
    night = MONDAY + timedelta(31)
    commit(
        shop, "reviews", [{**reviews("en", 1)[0], "review_id": "new", "landing_date": night, "body": "It is lovely."}]
    )
    read_texts(shop, night, take(shop, "texts", "warehouse"))
    with open_warehouse(shop, read_only=True) as connection:
        row = connection.execute(
            "select sentiment, model_version from scores.review_texts where review_id = 'new'"
        ).fetchone()
    assert row is not None
    assert row[0] == "positive"
    assert row[1].startswith(done["model_version"])


def test_a_rollback_needs_a_champion_before(shop: Settings, trained: dict[str, Any]) -> None:
    with pytest.raises(NightmarketError, match="there was no champion before"):
        roll_back_model(shop, "reviews", dry_run=True)


def test_a_shop_with_too_few_reviews_is_told_what_is_missing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, test_days=10)
    with pytest.raises(NightmarketError, match="the lake holds no reviews to train on"):
        train(settings, "reviews")
    commit(settings, "reviews", reviews("en", 50))
    with pytest.raises(NightmarketError, match="no language has 50 positive and 50 negative rated reviews"):
        train(settings, "reviews")


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({"en": 0.2, "zh": 0.0}, LEARNED),  # better in one, equal in the other
        ({"en": 0.2, "zh": -0.2}, FLOOR),  # worse in one
        ({"en": 0.0, "zh": 0.0}, FLOOR),
    ],
)
def test_the_floor_stays_unless_it_is_beaten_and_nowhere_better(saved: dict[str, float], expected: str) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 400)
    floor = {language: np.full(400, 0.5) for language in saved}
    learned = {language: 0.5 - gain + (noise if gain else noise - noise) for language, gain in saved.items()}
    assert _candidate(Judged(LOG_LOSS, {FLOOR: floor, LEARNED: learned}))[0] == expected
