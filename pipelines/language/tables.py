"""What was read out of reviews as rows of the score tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import LANDING_DATE
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped

if TYPE_CHECKING:
    from models.nlp.reviews import Read

POSITIVE, NEGATIVE = "positive", "negative"
MOST_KEY_PHRASES = 8


def text_rows(rows: pa.Table, read: "Read", stamp: Stamp) -> pa.Table:
    """A row for each of `rows` (as the lake holds them), in their order."""
    found = read.reviews
    said = pc.if_else(found["positive"], POSITIVE, NEGATIVE)
    columns = {
        LANDING_DATE: rows[LANDING_DATE].combine_chunks(),
        "review_id": rows["review_id"].combine_chunks(),
        "item_id": rows["item_id"].combine_chunks(),
        "created_at": rows["created_at"].combine_chunks(),
        "rating": rows["rating"].combine_chunks(),
        "language": found["language"].combine_chunks(),
        "positive_probability": pc.round(found["chance"], DIGITS).combine_chunks(),
        "sentiment": said.combine_chunks(),
    }
    return stamped(columns, stamp)


def aspect_rows(rows: pa.Table, read: "Read", stamp: Stamp) -> pa.Table:
    """One for each review and aspect: how often, how good on the whole, and the first clause that speaks of it.

    A review is named once in `rows`; it may be delivered again on another day of them.
    """
    day = dict(zip(zip_keys(rows), rows[LANDING_DATE].to_pylist(), strict=True))
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for mention in read.mentions.to_pylist():
        grouped.setdefault((mention["review_id"], mention["item_id"], mention["aspect"]), []).append(mention)
    mean = [float(np.mean([2 * mention["chance"] - 1 for mention in group])) for group in grouped.values()]
    columns = {
        LANDING_DATE: pa.array([day[review, item] for review, item, _ in grouped], pa.date32()),
        "review_id": pa.array([review for review, _, _ in grouped], pa.string()),
        "item_id": pa.array([item for _, item, _ in grouped], pa.string()),
        "aspect": pa.array([aspect for _, _, aspect in grouped], pa.string()),
        "mentions": pa.array([len(group) for group in grouped.values()], pa.int32()),
        "sentiment": pa.array(np.round(mean, DIGITS), pa.float64()),
        "sentence": pa.array([group[0]["clause"] for group in grouped.values()], pa.string()),
    }
    return stamped(columns, stamp)


def zip_keys(rows: pa.Table) -> list[tuple[str, str]]:
    return list(zip(rows["review_id"].to_pylist(), rows["item_id"].to_pylist(), strict=True))


def summary_rows(made: Sequence[dict[str, Any]], stamp: Stamp) -> pa.Table:
    """`made`: item_id, reviews, reviews_digest, summary, key_phrases of each item."""
    kinds = {"item_id": pa.string(), "reviews": pa.int64(), "reviews_digest": pa.string()}
    kinds |= {"summary": pa.string(), "key_phrases": pa.string()}
    return stamped({name: pa.array([row[name] for row in made], kind) for name, kind in kinds.items()}, stamp)
