"""Entities: what lands, and the lake tables it becomes. No literal of a column elsewhere."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["string", "int", "decimal", "timestamp", "date", "map"]

EVENT_TYPES = (
    "impression", "view", "search", "add_to_cart", "remove_from_cart",
    "purchase", "return", "rating", "coupon_redeem",
)  # fmt: skip

MONEY = pa.decimal128(18, 6)
"""Unit prices keep six decimals so that quantity * unit_price rounds back to the cent that was charged."""

_ARROW: dict[Kind, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "decimal": MONEY,
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "map": pa.map_(pa.string(), pa.string()),
}


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind = "string"
    required: bool = False
    masked: bool = False  # free text: personal data in it is masked before the lake


@dataclass(frozen=True)
class Entity:
    """One kind of landing file and the lake table it becomes.

    `key` makes a row unique within its lake partition; rows that repeat it are duplicates, not errors.
    `partition` is the lake partition column: events by the day they happened, everything else by delivery day.
    """

    name: str
    key: tuple[str, ...]
    partition: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def lake_schema(self) -> pa.Schema:
        """Contract columns, then provenance. Nullable throughout: requirements are checked, not encoded."""
        return pa.schema([pa.field(c.name, _ARROW[c.kind]) for c in self.columns] + list(PROVENANCE[self.partition]))


# Provenance: where a row came from. It orders duplicates (the earliest delivery wins) and makes "as of night D"
# mean "nothing that happened or was delivered after D".
LANDING_DATE, FILE, LINE = "landing_date", "file", "line"
EVENT_DATE, SESSION, IS_DUPLICATE = "event_date", "session_id", "is_duplicate"
URI, CONTENT_HASH = "uri", "content_hash"  # of a media file: what it was delivered as; SHA-256 of its bytes, in hex
_COMMON = (
    pa.field(LANDING_DATE, pa.date32()),
    pa.field(FILE, pa.string()),  # path below landing/<shop>/<entity>/
    pa.field(LINE, pa.int64()),  # 1-based record number in that file
    pa.field(IS_DUPLICATE, pa.bool_()),
)
PROVENANCE: dict[str, tuple[pa.Field, ...]] = {
    EVENT_DATE: (pa.field(EVENT_DATE, pa.date32()), *_COMMON),
    LANDING_DATE: _COMMON,
}

EVENTS = Entity(
    "events",
    key=("event_id",),
    partition=EVENT_DATE,
    columns=(
        Column("event_id", required=True),
        Column("occurred_at", "timestamp", required=True),
        Column("event_type", required=True),
        Column("user_id"),
        Column("session_id"),
        Column("item_id"),
        Column("quantity", "int"),
        Column("unit_price", "decimal"),
        Column("query", masked=True),
        Column("surface"),
        Column("position", "int"),
        Column("recommendation_id"),
        Column("promotion_id"),
        # A line that is no product (postage, fees, manual or stock adjustments): the code; such a row has no item_id.
        Column("charge_code"),
    ),
)
PRODUCTS = Entity(
    "products",
    key=("item_id",),
    partition=LANDING_DATE,
    columns=(
        Column("item_id", required=True),
        Column("title"),
        Column("description"),
        Column("brand"),
        Column("category_path"),
        Column("price", "decimal"),
        Column("image_uri"),
        Column("available_from", "date"),
        Column("available_to", "date"),
        Column("attributes", "map"),
    ),
)
USERS = Entity(
    "users",
    key=("user_id",),
    partition=LANDING_DATE,
    columns=(Column("user_id", required=True), Column("attributes", "map")),
)
CAMPAIGNS = Entity(
    "campaigns",
    key=("campaign_id", "user_id"),
    partition=LANDING_DATE,
    columns=(
        Column("campaign_id", required=True),
        Column("user_id", required=True),  # a household or customer the campaign was sent to
        Column("campaign_type"),
        Column("starts_on", "date"),
        Column("ends_on", "date"),
    ),
)
COUPONS = Entity(
    "coupons",
    key=("coupon_id", "campaign_id", "item_id"),
    partition=LANDING_DATE,
    columns=(
        Column("coupon_id", required=True),
        Column("campaign_id", required=True),
        Column("item_id", required=True),
    ),
)
# Texts that people write. Whoever corrects one delivers it again: as of a night the newest delivery counts. `masked`
# columns may hold an e-mail address, a phone number, a card: preprocess puts a mark in their place.
REVIEWS = Entity(
    "reviews",
    key=("review_id",),
    partition=LANDING_DATE,
    columns=(
        Column("review_id", required=True),
        Column("item_id", required=True),
        Column("user_id"),
        Column("created_at", "timestamp", required=True),
        Column("rating", "decimal"),  # 1 (worst) to 5
        Column("title", masked=True),
        Column("body", masked=True),
        Column("language"),  # as the shop has it, e.g. "en"; what is detected stands in features
    ),
)
QUERIES = Entity(  # judged pairs: how well an item answers a query
    "queries",
    key=("query", "item_id"),
    partition=LANDING_DATE,
    columns=(
        Column("query", required=True),
        Column("item_id", required=True),
        Column("grade", "int", required=True),  # 0 (no answer) upwards
        Column("language"),
    ),
)
SUPPORT_MESSAGES = Entity(
    "support_messages",
    key=("message_id",),
    partition=LANDING_DATE,
    columns=(
        Column("message_id", required=True),
        Column("user_id"),
        Column("item_id"),
        Column("created_at", "timestamp", required=True),
        Column("channel"),
        Column("language"),
        Column("subject", masked=True),
        Column("body", masked=True),
        Column("intent"),  # what a person said it is about; null where nobody did
        Column("reply", masked=True),  # what a person answered; null while it is open
        Column("replied_at", "timestamp"),
    ),
)
# Pictures and sounds of products. Rows name files; the bytes lie beside landing under their hash (pipelines/media). An
# item's files are delivered together: as of a night those of its newest delivery count.
_MEDIA = (
    Column("item_id", required=True),
    Column("position", "int", required=True),  # 1 is the main one
    Column(URI),
    Column(CONTENT_HASH, required=True),
)
PRODUCT_IMAGES = Entity("product_images", key=("item_id", "position"), partition=LANDING_DATE, columns=_MEDIA)
PRODUCT_AUDIO = Entity("product_audio", key=("item_id", "position"), partition=LANDING_DATE, columns=_MEDIA)
MEDIA_ENTITIES = (PRODUCT_IMAGES, PRODUCT_AUDIO)
ENTITIES: dict[str, Entity] = {
    e.name: e
    for e in (EVENTS, PRODUCTS, USERS, CAMPAIGNS, COUPONS, REVIEWS, QUERIES, SUPPORT_MESSAGES, *MEDIA_ENTITIES)
}

MASKS = ("email", "card", "phone", "address")
"""Kinds of personal data that preprocess looks for in masked columns; a mark such as [email] stands in their place."""

# Optional technical columns of a landing file. A source that cannot read a line of its origin passes it on whole:
# `unreadable` holds the raw text, `unreadable_reason` why; preprocess quarantines it. `line` saves a rewrite.
UNREADABLE, UNREADABLE_REASON = "unreadable", "unreadable_reason"

LATE_DAYS_REASON = "late"
EARLY_DAYS = 1
"""A file cut at local midnight west of Greenwich holds events of the next UTC date; as-of filters keep them for it."""

QUARANTINE = "quarantine"
QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field(LANDING_DATE, pa.date32()),
        pa.field("entity", pa.string()),
        pa.field(FILE, pa.string()),
        pa.field(LINE, pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("raw", pa.string()),
    ]
)
