"""Personas as people read them: size, how often and how dear they buy, and what they buy more than others do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.interactions import MICROSECONDS_PER_DAY, PURCHASE, Interactions
from models.multimodal.lookalike import Model
from models.multimodal.personas import Personas
from models.nlp.search.catalogue import steps
from models.nlp.search.tokens import clean
from models.nlp.words import ENGLISH_FILLING

TRAITS = 5
"""Categories, words and items that are named of each persona."""
KNOWN_BY = 0.05
"""What fewer of a persona's members had is no trait of it, however rare it is elsewhere."""
LETTERS = re.compile(r"[^\W\d_]+")
CATEGORY, WORD, ITEM = "category", "word", "item"
MODEL = [("model_name", pa.string()), ("model_version", pa.string())]
PERSONAS = pa.schema(
    [
        ("persona", pa.string()),
        ("users", pa.int64()),
        ("share", pa.float64()),
        ("purchases_per_user", pa.float64()),
        ("days_between_visits", pa.float64()),
        ("median_price", pa.float64()),
        ("price_level", pa.float64()),
        ("description", pa.string()),
        *MODEL,
    ]
)
"""One row per persona. `share`: of all users who have one. `purchases_per_user`: items on receipts in the window the
vectors were learned on. `days_between_visits`: median over members with two days of purchases of the mean days between
them, null where nobody has. `price_level`: median price of what members buy / that of the whole shop, null where no
price is known; a purchase counts once. `description`: the traits in a sentence."""
PERSONA_TRAITS = pa.schema(
    [
        ("persona", pa.string()),
        ("kind", pa.string()),
        ("rank", pa.int32()),
        ("value", pa.string()),
        ("members", pa.float64()),
        ("lift", pa.float64()),
        *MODEL,
    ]
)
"""One row per persona, kind (`category`, `word`, `item`) and rank. `value`: name of the category, the word as titles
write it, or the item's id (whose pictures show the persona). `members`: share of the persona that bought it.
`lift`: that share / the share of all users who have a persona."""
USER_PERSONAS = pa.schema([("user_id", pa.string()), ("persona", pa.string()), ("similarity", pa.float64()), *MODEL])
"""One row per user with a vector. `similarity`: cosine with the centre of the persona."""


@dataclass(frozen=True)
class Goods:
    """What the feed says of the I items; null or NaN where nothing."""

    title: pa.Array  # string [I]
    category_path: pa.Array  # string [I]
    price: np.ndarray  # float64 [I]


@dataclass(frozen=True)
class Tables:
    personas: pa.Table
    traits: pa.Table
    users: pa.Table


def tables(found: Personas, names: Sequence[str], data: Interactions, goods: Goods, model: Model) -> Tables:
    """Rows of `PERSONAS`, `PERSONA_TRAITS` and `USER_PERSONAS`; `names` as `personas.named` gives them.

    `found` is of the users of `data`, in their order.
    """
    traits = [
        {"persona": names[one], "kind": kind, "rank": place + 1, **trait}
        for kind, held in _held(data, goods).items()
        for one, ranked in enumerate(_traits(found, *held))
        for place, trait in enumerate(ranked)
    ]
    rows = [_row(found, one, data, goods) | {"persona": name} for one, name in enumerate(names)]
    for row in rows:
        row["description"] = _sentence(row, [trait for trait in traits if trait["persona"] == row["persona"]])
    with_one = np.flatnonzero(found.of >= 0)
    users = [
        {"user_id": user, "persona": names[found.of[at]], "similarity": float(found.cosine[at])}
        for at, user in zip(with_one.tolist(), data.users.take(pa.array(with_one)).to_pylist(), strict=True)
    ]
    by = {"model_name": model.name, "model_version": model.version}
    return Tables(
        *(
            pa.Table.from_pylist([row | by for row in some], schema=schema)
            for some, schema in ((rows, PERSONAS), (traits, PERSONA_TRAITS), (users, USER_PERSONAS))
        )
    )


# ---- numbers ---------------------------------------------------------------------------------------------------


def _row(found: Personas, one: int, data: Interactions, goods: Goods) -> dict[str, object]:
    bought = data.event == PURCHASE
    mine = bought & (found.of[data.user] == one)
    members = int((found.of == one).sum())
    prices, everybody = (_median(goods.price[data.item[rows]]) for rows in (mine, bought))
    return {
        "users": members,
        "share": members / max(1, int((found.of >= 0).sum())),
        "purchases_per_user": float(mine.sum()) / max(1, members),
        "days_between_visits": _between(data.user[mine], data.time[mine]),
        "median_price": prices,
        "price_level": None if prices is None or not everybody else prices / everybody,
    }


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _between(user: np.ndarray, time: np.ndarray) -> float | None:
    days = np.unique(np.stack([user.astype(np.int64), time // MICROSECONDS_PER_DAY]), axis=1)
    if not days.shape[1]:
        return None
    _, start, count = np.unique(days[0], return_index=True, return_counts=True)
    often = count > 1
    if not often.any():
        return None
    reach = days[1][start + count - 1] - days[1][start]
    return float(np.median(reach[often] / (count[often] - 1)))


# ---- traits ----------------------------------------------------------------------------------------------------


def _held(data: Interactions, goods: Goods) -> dict[str, tuple[sparse.csr_array, list[str]]]:
    """By kind: bool [U, T], whether a user bought something with the trait, and the T traits' names."""
    bought = data.event == PURCHASE
    shape = (len(data.users), len(data.items))
    had = sparse.csr_array((np.ones(bought.sum()), (data.user[bought], data.item[bought])), shape=shape)
    found = {ITEM: (had, data.items.to_pylist())}
    paths = [list(steps(path)) for path in goods.category_path.to_pylist()]
    spoken = [_spoken(title) for title in goods.title.to_pylist()]
    for kind, bags in ((CATEGORY, paths), (WORD, spoken)):
        of_item, names = _counted(bags)
        found[kind] = sparse.csr_array(had @ of_item), names
    for held, _ in found.values():
        held.sum_duplicates()
        held.data[:] = 1
    return found


def _spoken(title: str | None) -> list[str]:
    """Words of a title that name something: no numbers, no filling, no one or two Latin letters; Chinese by runs."""
    kept = [word for word in LETTERS.findall(clean(title)) if word not in ENGLISH_FILLING]
    return [word for word in kept if len(word) > 2 or not word.isascii()]


def _counted(bags: list[list[str]]) -> tuple[sparse.csr_array, list[str]]:
    names = sorted({word for bag in bags for word in bag})
    place = {word: column for column, word in enumerate(names)}
    row = [at for at, bag in enumerate(bags) for _ in bag]
    column = [place[word] for bag in bags for word in bag]
    return sparse.csr_array((np.ones(len(row)), (row, column)), shape=(len(bags), len(names))), names


def _traits(found: Personas, held: sparse.csr_array, names: list[str]) -> list[list[dict[str, object]]]:
    """Of each persona the traits it is known by: shares of members, and of all, who bought something with it.

    By share · log lift: what many of the persona bought and others did not. By lift alone come things so rare that they
    show nobody. Ties by name.
    """
    with_one = found.of >= 0
    everybody = held[np.flatnonzero(with_one)].sum(axis=0) / max(1, int(with_one.sum()))
    result = []
    for one in range(len(found.centroids)):
        mine = np.flatnonzero(found.of == one)
        share = held[mine].sum(axis=0) / max(1, len(mine))
        lift = np.where(everybody > 0, share / np.maximum(everybody, 1e-30), 0)
        usable = np.flatnonzero((share >= KNOWN_BY) & (lift > 1))
        worth = share[usable] * np.log(lift[usable])
        best = usable[np.lexsort((usable, -worth))][:TRAITS]
        result.append(
            [{"value": names[at], "members": float(share[at]), "lift": float(lift[at])} for at in best.tolist()]
        )
    return result


def _sentence(row: dict[str, object], traits: list[dict[str, object]]) -> str:
    """What BI shows beside the name: at most three categories and three words, and the price level in words."""
    level = row["price_level"]
    price = "" if not isinstance(level, float) else _level(level)
    parts = [
        ", ".join(
            clean(str(trait["value"])) for trait in traits if trait["kind"] == kind and int(str(trait["rank"])) <= 3
        )
        for kind in (CATEGORY, WORD)
    ]
    return "; ".join(part for part in (*parts, price) if part)


def _level(level: float) -> str:
    if level < 0.8:
        return f"cheaper things than others buy (× {level:.2f})"
    return f"dearer things than others buy (× {level:.2f})" if level > 1.25 else "usual prices"
