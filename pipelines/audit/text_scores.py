"""Whether what a night read out of texts may be shown: counts of rows that break a rule, asked of the tables anew.

The tables stand for the newest night and not for a night of their own, so an older one has nothing to ask of them. What
a rule says of one row is SQL that both warehouses understand; what it says of a text is asked of the lake.
"""

from collections.abc import Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines import lake
from pipelines.audit.rule_tables import newest
from pipelines.contracts import (
    IS_DUPLICATE,
    LANDING_DATE,
    OPS_NIGHTS,
    REVIEWS,
    SCORES_ITEM_SUMMARIES,
    SCORES_QUERY_PRODUCTS,
    SCORES_REPLY_SUGGESTIONS,
    SCORES_REVIEW_ASPECTS,
    SCORES_REVIEW_TEXTS,
    SUPPORT_MESSAGES,
    TEXT_TABLES,
)
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, open_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

SUMMARIES_READ = 300
"""Summaries of a night that are compared with the reviews, drawn by the night: every night others."""
MOST_SENTENCES = 3
LANGUAGES = ("en", "zh", "other", "unknown")

TEXTS, ASPECTS, SUMMARIES = SCORES_REVIEW_TEXTS.name, SCORES_REVIEW_ASPECTS.name, SCORES_ITEM_SUMMARIES.name
PRODUCTS, REPLIES = SCORES_QUERY_PRODUCTS.name, SCORES_REPLY_SUGGESTIONS.name


def broken_texts(settings: Settings, night: date) -> dict[str, int]:
    """By rule, how many rows (of lists: queries) break it. Empty where there are none, or a later night was built."""
    with open_warehouse(settings, read_only=True) as warehouse:
        held = {table.name for table in TEXT_TABLES if _holds(warehouse, f"select 1 from {table.name} limit 1")}
        if not held or _holds(warehouse, f"select 1 from {OPS_NIGHTS.name} where night > ?", [night]):
            return {}
        found = {rule: _count(warehouse, sql, values) for rule, (sql, values) in _of_rows(settings.top_k).items()}
        with _bench(settings) as bench:
            _load(settings, warehouse, bench, night)
            found |= {rule: _count(bench, sql, []) for rule, sql in _OF_THE_LAKE.items()}
            found[f"{SUMMARIES}.summary holds sentences of the item's reviews, word for word"] = _invented(bench)
    return found


def _holds(warehouse: Warehouse, sql: str, values: list[Any] | None = None) -> bool:
    return warehouse.execute(sql, values or []).fetchone() is not None


def _count(connection: "Warehouse | duckdb.DuckDBPyConnection", sql: str, values: list[Any]) -> int:
    return int(connection.execute(f"select count(*) from ({sql}) as broken", values).fetchall()[0][0])


# ---- what a row says of itself -------------------------------------------------------------------------------


def _of_rows(top_k: int) -> Mapping[str, tuple[str, list[Any]]]:
    """SQL of the warehouse that gives a row for each one that breaks the rule, and its values."""
    from models.nlp import lexicon

    aspects = list(lexicon.shipped().aspects)
    spoken, named = (", ".join("?" for _ in names) for names in (LANGUAGES, aspects))
    chance = "positive_probability"
    said = f"({chance} is null and sentiment is null) or ({chance} is not null and sentiment in {{}})"
    said = said.format("('positive', 'negative')")
    twice = f'select 1 from {TEXTS} group by "{LANDING_DATE}", review_id having count(*) > 1'
    whole = "having min(rank) <> 1 or max(rank) <> count(*) or count(distinct rank) <> count(*)"
    own = f'texts."{LANDING_DATE}" = aspects."{LANDING_DATE}" and texts.review_id = aspects.review_id'
    either = "(hand_over is null) = (suggested_reply is not null)"
    named_too = "(suggested_reply is null) = (answered_message_id is null)"
    return {
        f"{TEXTS}.{chance} is between 0 and 1": (_outside(TEXTS, chance, 0, 1), []),
        f"{TEXTS}.sentiment is given with its probability": (_unless(TEXTS, said), []),
        f"{TEXTS}.language is a known one": (_unless(TEXTS, f"language in ({spoken})"), list(LANGUAGES)),
        f"{TEXTS} has one row per delivery and review": (twice, []),
        f"{ASPECTS}.sentiment is between -1 and 1": (_outside(ASPECTS, "sentiment", -1, 1), []),
        f"{ASPECTS}.mentions is at least 1": (_unless(ASPECTS, "mentions >= 1"), []),
        f"{ASPECTS}.aspect is one of the lexicon's": (_unless(ASPECTS, f"aspect in ({named})"), aspects),
        f"{ASPECTS} are of reviews that were read": (
            f"select 1 from {ASPECTS} as aspects where not exists (select 1 from {TEXTS} as texts where {own})", []
        ),
        f"{SUMMARIES}.reviews is at least 1": (_unless(SUMMARIES, "reviews >= 1"), []),
        f"{PRODUCTS}.rank counts from 1 without a gap": (f"select 1 from {PRODUCTS} group by query {whole}", []),
        f"{PRODUCTS} holds an item once per query": (
            f"select 1 from {PRODUCTS} group by query, item_id having count(*) > 1", []
        ),
        f"{PRODUCTS}.rank is at most {top_k}": (_unless(PRODUCTS, "rank <= ?"), [top_k]),
        f"{PRODUCTS}.score is given": (_unless(PRODUCTS, "score is not null and score <> 'NaN'"), []),
        f"{REPLIES} has one row per message": (
            f"select 1 from {REPLIES} group by message_id having count(*) > 1", []
        ),
        f"{REPLIES}.confidence is between 0 and 1": (_outside(REPLIES, "confidence", 0, 1), []),
        f"{REPLIES}.intent_confidence is between 0 and 1": (_outside(REPLIES, "intent_confidence", 0, 1), []),
        f"{REPLIES} hold a suggestion or a reason to hand over": (
            _unless(REPLIES, f"{either} and {named_too}"), []
        ),
    }  # fmt: skip


def _unless(table: str, condition: str) -> str:
    return f"select 1 from {table} where not coalesce({condition}, false)"


def _outside(table: str, column: str, low: int, high: int) -> str:
    """Null is inside; NaN is above every number, in both warehouses."""
    return f"select 1 from {table} where {column} < {low} or {column} > {high}"


# ---- what the lake says of it ----------------------------------------------------------------------------------

_KEY = f"{LANDING_DATE}, review_id"
_OF_THE_LAKE = {
    f"{TEXTS} are reviews that were delivered": (
        f"select 1 from texts anti join delivered using ({LANDING_DATE}, review_id, item_id)"
    ),
    f"{TEXTS} has every review that was delivered": f"select 1 from delivered anti join texts using ({_KEY})",
    f"{SUMMARIES}.reviews counts the item's reviews": (
        "select 1 from summaries left join (select item_id, count(*) as held from known group by item_id)"
        " using (item_id) where reviews is distinct from held"
    ),
    f"{PRODUCTS}.item_id is a product on sale": (
        "select 1 from listed left join products using (item_id) where products.item_id is null"
        " or not coalesce(available_from <= day, true) or not coalesce(available_to >= day, true)"
    ),
    f"{REPLIES} are for open messages": (
        "select 1 from replies left join messages using (message_id) where messages.message_id is null"
        " or messages.reply is not null"
    ),
    f"{REPLIES}.suggested_reply is the one that was given, byte for byte": (
        "select 1 from replies left join messages as earlier on answered_message_id = earlier.message_id"
        " where suggested_reply is not null and suggested_reply is distinct from earlier.reply"
    ),
}


@contextmanager
def _bench(settings: Settings) -> "Iterator[duckdb.DuckDBPyConnection]":
    spill = str(settings.run / "spill")
    with duckdb.connect(config={"memory_limit": settings.memory_limit, "threads": 2, "temp_directory": spill}) as bench:
        yield bench


def _load(settings: Settings, warehouse: Warehouse, bench: duckdb.DuckDBPyConnection, night: date) -> None:
    """Tables of the bench: what was read, and what it was read from as of the night."""

    def copy(name: str, query: str, values: list[Any]) -> None:
        bench.register("incoming", warehouse.reader(query, values))
        bench.execute(f"create temp table {name} as select * from incoming")
        bench.unregister("incoming")

    copy("texts", f'select "{LANDING_DATE}", review_id, item_id from {TEXTS}', [])
    copy("summaries", f"select item_id, reviews, summary from {SUMMARIES}", [])
    copy("replies", f"select message_id, answered_message_id, suggested_reply from {REPLIES}", [])
    copy("listed", f"select item_id, cast(? as date) as day from {PRODUCTS}", [night])
    copy("products", newest("products", "item_id", "available_from, available_to"), [night])
    for name, entity in (("reviews", REVIEWS), ("told", SUPPORT_MESSAGES)):
        bench.register(name, lake.dataset(settings, entity.name, lambda day: day <= night))
    bench.execute(f"create temp table delivered as select {_KEY}, item_id from reviews where not {IS_DUPLICATE}")
    last = f"qualify row_number() over (partition by {{}} order by {LANDING_DATE} desc) = 1"
    bench.execute(f"create temp table known as select {_KEY}, item_id from delivered {last.format('review_id')}")
    bench.execute(
        f"create temp table messages as select message_id, reply from told where not {IS_DUPLICATE}"
        f" {last.format('message_id')}"
    )
    bench.execute(
        "create temp table drawn as select item_id, summary from summaries where summary is not null"
        " order by md5(concat(?, item_id)), item_id limit ?",
        [str(night), SUMMARIES_READ],
    )


def _invented(bench: duckdb.DuckDBPyConnection) -> int:
    """Summaries, of those drawn, that are no sentences of reviews put side by side."""
    rows = bench.execute(
        "select any_value(summary), string_agg(body, chr(0)) from drawn left join known using (item_id)"
        f" left join reviews on reviews.review_id = known.review_id and reviews.{LANDING_DATE} = known.{LANDING_DATE}"
        f" and not {IS_DUPLICATE} group by drawn.item_id"
    )
    broken = 0
    while chunk := rows.fetchmany(50):
        broken += sum(not is_made_of(summary, bodies or "") for summary, bodies in chunk)
    return broken


def is_made_of(summary: str, bodies: str) -> bool:
    """Whether at most `MOST_SENTENCES` pieces of `bodies`, a space apart, make up the summary word for word.

    The longest piece that fits is always right to take: a part of what stands in a text stands there too.
    """
    words = summary.split(" ")
    start = pieces = 0
    while start < len(words) and pieces < MOST_SENTENCES:
        end = start
        while end < len(words) and " ".join(words[start : end + 1]) in bodies:
            end += 1
        if end == start:
            return False
        start, pieces = end, pieces + 1
    return start == len(words) and summary != ""
