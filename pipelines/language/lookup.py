"""`nightmarket search`: the products for any query as of a night, for anybody or moved towards one user's taste."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import lake
from pipelines.errors import NightmarketError, UsageError
from pipelines.language.catalogue import Shop, searched
from pipelines.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

CANDIDATES = 100
"""Products whose order a user's taste may change."""
TASTE_DAYS, HALF_LIFE = 90, 30
"""Days of a user's events that make the taste, and after how many of them an event counts half."""
WEIGHTS = {"view": 1.0, "add_to_cart": 2.0, "purchase": 3.0}


def look_up(
    settings: Settings, query: str, user: str | None, strength: float | None, night: date | None, places: int
) -> dict[str, Any]:
    """Rows with rank, item_id, title, score and matched, the best first; and who ordered them.

    `strength`: from 0, the plain order, to 1; by default the setting `search_strength`. Raises UsageError for another
    one, NightmarketError where nothing is on sale.
    """
    strength = settings.search_strength if strength is None else strength
    if not 0 <= strength <= 1:
        raise UsageError(f"strength is from 0 (plain) to 1, not {strength}")
    asked = query.strip().lower()
    if not asked:
        raise UsageError("there is no word to search for")
    night = night or lake.newest_day(settings)
    shop = searched(settings, night, keep=False)
    if shop is None:
        raise NightmarketError(f"nothing is on sale on {night}: no product of the lake is available that day")
    from models.nlp.search import night as lists

    found = lists.query_products(shop.index, shop.encoder, [asked], shop.order.model, CANDIDATES)
    vector = taste(settings, shop, user, night) if user is not None and strength > 0 else None
    note = shop.note
    if user is not None and strength > 0:
        note += (
            f"; moved by {strength:g} towards the taste of {user}"
            if vector is not None
            else f"; {user} has no taste yet"
        )
    return {"query": asked, "date": night, "note": note, "rows": _rows(shop, found, vector, strength)[:places]}


def taste(settings: Settings, shop: Shop, user: str, night: date) -> np.ndarray | None:
    """float32 [d], of length 1: the mean of the vectors of what the user viewed, put into the cart and bought, newer
    events counting more. None where there is nothing on sale among it.
    """
    place = {item: n for n, item in enumerate(shop.index.catalogue.item_id)}
    total = np.zeros(shop.index.vectors.shape[1], dtype=np.float64)
    events = lake.interactions(settings, night, TASTE_DAYS, user)
    for item, kind, day in zip(
        *(events[name].to_pylist() for name in ("item_id", "event_type", "event_date")), strict=True
    ):
        if item in place:
            total += WEIGHTS[kind] * 0.5 ** ((night - day) / timedelta(HALF_LIFE)) * shop.index.vectors[place[item]]
    length = float(np.linalg.norm(total))
    return (total / length).astype(np.float32) if length > 0 else None


def _rows(shop: Shop, found: "pa.Table", vector: np.ndarray | None, strength: float) -> list[dict[str, Any]]:
    from models.nlp.search.night import personal

    place = {item: n for n, item in enumerate(shop.index.catalogue.item_id)}
    rows = found.to_pylist()
    own = [place[row["item_id"]] for row in rows]
    score = np.array([row["score"] for row in rows])
    if vector is not None and rows:
        score = personal(score, shop.index.vectors[own], vector, np.zeros(len(rows), dtype=np.int64), strength)
    order = np.lexsort((np.array([row["item_id"] for row in rows], dtype=object).astype(str), -score)).tolist()
    titles = shop.index.catalogue.texts["title"]
    return [
        {
            "rank": rank, "item_id": rows[n]["item_id"], "title": titles[own[n]], "score": round(float(score[n]), 6),
            "matched": rows[n]["matched"],
        }
        for rank, n in enumerate(order, start=1)
    ]  # fmt: skip
