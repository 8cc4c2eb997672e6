"""Tables of reviews in, tables out: by hand, in any batches, from any text."""

import numpy as np
import pyarrow as pa
import pytest

from models.nlp import keywords, reviews
from models.nlp.learning import learn
from models.nlp.lexicon import shipped
from models.nlp.reviews import KEYWORDS, MENTIONS, READ, Readers, read, stream
from tests.models.nlp.texts import made

ROWS = [
    ("r1", "dress", "en", "Lovely", "The fabric is great, but the price is awful."),
    ("r2", "dress", None, None, "I love it, soft and comfortable."),
    ("r3", "soup", None, "好吃", "味道很好，送货太慢。"),
    ("r4", "soup", None, None, None),
    ("r5", "soup", "de", None, "Das ist ein sehr gutes Produkt und ich bin zufrieden"),
    ("r6", "dress", None, "<b>x</b>", "\x00<script>drop table</script>great\u200b fabric " + "z" * 300_000),
]
SCHEMA = pa.schema([(name, pa.string()) for name in ("review_id", "item_id", "language", "title", "body")])


def table(rows: list[tuple]) -> pa.Table:
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=SCHEMA)


@pytest.fixture(scope="module")
def readers() -> Readers:
    texts, positive = made(400)
    return Readers({"en": learn(texts, positive, "en").model}, {"en": keywords.learn(texts, "en")}, shipped())


def test_what_reviews_say(readers: Readers) -> None:
    found = read(table(ROWS), readers, {})
    said = {row["review_id"]: row for row in found.reviews.to_pylist()}
    assert [said[f"r{n}"]["language"] for n in range(1, 7)] == ["en", "en", "zh", "unknown", "other", "en"]
    assert said["r2"]["positive"] is True
    assert said["r2"]["chance"] > 0.5
    assert said["r3"]["chance"] is said["r4"]["chance"] is said["r5"]["positive"] is None, "nobody here can read them"
    mentions = {(row["review_id"], row["aspect"]): row for row in found.mentions.to_pylist()}
    assert mentions["r1", "quality"]["positive"] is True
    assert mentions["r1", "price"]["positive"] is False
    assert mentions["r1", "price"]["clause"] == "but the price is awful"
    assert mentions["r2", "comfort"]["positive"] is True
    assert mentions["r3", "taste"]["positive"] is True, "the lexicon reads without a model"
    assert mentions["r3", "delivery"]["positive"] is False
    assert {row["review_id"] for row in found.keywords.to_pylist()} <= {"r1", "r2", "r6"}
    assert (found.reviews.schema, found.mentions.schema, found.keywords.schema) == (READ, MENTIONS, KEYWORDS)


def test_a_category_narrows_the_aspects(readers: Readers) -> None:
    rows = [("a", "dress", "en", None, "The taste is awful and the fabric is great.")]
    found = read(table(rows), readers, {"dress": "clothing"}).mentions
    assert found["aspect"].to_pylist() == ["quality"]


def test_any_batches_give_the_same(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, _ = made(50, seed=5)
    rows = [*ROWS, *((f"x{n}", f"i{n % 3}", None, None, text) for n, text in enumerate(texts))]
    whole = read(table(rows), readers, {})
    monkeypatch.setattr(reviews, "ROWS", 7)
    parts = list(stream(table(rows).to_batches(max_chunksize=20), readers))
    assert max(part.reviews.num_rows for part in parts) <= 7
    for name in ("reviews", "mentions", "keywords"):
        assert pa.concat_tables([getattr(part, name) for part in parts]).equals(getattr(whole, name))


def test_title_and_language_may_be_missing_and_nothing_is_read(readers: Readers) -> None:
    rows = table(ROWS)
    bare = read(rows.select(["review_id", "item_id", "body"]), readers, {})
    assert bare.reviews["language"].to_pylist()[:2] == ["en", "en"]
    empty = read(rows.slice(0, 0), readers, {})
    assert [empty.reviews.num_rows, empty.mentions.num_rows, empty.keywords.num_rows] == [0, 0, 0]
    assert not np.isnan(bare.mentions["chance"].to_numpy()).any()
