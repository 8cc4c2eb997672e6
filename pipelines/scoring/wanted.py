"""Which new items are placed into whose lists: by what the shop's own earlier new items taught.

Once a week, as of a Sunday, the openings before it are looked at again: what was known of items on the day before they
came, and who bought them in the four weeks that followed. That gives the weights by which tonight's new items are
matched with people (`docs/cold-items.md`). A shop with too few openings keeps the rule of
`models.recommender.newcomers`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.multimodal.graph import GraphConfig
from models.recommender.cold_window import DAYS
from pipelines import lake
from pipelines.catalogue import described, since
from pipelines.contracts import EVENTS, MEDIA_ENTITIES
from pipelines.contracts import PRODUCTS as FEED
from pipelines.fence import Attempt
from pipelines.scoring.known import Night
from pipelines.settings import Settings
from pipelines.training_run import MULTIMODAL
from pipelines.vectors.rows import PRODUCTS, TEXT
from pipelines.weekly import Weekly, files, version_at

if TYPE_CHECKING:
    from models.interactions import Interactions
    from models.multimodal.graph import Graph
    from models.recommender.cold import Modality
    from models.recommender.cold_blend import ColdBlend
    from models.recommender.cold_places import LearnedNewcomers
    from pipelines.vectors.products import Goods

    Spaces = Callable[[Interactions], list[Modality]]

FOLDER = "newcomers"
GRAPH = GraphConfig()
MOMENTS = 4
"""Openings that are learned from: the four weeks after each of so many moments; the last one ends on the Sunday."""
LEAST_BUYERS = 50
"""With fewer people who bought what was new, over all openings, there is nothing to learn from."""


@dataclass(frozen=True)
class Week:
    """What a Sunday knew. `buyers`: of new items in the openings before it, all openings together."""

    graph: "Graph"
    items: pa.Array  # string [I], those of the graph
    blend: "ColdBlend"
    buyers: int


def with_wanted(settings: Settings, known: Night, attempt: Attempt | None = None) -> tuple[Night, str]:
    """The night with its newcomers as the lists of people are given them, and in words by what; and with the vectors
    of a champion of `multimodal` in the lists of items that too few people had.

    `attempt`: of the step that scores; pictures that nobody has looked at yet are looked at in its name. None does
    without those.
    """
    from models.recommender.cold import Modality
    from models.recommender.newcomers import alike

    goods = _goods(settings, known.day, known.products, attempt)
    rule = known.newcomers
    if goods is not None:
        fused = Modality.of(PRODUCTS, known.data.items, goods.items, goods.fused())
        known = replace(known, alike=alike(known.data, np.asarray(fused.vectors), rule.items))
    if not len(rule.items) or not settings.new_item_places:
        return known, "no newcomers"
    week = week_of(settings, known.day, attempt)
    if week is None or week.buyers < LEAST_BUYERS:
        return known, f"by rule: fewer than {LEAST_BUYERS} people bought what was new before"
    found = matched(known.data, rule.items, week, _spaces(goods, known.products))
    return replace(known, wanted=found), f"by what {week.buyers:,} buyers of earlier ones taught"


def matched(data: "Interactions", items: np.ndarray, week: Week, spaces: "Spaces") -> "LearnedNewcomers":
    """The new `items` (int [C]) of a night, to be placed by what the week taught."""
    from models.recommender.cold import cold_items, recent_people
    from models.recommender.cold_places import LearnedNewcomers

    place = pc.fill_null(pc.index_in(data.items, value_set=week.items), -1).to_numpy()
    cold = cold_items(data, spaces(data), items, week.graph.of_items(place))
    return LearnedNewcomers(cold, week.blend, recent_people(data, items))


def week_of(settings: Settings, night: date, attempt: Attempt | None = None) -> Week | None:
    """What the last Sunday taught; read where it was made of the same data before. None in a shop's first weeks."""
    from models.registry import champion_as_of

    weekly = Weekly.before(settings, FOLDER, night)
    sunday, days = weekly.sunday, lake.landed_days(settings)
    moments = moments_of(sunday, days)
    if not moments:
        return None
    champion = champion_as_of(settings.models, MULTIMODAL, sunday)
    made_by = [settings.training_days, asdict(GRAPH), MOMENTS, champion.version if champion else ""]
    entities = (EVENTS.name, FEED.name, *(entity.name for entity in MEDIA_ENTITIES if champion))
    by_files = weekly.pointer([files(settings, entities, sunday), *made_by])
    if (week := _kept(weekly, by_files)) is not None:
        return week
    past = {day: lake.interactions(settings, day, settings.training_days) for day in (sunday, *moments)}
    products = lake.products(settings, sunday)
    # Rows that come late change the files of a day, and nothing of what was known on it.
    by_data = weekly.pointer([_facts(settings, sunday, past, products, champion is not None), *made_by])
    week = _kept(weekly, by_data)
    if week is None:
        week, version = _made(settings, weekly, past, products, attempt)
    else:
        version = str(version_at(by_data))
    weekly.keep((by_files, by_data), version)
    return week


def moments_of(sunday: date, days: list[date]) -> list[date]:
    """The evenings that begin the openings before a Sunday, newest first; none in a shop's first weeks. `days`: all
    that have events, in order.
    """
    moments = [sunday - timedelta(DAYS * back) for back in range(1, MOMENTS + 1)]
    return moments if days and days[0] <= moments[0] - timedelta(DAYS) else []


def _made(
    settings: Settings, weekly: Weekly, past: dict[date, pa.Table], products: pa.Table, attempt: Attempt | None
) -> tuple[Week, str]:
    from models.artefact import save_artefact

    spaces = _spaces(_goods(settings, weekly.sunday, products, attempt), products)
    week, openings = taught(past, products, spaces)
    meta = {
        "format": "newcomers-1", "day": str(weekly.sunday), "items": week.items.to_pylist(),
        "weights": week.blend.weights, "buyers": week.buyers, "openings": openings,
    }  # fmt: skip
    return week, save_artefact(weekly.folder, week.graph.arrays(), meta)


def taught(past: dict[date, pa.Table], products: pa.Table, spaces: "Spaces") -> tuple[Week, list[str]]:
    """What a Sunday teaches, and the days before its openings. `past`: the events known at the end of the Sunday, the
    last key, and of the evening before each opening; `products` as of the Sunday.
    """
    from models.interactions import encode
    from models.multimodal import graph as graphs
    from models.recommender.cold_blend import learn
    from models.recommender.cold_window import window

    first = pa.table({"item_id": products["item_id"], "first_seen": since(products)})
    *moments, sunday = sorted(past)
    windows = []
    for day in moments:
        found = window(past[day], past[sunday], day, first, lambda data: described(data, products), spaces)
        windows += [] if found is None else [found]
    names = tuple(dict.fromkeys(name for one in windows for name in one.cold.names))
    blend = learn([one.cohort(True) for one in windows], names)
    data = encode(past[sunday], sunday)
    buyers = sum(len(one.users) for one in windows)
    return Week(graphs.fit(data, GRAPH), data.items, blend, buyers), [str(one.data.as_of) for one in windows]


def _kept(weekly: Weekly, pointer: Path) -> Week | None:
    from models.artefact import ArtefactError, load_artefact
    from models.multimodal.graph import restore
    from models.recommender.cold_blend import ColdBlend

    version = version_at(pointer)
    if version is None:
        return None
    try:
        arrays, meta = load_artefact(weekly.folder / version)
    except (OSError, ValueError, ArtefactError):  # only to save time: what cannot be read is made anew
        return None
    items = pa.array(meta["items"], pa.string())
    return Week(restore(GRAPH, arrays), items, ColdBlend(meta["weights"]), meta["buyers"])


def _facts(
    settings: Settings, sunday: date, past: dict[date, pa.Table], products: pa.Table, with_media: bool
) -> list[str]:
    """Digests of all that a Sunday's lesson is made of."""
    from models.interactions import encode

    said = products.select(
        ["item_id", "title", "brand", "category_path", "attributes", "price", "available_from", lake.FIRST_DELIVERED]
    )
    tables = [said, *(lake.media(settings, entity.name, sunday) for entity in MEDIA_ENTITIES if with_media)]
    digests = [hashlib.sha256(repr(one.to_pydict()).encode("utf-8", "surrogatepass")).hexdigest() for one in tables]
    return [*(encode(events, day).digest() for day, events in sorted(past.items())), *digests]


def _goods(settings: Settings, day: date, products: pa.Table, attempt: Attempt | None) -> "Goods | None":
    """What the champion of `multimodal` as of the day makes of these products; None without one."""
    from pipelines.media.step import read_media
    from pipelines.vectors.products import goods_of, space_as_of, tower_of

    space = space_as_of(settings, day)
    if space is None:
        return None
    if attempt is not None:
        read_media(settings, day, tower_of(space), attempt)
    return goods_of(settings, day, space, products)


def _spaces(goods: "Goods | None", products: pa.Table) -> "Spaces":
    """Texts, pictures and sounds as the champion reads them; without one, letters of what the feed says."""
    from models.recommender.cold import Modality

    if goods is None:
        return letters(products)
    return lambda data: [Modality.of(kind, data.items, goods.items, rows) for kind, rows in goods.vectors.items()]


def letters(products: pa.Table) -> "Spaces":
    """Title, brand and category as hashed words and letter groups: no package, no weights, a second for thousands."""
    from models.nlp.search.catalogue import Catalogue
    from models.nlp.search.encoders import Letters
    from models.recommender.cold import Modality
    from pipelines.language.catalogue import named

    encoder = Letters()
    known = Catalogue.of(named(products))
    text_of = dict(zip(known.item_id, known.spoken(), strict=True))
    read: dict[str, np.ndarray] = {}

    def spaces(data: "Interactions") -> "list[Modality]":
        texts = [text_of.get(item, "") for item in data.items.to_pylist()]
        due = sorted(set(texts) - read.keys())
        read.update(zip(due, encoder.encode(due), strict=True))
        return [Modality(TEXT, np.stack([read[text] for text in texts]))] if texts else []

    return spaces
