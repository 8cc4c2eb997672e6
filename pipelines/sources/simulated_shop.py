"""A simulated shop: everything a shop delivers, made from a seed, with its ground truth kept apart.

It serves demos, load and laws; a model that does well on it has shown nothing. `--path` is a YAML or JSON file:

    users: 5000
    products: 2000
    days: 60
    seed: 20180101
    start: 2025-01-06         # day 0
    chinese_share: 0.3        # of the users; the others write English
    truth: truth              # folder for the ground truth, beside this file; without the key it is not kept
    media: true               # a picture for each product, a sound for some; without the key there are none

All keys are optional, and so is the file. See docs/simulated-shop.md.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from pipelines.contracts import (
    CAMPAIGNS,
    COUPONS,
    EVENTS,
    LINE,
    MEDIA_ENTITIES,
    PRODUCTS,
    QUERIES,
    REVIEWS,
    SUPPORT_MESSAGES,
    USERS,
)
from pipelines.sources import Delivery, LandRequest, Source

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.sources._shop.catalogue import Row
    from pipelines.sources._shop.truth import Truth
    from pipelines.sources._shop.world import World

NAME = "simulated_shop"
_BATCH = 20_000


def land(request: LandRequest) -> Iterator[Delivery]:
    """Deliver the days of the range that the shop has. Any day comes out the same, whatever else is landed."""
    from pipelines.sources._shop import catalogue, truth
    from pipelines.sources._shop.afterwards import Past
    from pipelines.sources._shop.events import EventRows
    from pipelines.sources._shop.queries import make_queries
    from pipelines.sources._shop.reviews import reviews_of
    from pipelines.sources._shop.rows import message_rows, review_rows
    from pipelines.sources._shop.settings import read_settings
    from pipelines.sources._shop.support import messages_of
    from pipelines.sources._shop.world import make_world

    settings = read_settings(request.path)
    days = [number for number in range(settings.days) if request.wants(settings.day(number))]
    if not days:
        return
    world = make_world(settings)
    queries = make_queries(world)
    past = Past(world, queries)
    events = EventRows(past)
    kept = truth.Truth(past, settings.truth) if settings.truth else None
    if kept:
        kept.write_world()
    for number in days:
        day = settings.day(number)
        yield Delivery(EVENTS.name, day, "shop", events.of_day(number))
        reviews, messages = list(reviews_of(past, number)), list(messages_of(past, number))
        feeds: tuple[tuple[str, Iterator[Row]], ...] = (
            (PRODUCTS.name, catalogue.products_of(world, number)),
            (USERS.name, catalogue.users_of(world, number)),
            (CAMPAIGNS.name, catalogue.campaigns_of(world, number)),
            (COUPONS.name, catalogue.coupons_of(world, number)),
            (QUERIES.name, catalogue.queries_of(world, queries, number)),
            (REVIEWS.name, review_rows(settings, reviews)),
            (SUPPORT_MESSAGES.name, message_rows(settings, messages)),
        )
        for entity, rows in feeds:
            yield Delivery(entity, day, "shop", _batches(rows))
        if settings.media:
            yield from _media(world, number, kept)
        if kept:
            kept.write_day(number, reviews, messages)


def _media(world: "World", number: int, kept: "Truth | None") -> Iterator[Delivery]:
    """A file is drawn when whoever writes the rows asks for its content."""
    from pipelines.sources._shop import media

    files = list(media.files_of(world, number))
    for entity in MEDIA_ENTITIES:
        rows = _batches(media.rows_of(files, entity.name))
        yield Delivery(entity.name, world.settings.day(number), "shop", rows, partial(media.content, world))
    if kept:
        kept.write_media(number, files)


def _batches(rows: "Iterator[Row]") -> "Iterator[pa.RecordBatch]":
    """Rows as record batches of string columns, numbered from 1."""
    from itertools import islice

    import pyarrow as pa

    line = 1
    while block := list(islice(rows, _BATCH)):
        names = [pa.field(name, pa.string()) for name in block[0]]
        batch = pa.RecordBatch.from_pylist(block, schema=pa.schema(names))
        yield batch.append_column(LINE, pa.array(range(line, line + len(block)), pa.int64()))
        line += len(block)


SOURCE = Source(
    name=NAME,
    description="a whole shop made from a seed, for demos and load, never evidence of quality; --path (optional): a"
    " YAML file with its size",
    timezone="UTC",
    is_closed=lambda day: False,
    land=land,
    needs_path=False,
)
