"""Score a night: fit the champion's floor on what was known at its end, rank for everybody, write one transaction."""

import importlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake, ops, staging
from pipelines.contracts import (
    SCORE_TABLES,
    SCORES_RECOMMENDATIONS,
    SCORES_SHORT_LISTS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
    Table,
)
from pipelines.errors import NightmarketError
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.reasons import BOUGHT_WITH, reason_codes, reason_columns
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER, availability
from pipelines.warehouse import exists, open_warehouse, replace_partition

if TYPE_CHECKING:
    from models.interactions import Interactions
    from models.recommender.configs import Config
    from models.recommender.item_to_item import ItemToItem
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Recommender

SEGMENT_BUYERS = 20
"""A segment with fewer buyers gets no list of its own: it would be noise, and could point at a person."""

CATALOGUE_TOO_SMALL, REST_ALREADY_BOUGHT = "fewer items available than top_k", "everything else already bought"


@dataclass(frozen=True)
class Night:
    """All that is known at the end of the night, encoded."""

    day: date
    data: "Interactions"
    available: np.ndarray  # bool [I]
    seen: Any  # sparse bool [U, I], or None where purchases repeat
    titles: pa.Array  # string [I]: the title, or the id where there is none
    segment: pa.Array  # string [U]: value of the segment attribute, null where unknown


@dataclass(frozen=True)
class Stamp:
    """What every scored row says about its origin."""

    model_name: str
    model_version: str
    run_id: str
    scored_at: datetime


def score(settings: Settings, night: date, attempt: Attempt) -> dict[str, Any]:
    """Write all score tables of `night` and return counts. Depends on nothing after it, nor on the wall clock.

    The champion as of the night decides the floor and its config; without one it is the default floor. Raises
    NightmarketError where the champion's files were changed, Superseded where a newer attempt has taken over.
    """
    from models.recommender import popular
    from models.recommender.configs import Popular

    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:  # torch takes seconds to import, the lake as long to read: together
        beside.submit(importlib.import_module, "models.recommender.saved")
        known = _known(settings, night)
    with guard(settings, attempt):  # after the reading, so that a `publish-lake` killed during it is seen too
        staging.require_whole(settings)
    model, name, version, note = _fit(settings, known)
    fault_point("score.fitted")
    fill = popular.fit(known.data, Popular())
    stamp = Stamp(name, version, attempt.id, datetime.now(UTC))
    begun = time.monotonic()
    lists, short = _recommendations(settings, known, model, fill, stamp)
    ranked = time.monotonic() - begun
    tables = {
        SCORES_RECOMMENDATIONS: lists,
        SCORES_VISITORS: _visitors(settings, known, fill, stamp),
        SCORES_SIMILAR: _similar(settings, known, model, stamp),
        SCORES_SHORT_LISTS: short,
    }
    fault_point("score.scored")
    with guard(settings, attempt), ops.writing(settings) as connection:
        for table in SCORE_TABLES:
            replace_partition(connection, table, "scored_for", night, tables[table])
        fault_point("score.written")
    fault_point("score.committed")
    _prune(settings, night, version)
    users = len(known.data.users)
    return {
        "rows": sum(table.num_rows for table in tables.values()), "users": users, "model_name": name,
        "model_version": version, "note": note, "items": len(known.data.items),
        **{table.name: tables[table].num_rows for table in SCORE_TABLES},
        "short_lists": sum(short["users"].to_pylist()), "seconds": round(time.monotonic() - started, 2),
        "users_per_second": round(users / max(ranked, 1e-6), 1),
    }  # fmt: skip


def scored_nights_after(settings: Settings, night: date) -> list[date]:
    """Nights after `night` that have scores, in order; none before the first warehouse."""
    if not exists(settings):
        return []
    with open_warehouse(settings, read_only=True) as connection:
        rows = connection.execute(
            f"select distinct scored_for from {SCORES_RECOMMENDATIONS.name} where scored_for > ? order by 1", [night]
        ).fetchall()
    return [row[0] for row in rows]


# ---- what is known -------------------------------------------------------------------------------------------


def _known(settings: Settings, night: date) -> Night:
    from models.interactions import encode
    from models.split import bought

    table = lake.interactions(settings, night, settings.training_days)
    everybody = pa.array(lake.known_users(settings, night), pa.string())  # not only those of the window
    products, users = lake.products(settings, night), lake.users(settings, night)
    unsold = products.filter(pc.invert(pc.is_in(products["item_id"], value_set=table["item_id"].unique())))["item_id"]
    unsold = unsold.combine_chunks()
    unsold = unsold.filter(pa.array(availability(products, unsold, night)))
    # A list of top_k needs at most top_k items nobody has bought yet; more would only widen the matrices.
    spare = unsold.take(pc.sort_indices(unsold))[: settings.top_k]
    data = encode(table, night, extra_users=everybody, extra_items=spare)
    row = pc.index_in(data.items, value_set=products["item_id"].combine_chunks())
    titles = pc.coalesce(products["title"].take(row).combine_chunks(), data.items)
    holder = pc.index_in(data.users, value_set=users["user_id"].combine_chunks())
    attribute = pc.map_lookup(users["attributes"].combine_chunks(), settings.segment_attribute, "first").take(holder)
    seen = None if settings.repeat_purchases else bought(lake.interactions(settings, night, None), data)
    return Night(night, data, availability(products, data.items, night), seen, titles, attribute)


def _fit(settings: Settings, known: Night) -> "tuple[Recommender, str, str, str]":
    """The champion brought up to the night and read back from its checked artefact, its name, version, and why it."""
    from models.artefact import ArtefactError
    from models.recommender import floors
    from models.recommender.configs import CONFIGS, DEFAULT
    from models.recommender.saved import load, refit, save
    from models.registry import champion_as_of

    champion = champion_as_of(settings.models, RECOMMENDER, known.day)
    name, model = DEFAULT, None
    config: Config = CONFIGS[DEFAULT]
    note = f"no champion whose data ends before {known.day}: the default floor {DEFAULT}"
    try:
        if champion is not None:
            saved = load(settings.models / RECOMMENDER / champion.version)
            note = f"champion {saved.name} {champion.version}, known until {champion.known_until}"
            try:
                config, model = refit(saved.config, saved.model, known.data)
                name = saved.name
            except floors.NotApplicable as reason:
                note = f"{note}; not applicable tonight ({reason}): the default floor {DEFAULT}"
        if model is None:
            model = floors.fit(known.data, CONFIGS[DEFAULT])
        folder = settings.models / RECOMMENDER / "nightly" / str(known.day)
        version = save(folder, name, config, known.day, known.data.items, model)
        return load(folder / version).model, name, version, note
    except ArtefactError as error:
        raise NightmarketError(f"night {known.day}: {error}") from error


def _prune(settings: Settings, night: date, version: str) -> None:
    """Fitted nights are made again from the lake at will: keep one version a night, of the newest `keep_nights`."""
    parent = settings.models / RECOMMENDER / "nightly"
    for folder in (parent / str(night)).iterdir():
        if folder.name != version:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in sorted(parent.iterdir(), reverse=True)[settings.keep_nights :]:
        if folder.name != str(night):
            shutil.rmtree(folder, ignore_errors=True)


# ---- the tables ----------------------------------------------------------------------------------------------


def _recommendations(
    settings: Settings, known: Night, model: "Recommender", fill: "PopularModel", stamp: Stamp
) -> tuple[pa.Table, pa.Table]:
    """Rows of every known user's list, and the count of lists that came out short, by reason."""
    from models.recommender.history import lookup, purchase_counts
    from models.recommender.ranking import rank_users

    data, k = known.data, settings.top_k
    parts = [_rows(known, SCORES_RECOMMENDATIONS, stamp, data.users[:0], *_nothing())]
    missing = []
    users = np.arange(len(data.users))
    for block in rank_users(model, data, users, k, fill.order, known.available, known.seen, with_evidence=True):
        row, place = np.nonzero(block.items >= 0)
        item, source = block.items[row, place], block.evidence[row, place]
        counts = lookup(purchase_counts(data, block.users), row, np.maximum(source, 0))
        code = reason_codes(item, source, counts, fill)
        owner = data.users.take(pa.array(block.users[row]))
        scores = block.scores[row, place]
        parts.append(_rows(known, SCORES_RECOMMENDATIONS, stamp, owner, place + 1, item, scores, code, source))
        missing.append((block.items < 0).sum(axis=1))
    return pa.concat_tables(parts), _short_lists(settings, known, np.concatenate([*missing, np.empty(0, np.int64)]))


def _nothing() -> tuple[np.ndarray, ...]:
    whole = np.empty(0, np.int64)
    return whole, whole, np.empty(0), whole, whole


def _short_lists(settings: Settings, known: Night, missing: np.ndarray) -> pa.Table:
    small = known.available.sum() < settings.top_k
    reason = CATALOGUE_TOO_SMALL if small else REST_ALREADY_BOUGHT
    short = missing[missing > 0]
    row = {"scored_for": known.day, "reason": reason, "users": len(short), "missing_rows": int(short.sum())}
    schema = pa.schema(
        [("scored_for", pa.date32()), ("reason", pa.string()), ("users", pa.int64()), ("missing_rows", pa.int64())]
    )
    return pa.Table.from_pylist([row] if len(short) else [], schema=schema)


def _visitors(settings: Settings, known: Night, fill: "PopularModel", stamp: Stamp) -> pa.Table:
    """The popular list of everybody ('all') and of each segment with enough buyers; ties and gaps follow 'all'."""
    from models.interactions import PURCHASE
    from models.recommender.configs import Popular
    from models.recommender.popular import popularity

    data = known.data
    buyers = np.zeros(len(data.users), dtype=bool)
    buyers[data.user[data.event == PURCHASE]] = True
    lists = [("all", fill.recent, fill.overall)]
    counted = pc.value_counts(known.segment.filter(pa.array(buyers)).drop_null()).to_pylist()
    for value in sorted(c["values"] for c in counted if c["counts"] >= SEGMENT_BUYERS):
        among = pc.fill_null(pc.equal(known.segment, value), False).to_numpy(zero_copy_only=False)
        lists.append((f"{settings.segment_attribute}={value}", *popularity(data, Popular().days, among)))
    overall_place = np.argsort(fill.order)
    parts = []
    for segment, recent, overall in lists:
        order = np.lexsort((overall_place, -overall, -recent))
        item = order[known.available[order]][: settings.top_k]
        scores = recent[item] + overall[item].astype(np.float64) / (1e3 * (1 + overall.max(initial=0)))
        none = np.full(len(item), -1)
        code = reason_codes(item, none, none, fill)
        owner = pa.array([segment] * len(item), pa.string())
        parts.append(_rows(known, SCORES_VISITORS, stamp, owner, np.arange(1, len(item) + 1), item, scores, code, none))
    return pa.concat_tables(parts)


def _similar(settings: Settings, known: Night, model: "Recommender", stamp: Stamp) -> pa.Table:
    """What goes with each item sold in the window, by the champion's item matrix, or the default floor's."""
    matrix = item_matrix(model) or _default_matrix(known)
    sold = np.flatnonzero(known.data.purchase_counts() > 0)
    items, scores = matrix.similar(sold, settings.top_k, known.available)
    row, place = np.nonzero(items >= 0)
    source = sold[row]
    code = np.full(len(row), BOUGHT_WITH)
    owner = known.data.items.take(pa.array(source))
    found, strength = items[row, place], scores[row, place]
    return _rows(known, SCORES_SIMILAR, stamp, owner, place + 1, found, strength, code, source)


def item_matrix(model: "Recommender") -> "ItemToItem | None":
    """The item-to-item matrix in a model: itself, or the part of a blend with the largest weight that is one."""
    from models.recommender.blend import BlendModel
    from models.recommender.configs import REGULAR
    from models.recommender.item_to_item import ItemToItem

    if isinstance(model, ItemToItem):
        return model
    if isinstance(model, BlendModel):
        found = {name: part for name, part in model.parts.items() if isinstance(part, ItemToItem)}
        weight = model.weights[REGULAR]
        best = max(found, key=lambda name: weight[name], default=None)
        return found[best] if best is not None and weight[best] > 0 else None
    return None


def _default_matrix(known: Night) -> "ItemToItem":
    from models.recommender import transition
    from models.recommender.configs import Transition

    return transition.fit(known.data, Transition())


def _rows(
    known: Night,
    table: Table,
    stamp: Stamp,
    owner: pa.Array,
    rank: np.ndarray,
    item: np.ndarray,
    scores: np.ndarray,
    code: np.ndarray,
    source: np.ndarray,
) -> pa.Table:
    """Arrow rows of one of the three list tables; all arrays [P], `code` into REASONS, `source` an item or -1."""
    count = len(owner)
    owner_name, item_name = table.key[1], table.names[3]
    columns = {
        table.key[0]: pa.repeat(pa.scalar(known.day), count),
        owner_name: owner,
        "rank": pa.array(rank.astype(np.int32)),
        item_name: known.data.items.take(pa.array(item)),
        "score": pa.array(scores.astype(np.float64)),
        **reason_columns(code, source, known.data.items, known.titles),
        "model_name": pa.repeat(stamp.model_name, count),
        "model_version": pa.repeat(stamp.model_version, count),
        "run_id": pa.repeat(stamp.run_id, count),
        "scored_at": pa.repeat(pa.scalar(stamp.scored_at, pa.timestamp("us", tz="UTC")), count),
    }
    return pa.table(columns)
