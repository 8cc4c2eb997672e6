"""Who is like whom: a vector of every user, and the personas that users fall into, as of a night.

The graph and the personas are those of the last Sunday, made of what was known then, so that for a week nobody changes
their group because others did; users are placed among them by what is known tonight. Nothing is kept that could not be
made again: any night gives the same rows whatever was run before it.
"""

import hashlib
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.multimodal.graph import GraphConfig
from models.multimodal.personas import PersonaConfig
from pipelines import lake
from pipelines.contracts import (
    EVENTS,
    PRODUCTS,
    SCORES_PERSONA_TRAITS,
    SCORES_PERSONAS,
    SCORES_USER_PERSONAS,
    SCORES_USER_VECTORS,
    Table,
)
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings
from pipelines.weekly import Weekly, files, version_at

if TYPE_CHECKING:
    from models.interactions import Interactions
    from models.multimodal.graph import Graph
    from models.multimodal.persona_tables import Goods
    from models.multimodal.personas import Personas

NAME = "user_graph"
FOLDER = "people"
GRAPH = GraphConfig(width=64)
GROUPS = PersonaConfig(restarts=2, learners=3_000, resamples=3, rounds=30)
"""Once a week in a night, so seconds: the defaults, with four times as many directions and more starts, take a
minute.
"""
LEAST_USERS = 50
"""With fewer users there are no groups worth a name."""


@dataclass(frozen=True)
class Week:
    """What a Sunday knew. `names` of the k personas; `version` names all that it was made of."""

    graph: "Graph"
    items: pa.Array  # string [I], those of the graph
    personas: "Personas"
    names: list[str]
    version: str


def people_by(settings: Settings, night: date, stamp: Stamp) -> dict[Table, pa.Table]:
    """Rows of the tables of users and personas; none before the first Sunday with enough users."""
    week = week_of(settings, night)
    if week is None:
        return {}
    from models.interactions import encode
    from models.multimodal.lookalike import Model, user_vector_rows
    from models.multimodal.persona_tables import tables
    from models.multimodal.weekly import assigned

    known = lake.interactions(settings, night, settings.training_days)
    known = known.filter(pc.is_in(known["item_id"].cast(pa.string()), week.items))
    data = encode(known, night, extra_items=week.items)
    vectors = week.graph.alike(week.graph.users(data, np.arange(len(data.users))))
    model = Model(NAME, week.version)
    found = tables(assigned(week.personas, vectors), week.names, data, goods(settings, night, data.items), model)
    rows = user_vector_rows(data.users, vectors, model)
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(rows.num_rows + 1, dtype=np.int32) * vectors.shape[1]),
        rows["vector"].combine_chunks().flatten(),
    )
    rows = rows.set_column(rows.schema.get_field_index("vector"), "vector", lists)
    made = {
        SCORES_USER_VECTORS: rows, SCORES_USER_PERSONAS: found.users, SCORES_PERSONAS: found.personas,
        SCORES_PERSONA_TRAITS: found.traits,
    }  # fmt: skip
    return {table: _stamped(part, stamp) for table, part in made.items()}


def week_of(settings: Settings, night: date) -> Week | None:
    """The last Sunday's graph and personas; read where they were made of the same data before."""
    weekly = Weekly.before(settings, FOLDER, night)
    sunday, made_by = weekly.sunday, [settings.training_days, asdict(GRAPH), asdict(GROUPS)]
    by_files = weekly.pointer([files(settings, (EVENTS.name, PRODUCTS.name), sunday), *made_by])
    if (week := _kept(settings, by_files)) is not None:
        return week
    from models.interactions import encode

    data = encode(lake.interactions(settings, sunday, settings.training_days), sunday)
    if len(data.users) < LEAST_USERS:
        return None
    asked = lake.searches(settings, sunday, settings.training_days)
    # Rows that come late change the files of a day, and nothing of what was known on it.
    by_data = weekly.pointer([data.digest(), _said(lake.products(settings, sunday)), _bytes(asked), *made_by])
    week = _kept(settings, by_data) or _made(settings, sunday, data, asked)
    weekly.keep((by_files, by_data), week.version)
    return week


def goods(settings: Settings, day: date, items: pa.Array) -> "Goods":
    """What the feed says of these items as of a day."""
    from models.multimodal.persona_tables import Goods

    products = lake.products(settings, day)
    row = pc.index_in(items, value_set=products["item_id"].combine_chunks())
    price = products["price"].combine_chunks().take(row).cast(pa.float64()).to_numpy(zero_copy_only=False)
    title, path = (products[name].combine_chunks().take(row) for name in ("title", "category_path"))
    return Goods(title, path, price)


def _made(settings: Settings, sunday: date, data: "Interactions", asked: pa.Table) -> Week:
    from models.artefact import save_artefact
    from models.multimodal import graph as graphs
    from models.multimodal.links import links
    from models.multimodal.personas import group
    from models.multimodal.weekly import names_of

    feed = goods(settings, sunday, data.items)
    graph = graphs.fit(data, GRAPH, links(data, feed.category_path, asked))
    vectors = graph.alike(graph.users(data, np.arange(len(data.users))))
    found = group(vectors, GROUPS)
    names = names_of(found, data, feed)
    arrays = {**graph.arrays(), "middle": found.middle, "centroids": found.centroids}
    meta = {"format": "people-1", "names": names, "items": data.items.to_pylist(), "day": str(sunday)}
    version = save_artefact(settings.models / FOLDER, arrays, meta)
    return Week(graph, data.items, found, names, version)


def _kept(settings: Settings, pointer: Path) -> Week | None:
    from models.artefact import ArtefactError, load_artefact
    from models.multimodal.graph import restore
    from models.multimodal.personas import Personas

    version = version_at(pointer)
    if version is None:
        return None
    try:
        arrays, meta = load_artefact(settings.models / FOLDER / version)
    except (OSError, ValueError, ArtefactError):  # only to save time: what cannot be read is made anew
        return None
    nobody = np.zeros(0, np.int32), np.zeros(0, np.float32)
    personas = Personas(arrays["middle"], arrays["centroids"], *nobody, {})
    return Week(restore(GRAPH, arrays), pa.array(meta["items"], pa.string()), personas, meta["names"], version)


def _said(products: pa.Table) -> str:
    said = products.select(["item_id", "title", "category_path", "price"])
    return hashlib.sha256(repr(said.to_pydict()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _bytes(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for name in table.column_names:
        digest.update("\n".join("" if value is None else value for value in table[name].to_pylist()).encode())
    return digest.hexdigest()[:16]


def _stamped(rows: pa.Table, stamp: Stamp) -> pa.Table:
    columns = {}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        columns[name] = pc.round(column, DIGITS) if pa.types.is_float64(column.type) else column
    count = rows.num_rows
    model, version = (columns.pop(name) for name in ("model_name", "model_version"))
    said = stamp.of(model[0].as_py() if count else NAME, version[0].as_py() if count else "")
    return stamped(columns, said)
