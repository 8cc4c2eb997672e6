"""What will be in each active user's next basket; fitted and judged anew every night."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake
from pipelines.scoring.foretold import DIGITS, Foretold
from pipelines.scoring.known import Night
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.next_basket.forecast import Forecast

NEXT_BASKET = "next_basket"


def next_basket(settings: Settings, known: Night, stamp: Stamp) -> Foretold:
    """The likely items of every active user, at most `top_k`, best first. Depends on nothing after the night.

    It is a forecast, not an advertisement: items bought before stand in it whatever the repeat policy. What may not be
    sold tonight is left out.
    """
    from models.artefact import save_artefact
    from models.interactions import encode
    from models.next_basket.baskets import NAMES
    from models.next_basket.forecast import HORIZON, REACH, forecast

    data = encode(lake.sequences(settings, known.day, REACH), known.day)
    found = forecast(data)
    meta = {"family": NEXT_BASKET, "night": str(known.day), "model": found.model, "columns": list(NAMES)}
    version = save_artefact(settings.models / NEXT_BASKET / "nightly" / str(known.day), found.arrays, meta)
    place = pc.fill_null(pc.index_in(data.items, value_set=known.data.items), -1).to_numpy()
    sold = np.where(place >= 0, known.available[np.maximum(place, 0)] if len(known.available) else False, False)
    listed, rank = _listed(found, sold, settings.top_k)
    user = found.user[listed]
    columns = {
        "scored_for": pa.repeat(pa.scalar(known.day), len(listed)),
        "user_id": data.users.take(pa.array(user)),
        "rank": pa.array(rank.astype(np.int32)),
        "item_id": data.items.take(pa.array(found.item[listed])),
        "probability": pa.array(np.round(found.chance[listed], DIGITS)),
        "is_repeat": pa.array(found.repeat[listed]),
        "expected_basket_size": pa.array(np.round(found.size[np.searchsorted(found.users, user)], 2)),
    }
    rows = stamped(columns, stamp.of(found.model, version))
    return Foretold(NEXT_BASKET, rows, {HORIZON: found.judged}, version, f"{found.model}, {found.note}")


def _listed(found: "Forecast", sold: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the candidates that are listed, and their ranks from 1; `sold` bool [I]."""
    kept = np.flatnonzero(sold[found.item])
    owner = found.user[kept]
    rank = np.arange(len(kept)) - np.searchsorted(owner, owner)
    return kept[rank < k], rank[rank < k] + 1
