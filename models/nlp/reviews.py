"""Reviews in, tables out: sentiment, aspects and keywords of each, in batches that hold a bounded number at a time.

review_id, item_id, language?, title?, body ─▶ READ:     review_id, item_id, language, chance, positive
                                               MENTIONS: review_id, item_id, aspect, chance, positive, term, clause
                                               KEYWORDS: review_id, item_id, keyword, weight
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.calibration import sigmoid
from models.nlp import aspects
from models.nlp.keywords import Phrases
from models.nlp.lexicon import Lexicon
from models.nlp.sentiment import Sentiment
from models.nlp.text import LANGUAGES, LONGEST, clean, language

ROWS = 4_096
"""Reviews in memory at a time."""

_IDS = [("review_id", pa.string()), ("item_id", pa.string())]
READ = pa.schema([*_IDS, ("language", pa.string()), ("chance", pa.float64()), ("positive", pa.bool_())])
MENTIONS = pa.schema(
    [
        *_IDS, ("aspect", pa.string()), ("chance", pa.float64()), ("positive", pa.bool_()), ("term", pa.string()),
        ("clause", pa.string()),
    ]
)  # fmt: skip
KEYWORDS = pa.schema([*_IDS, ("keyword", pa.string()), ("weight", pa.float64())])


@dataclass(frozen=True)
class Read:
    """What some reviews say; in the order they came in."""

    reviews: pa.Table  # READ
    mentions: pa.Table  # MENTIONS
    keywords: pa.Table  # KEYWORDS


@dataclass(frozen=True)
class Readers:
    """By language. A text in a language without a reader gets nulls; `categories`: that of an item, where known."""

    sentiment: Mapping[str, Sentiment]
    phrases: Mapping[str, Phrases]
    lexicon: Lexicon


def stream(
    reviews: Iterable[pa.RecordBatch | pa.Table], readers: Readers, categories: Mapping[str, str] | None = None
) -> Iterator[Read]:
    """Each `ROWS` reviews as they come; columns as above, `language` (`en`, `zh`) and `title` may be missing or null.

    `categories`: the lexicon's category of items, which narrows the aspects that are looked for.
    """
    for batch in reviews:
        for start in range(0, batch.num_rows, ROWS):
            yield read(batch.slice(start, ROWS), readers, categories or {})


def read(batch: pa.RecordBatch | pa.Table, readers: Readers, categories: Mapping[str, str]) -> Read:
    """All at once."""
    texts = texts_of(batch)
    spoken = languages_of(batch, texts)
    ids = [batch.column(name).cast(pa.string()).to_pylist() for name in ("review_id", "item_id")]
    chance, positive = np.full(len(texts), np.nan), np.zeros(len(texts), dtype=bool)
    mentions: list[tuple[int, aspects.Mention, float]] = []
    keywords: list[tuple[int, str, float]] = []
    for tongue in LANGUAGES:
        rows = [row for row, said in enumerate(spoken) if said == tongue and texts[row]]
        model, phrases = readers.sentiment.get(tongue), readers.phrases.get(tongue)
        if model is not None and rows:
            chance[rows] = model.chance([texts[row] for row in rows])
            positive[rows] = chance[rows] >= model.cut
        mentions += _mentions(rows, texts, tongue, [categories.get(ids[1][row]) for row in rows], readers)
        if phrases is not None:
            keywords += [(row, term, weight) for row in rows for term, weight in phrases.keywords(texts[row])]
    unread = np.isnan(chance)
    reviews = pa.table([*ids, spoken, pa.array(chance, mask=unread), pa.array(positive, mask=unread)], schema=READ)
    return Read(reviews, _mention_table(mentions, texts, ids), _keyword_table(keywords, ids))


def texts_of(batch: pa.RecordBatch | pa.Table) -> list[str]:
    """Title and body of each, cleaned; a title is a sentence by itself."""
    bodies = _strings(batch, "body")
    if "title" not in batch.schema.names:
        return [clean(body) for body in bodies]
    found = []
    for title, body in zip(map(clean, _strings(batch, "title")), map(clean, bodies), strict=True):
        stop = "" if not title or title[-1] in ".!?。！？…" else "."
        found.append(f"{title}{stop} {body}".strip() if title else body)
    return found


def _strings(batch: pa.RecordBatch | pa.Table, name: str) -> list[str]:
    """Cut before Python sees them: one text may be megabytes."""
    column = batch.column(name).cast(pa.large_string())
    return [value or "" for value in pc.utf8_slice_codeunits(column, 0, LONGEST).to_pylist()]


def languages_of(batch: pa.RecordBatch | pa.Table, texts: Sequence[str]) -> list[str]:
    """What the shop says, where it says one that can be read; else by the text."""
    stated = batch.column("language").to_pylist() if "language" in batch.schema.names else [None] * len(texts)
    return [known if known in LANGUAGES else language(text) for known, text in zip(stated, texts, strict=True)]


def _mentions(
    rows: Sequence[int], texts: Sequence[str], tongue: str, categories: Sequence[str | None], readers: Readers
) -> list[tuple[int, aspects.Mention, float]]:
    """(row, mention, log-odds that it is a good one), those left out of which nothing is said."""
    wanted = {category: readers.lexicon.of(category) for category in set(categories)}
    found = [
        (row, mention)
        for row, category in zip(rows, categories, strict=True)
        for mention in aspects.mentions(texts[row], tongue, readers.lexicon, wanted[category])
    ]
    model = readers.sentiment.get(tongue)
    felt: list[float | None] = [None] * len(found)
    if model is not None and found:
        clauses = [texts[row][mention.start : mention.end] for row, mention in found]
        felt = list(model.leaning(clauses))
    weighed = (
        (row, mention, aspects.log_odds(mention, odds)) for (row, mention), odds in zip(found, felt, strict=True)
    )
    return [(row, mention, odds) for row, mention, odds in weighed if odds is not None]


def _mention_table(
    found: Sequence[tuple[int, aspects.Mention, float]], texts: Sequence[str], ids: list[list[str]]
) -> pa.Table:
    found = sorted(found, key=lambda each: (each[0], each[1].start, each[1].aspect))
    chance = sigmoid(np.array([odds for _, _, odds in found], dtype=np.float64))
    return pa.table(
        [
            *([column[row] for row, _, _ in found] for column in ids),
            [mention.aspect for _, mention, _ in found], chance, chance >= 0.5,
            [mention.term for _, mention, _ in found],
            [texts[row][mention.start : mention.end].strip() for row, mention, _ in found],
        ],
        schema=MENTIONS,
    )  # fmt: skip


def _keyword_table(found: Sequence[tuple[int, str, float]], ids: list[list[str]]) -> pa.Table:
    found = sorted(found, key=lambda each: each[0])
    return pa.table(
        [
            *([column[row] for row, _, _ in found] for column in ids),
            [term for _, term, _ in found], [weight for _, _, weight in found],
        ],
        schema=KEYWORDS,
    )  # fmt: skip
