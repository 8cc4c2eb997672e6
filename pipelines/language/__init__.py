"""Read what people wrote, as of the newest night: reviews as they are delivered, items whose reviews have changed,
what is searched for most, and open questions.
"""

import contextlib
from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pipelines import built, lake, ops, staging
from pipelines.contracts import (
    IS_DUPLICATE,
    LANDING_DATE,
    REVIEWS,
    SCORES_ITEM_SUMMARIES,
    SCORES_QUERY_PRODUCTS,
    SCORES_REPLY_SUGGESTIONS,
)
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.language import deliveries, items
from pipelines.scoring.rows import Stamp
from pipelines.settings import Settings
from pipelines.vectors.rows import TEXT, replace
from pipelines.warehouse import insert, open_warehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from models.nlp.reviews import Readers
    from pipelines.language.reader import Chosen

ITEMS_AT_A_TIME = 2_000


def read_texts(settings: Settings, night: date, attempt: Attempt) -> dict[str, Any]:
    """Make what the warehouse says of reviews equal to what the lake holds up to `night`, the newest one.

    Only deliveries and items that changed are read, or all of them where the champion did. Returns counts; raises
    Superseded where a newer attempt has taken over.
    """
    staging.require_whole(settings)
    counts = _replace_whole(settings, attempt, night)
    if not lake.active_files(settings, REVIEWS.name) and not _anything(settings):
        return {"rows": _rows(counts), "items": 0, "note": "no reviews", **counts}
    from pipelines.language.reader import chosen

    reader = chosen(settings, night)
    stamp = Stamp(reader.name, reader.version, attempt.id, datetime.now(UTC))
    due = deliveries.due(settings, night, reader.version)
    with guard(settings, attempt):
        built.forget(settings, "features", "marts")
    if due.gone:
        with guard(settings, attempt), ops.writing(settings) as connection:
            deliveries.forget(connection, due.gone)
    rows = 0
    for days in deliveries.groups(settings, list(due.read)):
        rows += _read_deliveries(settings, attempt, {day: due.read[day] for day in days}, reader, stamp)
        fault_point("texts.delivery")
    changed = _summarise(settings, attempt, night, due.digests, reader, stamp)
    fault_point("texts.summarised")
    return {
        "rows": rows + _rows(counts), "reviews": rows, "deliveries": len(due.read), "items": changed, **counts,
        "model_name": reader.name, "model_version": reader.version, "note": reader.note,
    }  # fmt: skip


def _replace_whole(settings: Settings, attempt: Attempt, night: date) -> dict[str, Any]:
    """Products of the head queries, and suggested replies: few rows, made anew each night; and the products' vectors.

    Returns counts, and who ordered the products.
    """
    from pipelines.language.messages import suggestions
    from pipelines.language.queries import query_products

    stamp = Stamp("", "", attempt.id, datetime.now(UTC))
    replies, searches = suggestions(settings, night, stamp), query_products(settings, night, stamp)
    made = {SCORES_REPLY_SUGGESTIONS: replies, SCORES_QUERY_PRODUCTS: searches[0] if searches else None}
    fault_point("texts.made")
    with guard(settings, attempt), ops.writing(settings) as connection:
        built.forget(settings, "features", "marts")
        staging.require_whole(settings)
        for table, rows in made.items():
            connection.execute(f"delete from {table.name}")
            if rows is not None and rows.num_rows:
                insert(connection, table, rows)
        replace(connection, TEXT, searches[1] if searches else None)
    counts: dict[str, Any] = {
        table.name.partition(".")[2]: rows.num_rows for table, rows in made.items() if rows is not None
    }
    return counts | ({"item_vectors": searches[1].num_rows, "search": searches[2]} if searches else {})


def _rows(counts: dict[str, Any]) -> int:
    return sum(count for count in counts.values() if isinstance(count, int))


def _anything(settings: Settings) -> bool:
    """Whether reviews were read that the lake holds no more."""
    with contextlib.closing(open_warehouse(settings)) as connection:
        return connection.execute(f"select 1 from {SCORES_ITEM_SUMMARIES.name} limit 1").fetchone() is not None


def _read_deliveries(
    settings: Settings, attempt: Attempt, days: dict[date, str], reader: "Chosen", stamp: Stamp
) -> int:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from models.nlp.reviews import ROWS, read
    from pipelines.language.tables import aspect_rows, text_rows

    held = lake.dataset(settings, REVIEWS.name, days)
    # A review stands once in a delivery; sorted, equal deliveries leave equal rows.
    table = held.to_table(filter=~ds.field(IS_DUPLICATE)).sort_by(
        [(LANDING_DATE, "ascending"), ("review_id", "ascending")]
    )
    texts: list[pa.Table] = []
    aspects: list[pa.Table] = []
    for day in days:
        delivered = table.filter(ds.field(LANDING_DATE) == day)
        for start in range(0, delivered.num_rows, ROWS):
            part = delivered.slice(start, ROWS)
            found = read(part, reader.readers, {})
            texts.append(text_rows(part, found, stamp))
            aspects.append(aspect_rows(part, found, stamp))
    fault_point("texts.read")
    with guard(settings, attempt), ops.writing(settings) as connection:
        staging.require_whole(settings)
        if texts:
            deliveries.write(connection, days, pa.concat_tables(texts), pa.concat_tables(aspects), reader.version)
    return sum(part.num_rows for part in texts)


def _summarise(
    settings: Settings, attempt: Attempt, night: date, files: dict[date, str], reader: "Chosen", stamp: Stamp
) -> int:
    """Items whose reviews differ from those that their row was made of; returns how many."""
    from pipelines.language.tables import summary_rows

    now = items.digests(settings, night, files)
    with contextlib.closing(open_warehouse(settings)) as connection:
        known = items.known(connection, reader.version)
    changed = sorted(item for item, (_, digest) in now.items() if known.get(item) != digest)
    for start in range(0, len(changed), ITEMS_AT_A_TIME):
        part = changed[start : start + ITEMS_AT_A_TIME]
        made = [
            {
                "item_id": item,
                "reviews": now[item][0],
                "reviews_digest": now[item][1],
                **_summary(reviews, reader.readers),
            }
            for item, reviews in items.reviews_of(settings, night, part)
        ]
        with guard(settings, attempt), ops.writing(settings) as connection:
            items.forget(connection, part)
            insert(connection, SCORES_ITEM_SUMMARIES, summary_rows(made, stamp))
    with guard(settings, attempt), ops.writing(settings) as connection:
        gone = [row[0] for row in connection.execute(f"select item_id from {SCORES_ITEM_SUMMARIES.name}").fetchall()]
        items.forget(connection, [item for item in gone if item not in now])
    return len(changed)


def _summary(reviews: "pa.Table", readers: "Readers") -> dict[str, str | None]:
    """In the language that most of the reviews are in, where it can be summarised."""
    from models.nlp.reviews import read
    from models.nlp.summary import summarise
    from pipelines.language.tables import MOST_KEY_PHRASES

    found = read(reviews, readers, {})
    weights: Counter[str] = Counter()
    for keyword, weight in zip(
        found.keywords["keyword"].to_pylist(), found.keywords["weight"].to_pylist(), strict=True
    ):
        weights[keyword] += weight
    phrases = [name for name, _ in sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_KEY_PHRASES]]
    spoken = Counter(name for name in found.reviews["language"].to_pylist() if name in readers.phrases)
    summary: list[str] = []
    if spoken:
        tongue = min(spoken, key=lambda name: (-spoken[name], name))
        bodies = [body for body in reviews["body"].to_pylist() if body]
        summary = [sentence.text for sentence in summarise(bodies, tongue, readers.phrases[tongue])]
    return {"summary": " ".join(summary) or None, "key_phrases": ", ".join(phrases) or None}
