"""The ground truth of a simulated shop as Parquet files, apart from what lands. No step of a night may read it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.contracts import REVIEWS, SUPPORT_MESSAGES
from pipelines.errors import UsageError
from pipelines.files import write_atomic
from pipelines.landing import SOURCE_FILE
from pipelines.sources._shop.afterwards import Past
from pipelines.sources._shop.catalogue import campaign_id
from pipelines.sources._shop.lexicon import ASPECTS, BRANDS, CATEGORIES, COLOURS, LANGUAGES, PATTERNS
from pipelines.sources._shop.queries import ANY, Queries
from pipelines.sources._shop.reviews import Review
from pipelines.sources._shop.sessions import EXAMINED
from pipelines.sources._shop.support import Message
from pipelines.sources._shop.world import HAS_ASPECT, World, item_id, item_ids, user_ids

if TYPE_CHECKING:
    from pipelines.sources._shop.media import File

_REVIEW = pa.schema(
    [("review_id", pa.string()), ("is_correction", pa.bool_()), ("sentiment", pa.float64()), ("language", pa.string()),
     ("hostile", pa.string())]
)  # fmt: skip
_OPINION = pa.schema(
    [("review_id", pa.string()), ("is_correction", pa.bool_()), ("aspect", pa.string()), ("opinion", pa.int8())]
)
_MESSAGE = pa.schema([("message_id", pa.string()), ("intent", pa.string()), ("language", pa.string())])
_PERSONAL = pa.schema(
    [("entity", pa.string()), ("id", pa.string()), ("column", pa.string()), ("kind", pa.string()),
     ("start", pa.int32()), ("end", pa.int32())]
)  # fmt: skip
_MEDIA = pa.schema(
    [("entity", pa.string()), ("item_id", pa.string()), ("position", pa.int32()), ("uri", pa.string()),
     ("hostile", pa.string())]
)  # fmt: skip


class Truth:
    """Writes the truth below `folder`; the same shop gives the same bytes. Raises UsageError inside a landing zone."""

    def __init__(self, past: Past, folder: Path) -> None:
        if any((parent / SOURCE_FILE).exists() for parent in (folder, *folder.parents)):
            raise UsageError(f"truth: {folder} lies in a landing folder, where steps would read it; choose another")
        self.past, self.folder = past, folder

    def write_world(self) -> None:
        world, queries = self.past.world, self.past.queries
        tables = {
            "items": _items(world), "item_quality": _quality(world), "users": _users(world),
            "queries": _queries(queries), "relevance": _relevance(world, queries), "campaigns": _campaigns(world),
            "examination": pa.table({"position": np.arange(1, len(EXAMINED) + 1), "probability": EXAMINED}),
            "personal_queries": pa.table(
                {"kind": [kind for kind, _ in queries.personal], "query": [text for _, text in queries.personal]}
            ),
        }  # fmt: skip
        for name, table in tables.items():
            self._write(f"{name}.parquet", table)

    def write_day(self, day: int, reviews: list[Review], messages: list[Message]) -> None:
        opinions = [
            {"review_id": r.review_id, "is_correction": r.is_correction, "aspect": aspect, "opinion": sign}
            for r in reviews
            for aspect, sign in r.opinions
        ]
        date = f"date={self.past.world.settings.day(day)}"
        personal = [*_spans(REVIEWS.name, reviews), *_spans(SUPPORT_MESSAGES.name, messages)]
        for name, schema, rows in (
            ("reviews", _REVIEW, [_named(r, _REVIEW) for r in reviews]),
            ("opinions", _OPINION, opinions),
            ("support_messages", _MESSAGE, [_named(m, _MESSAGE) for m in messages]),
            ("personal_data", _PERSONAL, personal),
        ):
            self._write(f"{name}/{date}.parquet", pa.Table.from_pylist(rows, schema=schema))

    def write_media(self, day: int, files: "list[File]") -> None:
        """Which delivered files are spoiled, and how."""
        rows = [
            {"entity": f.entity, "item_id": item_id(f.number), "position": f.position, "uri": f.uri,
             "hostile": f.hostile}
            for f in files
        ]  # fmt: skip
        date = f"date={self.past.world.settings.day(day)}"
        self._write(f"media/{date}.parquet", pa.Table.from_pylist(rows, schema=_MEDIA))

    def _write(self, name: str, table: pa.Table) -> None:
        content = BytesIO()
        pq.write_table(table, content, compression="zstd")
        write_atomic(self.folder / name, content.getvalue())


def _named(thing: Any, schema: pa.Schema) -> dict[str, Any]:
    row = {name: getattr(thing, name) for name in schema.names}
    return row | {"language": LANGUAGES[thing.language]}


def _spans(entity: str, things: list[Any]) -> Iterator[dict[str, Any]]:
    """Where personal data stands in each text as it was delivered that day."""
    key = {REVIEWS.name: "review_id", SUPPORT_MESSAGES.name: "message_id"}[entity]
    for thing in things:
        for span in thing.spans:
            yield {"entity": entity, "id": getattr(thing, key), "column": span.column, "kind": span.kind,
                   "start": span.start, "end": span.end}  # fmt: skip


def _items(world: World) -> pa.Table:
    return pa.table(
        {
            "item_id": item_ids(world),
            "category": [CATEGORIES[c].name[0] for c in world.items.category.tolist()],
            "pattern": [PATTERNS[p][0] for p in world.items.pattern.tolist()],
            "popularity": world.items.popularity,
            "overall_quality": world.items.overall,
            "vector": world.items.vector.tolist(),
        }
    )


def _quality(world: World) -> pa.Table:
    item, aspect = np.nonzero(HAS_ASPECT[world.items.category])
    return pa.table(
        {
            "item_id": pa.array(item_ids(world)).take(pa.array(item)),
            "aspect": pa.array(ASPECTS).take(pa.array(aspect)),
            "quality": world.items.quality[item, aspect],
        }
    )


def _users(world: World) -> pa.Table:
    users = world.users
    return pa.table(
        {
            "user_id": user_ids(world),
            "taste": users.taste.tolist(),
            "thrift": users.thrift,
            "mood": users.mood,
            "activity": np.diff(users.activity, prepend=0.0),
        }
    )


def _queries(queries: Queries) -> pa.Table:
    def named(numbers: np.ndarray, names: list[str]) -> pa.Array:
        return pa.array(names).take(pa.array(numbers, mask=numbers == ANY))

    return pa.table(
        {
            "query": queries.text,
            "language": named(queries.language, list(LANGUAGES)),
            "category": named(queries.category, [c.name[0] for c in CATEGORIES]),
            "brand": named(queries.brand, list(BRANDS)),
            "colour": named(queries.colour, [c[0] for c in COLOURS]),
        }
    )


def _relevance(world: World, queries: Queries) -> pa.Table:
    """True grades of what the shop's own search may show."""
    query, place = np.nonzero(queries.shown >= 0)
    return pa.table(
        {
            "query": pa.array(queries.text).take(pa.array(query)),
            "language": pa.array(LANGUAGES).take(pa.array(queries.language[query])),
            "item_id": pa.array(item_ids(world)).take(pa.array(queries.shown[query, place])),
            "grade": queries.grades[query, place],
        }
    )


def _campaigns(world: World) -> pa.Table:
    """Everybody who could have been written to: whether they were, and what it adds (log-odds) for a coupon's item."""
    campaigns = world.campaigns
    number, user = np.nonzero(world.users.joined[None, :] <= campaigns.first[:, None])
    return pa.table(
        {
            "campaign_id": pa.array([campaign_id(j) for j in range(len(campaigns))], pa.string()).take(
                pa.array(number)
            ),
            "user_id": pa.array(user_ids(world)).take(pa.array(user)),
            "treated": campaigns.treated[number, user],
            "uplift": campaigns.uplift[number, user],
        }
    )
