"""The list of every known user, and the count of lists that came out short."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.reasons import NEW, reason_codes
from pipelines.scoring.known import Night
from pipelines.scoring.rows import Stamp, rows_of
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Ranked, Recommender
    from models.recommender.ruled import Ruled

SHORT_LISTS = pa.schema(
    [("scored_for", pa.date32()), ("reason", pa.string()), ("users", pa.int64()), ("missing_rows", pa.int64())]
)
CATALOGUE_TOO_SMALL, REST_ALREADY_BOUGHT = "fewer items available than top_k", "everything else already bought"


def recommendations(
    settings: Settings, known: Night, model: "Recommender", fill: "PopularModel", stamp: Stamp
) -> tuple[pa.Table, pa.Table]:
    """Rows of every known user's list, and the count of lists that came out short, by reason."""
    from models.recommender.newcomers import placed
    from models.recommender.ranking import rank_users

    data, k = known.data, settings.top_k
    parts = [no_rows(known, stamp)]
    missing = []
    users = np.arange(len(data.users))
    for block in rank_users(model, data, users, k, fill.order, known.available, known.seen, with_evidence=True):
        block, new = placed(block, data, known.wanted, known.available, known.seen, settings.new_item_places)
        parts.append(block_rows(known, fill, stamp, block, new))
        missing.append((block.items < 0).sum(axis=1))
    return pa.concat_tables(parts), _short_lists(settings, known, np.concatenate([*missing, np.empty(0, np.int64)]))


def block_rows(known: Night, fill: "PopularModel", stamp: Stamp, block: "Ranked | Ruled", new: np.ndarray) -> pa.Table:
    """Rows of the lists of one block of users; `new` bool [B, k]: where newcomers stand."""
    from models.recommender.history import lookup, purchase_counts

    row, place = np.nonzero(block.items >= 0)
    item, source = block.items[row, place], block.evidence[row, place]
    counts = lookup(purchase_counts(known.data, block.users), row, np.maximum(source, 0))
    code = np.where(new[row, place], NEW, reason_codes(item, source, counts, fill))
    owner = known.data.users.take(pa.array(block.users[row]))
    scores = block.scores[row, place]
    return rows_of(known, SCORES_RECOMMENDATIONS, stamp, owner, place + 1, item, scores, code, source)


def no_rows(known: Night, stamp: Stamp) -> pa.Table:
    """The columns of the table, of a night without anybody."""
    whole = np.empty(0, np.int64)
    nothing = (whole, whole, np.empty(0), whole, whole)
    return rows_of(known, SCORES_RECOMMENDATIONS, stamp, known.data.users[:0], *nothing)


def _short_lists(settings: Settings, known: Night, missing: np.ndarray) -> pa.Table:
    small = known.available.sum() < settings.top_k
    reason = CATALOGUE_TOO_SMALL if small else REST_ALREADY_BOUGHT
    short = missing[missing > 0]
    row = {"scored_for": known.day, "reason": reason, "users": len(short), "missing_rows": int(short.sum())}
    return pa.Table.from_pylist([row] if len(short) else [], schema=SHORT_LISTS)
