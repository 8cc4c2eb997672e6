"""Reviews of a day: their words follow what the reviewer met with; corrections of earlier ones come as the same id."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipelines.sources._shop import words_en, words_zh
from pipelines.sources._shop.afterwards import DELIVERY, Past, Purchases
from pipelines.sources._shop.events import RATING, moment
from pipelines.sources._shop.lexicon import ASPECTS, CATEGORIES, COLOURS
from pipelines.sources._shop.personal import HOSTILE, Span, Text, fake, pick
from pipelines.sources._shop.world import HAS_ASPECT, World

WORDS = (words_en, words_zh)
HOSTILE_SHARE, PERSONAL_SHARE, DECOY_SHARE = 0.03, 0.05, 0.05
OVERALL = "overall"  # what a correction speaks of
NAMED_LANGUAGE = 0.7  # share of reviews of which the shop knows the language


@dataclass(frozen=True)
class Review:
    """A review as delivered on one day, and what is true of it."""

    review_id: str
    item: int
    user: int
    bought: int  # day numbers
    created: int
    second: int
    rating: int
    title: str | None
    body: str | None
    language: int
    names_language: bool
    opinions: tuple[tuple[str, int], ...]  # (aspect, +1 or -1), in the order of the sentences
    hostile: str | None
    spans: tuple[Span, ...]
    is_correction: bool = False

    @property
    def sentiment(self) -> float | None:
        """Mean of the opinions that the text holds, -1 to 1; None where it holds none."""
        return sum(sign for _, sign in self.opinions) / len(self.opinions) if self.opinions else None


def reviews_of(past: Past, day: int) -> Iterator[Review]:
    """First versions of the day, then corrections that came on it; each by day and number of the purchase."""
    around = past.around(day)
    for bought in around:
        for number in np.flatnonzero(bought.rated == day).tolist():
            yield _review(past.world, bought, number)
    for bought in around:
        for number in np.flatnonzero(bought.corrected == day).tolist():
            yield _corrected(past.world, _review(past.world, bought, number), bought.day, number)


def _review(world: World, bought: Purchases, number: int) -> Review:
    draw = world.settings.stream("review", bought.day, number)
    item, user = int(bought.item[number]), int(bought.user[number])
    aspects = np.flatnonzero(HAS_ASPECT[world.items.category[item]])
    met = world.items.quality[item, aspects] + 0.6 * draw.normal(0, 1, len(aspects))
    waited = int(bought.delivered[number] - bought.day)
    met[aspects == DELIVERY] += 0.5 * (3 - waited)
    stars = round(3.6 + 1.1 * float(met.mean()) + float(world.users.mood[user]))
    created = int(bought.rated[number])
    plain = Review(
        review_id=f"r{bought.day:05d}-{number}",
        item=item,
        user=user,
        bought=bought.day,
        created=created,
        second=int(moment(bought.day, np.array(number), RATING)),
        rating=min(5, max(1, stars)),
        title=None,
        body=None,
        language=int(world.users.language[user]),
        names_language=bool(draw.random() < NAMED_LANGUAGE),
        opinions=(),
        hostile=None,
        spans=(),
    )
    return _worded(world, plain, draw, aspects, met, waited) if bought.worded[number] else plain


def _worded(
    world: World, review: Review, draw: np.random.Generator, aspects: np.ndarray, met: np.ndarray, waited: int
) -> Review:
    """The review with a title and a text on up to four aspects, sooner on those that stood out."""
    words = WORDS[review.language]
    said = min(len(aspects), 1 + int(draw.integers(4)))
    chosen = np.argsort(-np.abs(met) * draw.random(len(met)), kind="stable")[:said]
    opinions = tuple((ASPECTS[aspects[i]], 1 if met[i] > 0 else -1) for i in chosen)
    tone = (review.rating >= 4) - (review.rating <= 2)
    slots = _slots(world, review, draw, waited)
    title = pick(draw, words.TITLES[tone]).format(**slots)
    text = Text(review.language, "body")
    if draw.random() < 0.3:
        text.add(pick(draw, words.NEUTRAL))
    for aspect, sign in opinions:
        text.add(_upper(pick(draw, (words.GOOD if sign > 0 else words.BAD)[aspect]).format(**slots)))
    if draw.random() < DECOY_SHARE:
        text.add(pick(draw, words.DECOYS).format(number=draw.integers(100_000, 1_000_000)))
    if draw.random() < PERSONAL_SHARE:
        before, after = pick(draw, words.PERSONAL)
        kind, value = fake(draw, review.language)
        text.add_personal(before, kind, value, after)
    hostile = None
    if draw.random() < HOSTILE_SHARE:
        hostile = pick(draw, tuple(HOSTILE))
        if hostile == "empty":
            text, opinions = Text(review.language, "body"), ()
        text.add(HOSTILE[hostile])
    return replace(
        review,
        title=_upper(title) if draw.random() < 0.8 else None,
        body=text.text,
        opinions=opinions,
        hostile=hostile,
        spans=tuple(text.spans),
    )


def _slots(world: World, review: Review, draw: np.random.Generator, waited: int) -> dict[str, str]:
    language = review.language
    return {
        "n": CATEGORIES[world.items.category[review.item]].noun[language],
        "very": pick(draw, WORDS[language].VERY),
        "colour": COLOURS[world.items.colour[review.item]][language],
        "days": str(max(2, waited)),
    }


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _corrected(world: World, review: Review, bought: int, number: int) -> Review:
    """The same review a star better or worse, with a sentence that says so."""
    draw = world.settings.stream("correction", bought, number)
    sign = -1 if review.rating == 5 or (review.rating > 1 and draw.random() < 0.5) else 1
    gap = "" if review.language else " "
    body = f"{review.body}{gap}{pick(draw, WORDS[review.language].UPDATES[sign])}"
    opinions = (*review.opinions, (OVERALL, sign))
    return replace(review, rating=review.rating + sign, body=body, opinions=opinions, is_correction=True)
