"""Reviews with a rating, split by their delivery: what a reader learns from, and what it is judged by."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from pipelines import lake
from pipelines.contracts import LANDING_DATE, REVIEWS
from pipelines.errors import TooLittle
from pipelines.language.items import newest
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

POSITIVE_FROM, NEGATIVE_TO = 4, 2
MOST = 300_000
"""Reviews that are learned from, or judged by, at most: the newest."""


@dataclass(frozen=True)
class Rated:
    """Of one language: cleaned texts, and whether each was rated as positive (1), negative (0) or neither (-1)."""

    texts: list[str]
    outcome: np.ndarray  # int8 [n]

    @property
    def labelled(self) -> tuple[list[str], np.ndarray]:
        rows = np.flatnonzero(self.outcome >= 0)
        return [self.texts[row] for row in rows], self.outcome[rows] == 1


def split(settings: Settings, cutoff: date, until: date) -> tuple[dict[str, Rated], dict[str, Rated]]:
    """By language, reviews as they were known at the cut-off, and those first delivered after it up to `until`."""
    with duckdb.connect(config={"memory_limit": settings.memory_limit}) as connection:
        connection.register("before", lake.dataset(settings, REVIEWS.name, lambda day: day <= cutoff))
        connection.register("after", lake.dataset(settings, REVIEWS.name, lambda day: cutoff < day <= until))
        order = f"order by {LANDING_DATE} desc, review_id limit {MOST}"
        columns = "review_id, language, title, body, rating"
        learned = connection.execute(f"select {columns} from ({newest('before')}) {order}").to_arrow_table()
        judged = connection.execute(
            f"select {columns} from ({newest('after')}) where review_id not in (select review_id from before) {order}"
        ).to_arrow_table()
    return _by_language(learned), _by_language(judged)


def _by_language(rows: "pa.Table") -> dict[str, Rated]:
    from models.nlp.reviews import languages_of, texts_of
    from models.nlp.text import LANGUAGES

    texts = texts_of(rows)
    spoken = np.array(languages_of(rows, texts), dtype=object)
    rating = np.array([np.nan if value is None else float(value) for value in rows["rating"].to_pylist()])
    with np.errstate(invalid="ignore"):
        outcome = np.where(rating >= POSITIVE_FROM, 1, np.where(rating <= NEGATIVE_TO, 0, -1)).astype(np.int8)
    found = {}
    for language in LANGUAGES:
        chosen = [row for row in np.flatnonzero(spoken == language) if texts[row]]
        if chosen:
            found[language] = Rated([texts[row] for row in chosen], outcome[chosen])
    return found


def newest_delivery(settings: Settings) -> date:
    days = lake.active_files(settings, REVIEWS.name)
    if not days:
        raise TooLittle("the lake holds no reviews to train on; land some first")
    return max(days)
