"""The list of every known user, and the count of lists that came out short."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.reasons import DISCOVER, NEW, reason_codes
from pipelines.scoring.explored import drawing_columns, explorer_of, redrawn
from pipelines.scoring.known import Night
from pipelines.scoring.rows import Stamp, rows_of
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.feedback.exploration import Filled
    from models.recommender.explored import Explorer, Spare
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
    data = known.data
    parts = [no_rows(known, stamp)]
    missing = []
    explorer = explorer_of(settings, known)
    for block, new, spare in ranked_lists(settings, known, model, fill, np.arange(len(data.users)), explorer):
        filled = None
        if explorer is not None and spare is not None:
            filled = explorer.fill(block.users, block.items, np.zeros_like(new), spare)
        parts.append(block_rows(known, fill, stamp, block, new, filled))
        missing.append((block.items < 0).sum(axis=1))
    return pa.concat_tables(parts), _short_lists(settings, known, np.concatenate([*missing, np.empty(0, np.int64)]))


def ranked_lists(
    settings: Settings,
    known: Night,
    model: "Recommender",
    fill: "PopularModel",
    users: np.ndarray,
    explorer: "Explorer | None",
) -> "Iterator[tuple[Ranked, np.ndarray, Spare | None]]":
    """Lists of `users` int [n] block by block, where newcomers stand, bool [B, k], and what `explorer` may draw."""
    from models.recommender.explored import POOL, spare_of
    from models.recommender.newcomers import placed
    from models.recommender.ranking import rank_users

    data, k, some = known.data, settings.top_k, POOL if explorer is not None else 0
    order, mask = fill.order, known.seen
    for wide in rank_users(model, data, users, k, order, known.available, mask, with_evidence=True, spare=some):
        block, new = placed(wide.first(k), data, known.wanted, known.available, mask, settings.new_item_places)
        yield block, new, spare_of(wide, block.items, some) if some else None


def block_rows(
    known: Night,
    fill: "PopularModel",
    stamp: Stamp,
    block: "Ranked | Ruled",
    new: np.ndarray,
    filled: "Filled | None" = None,
) -> pa.Table:
    """Rows of the lists of one block of users; `new` bool [B, k]: where newcomers stand; what was drawn into them."""
    from models.recommender.history import lookup, purchase_counts

    drawn = np.zeros_like(new)
    if filled is not None:
        block, drawn = redrawn(block, filled), filled.drawn
    row, place = np.nonzero(block.items >= 0)
    item, source = block.items[row, place], block.evidence[row, place]
    counts = lookup(purchase_counts(known.data, block.users), row, np.maximum(source, 0))
    code = np.where(new[row, place], NEW, reason_codes(item, source, counts, fill))
    code = np.where(drawn[row, place], DISCOVER, code)
    owner = known.data.users.take(pa.array(block.users[row]))
    scores = block.scores[row, place]
    rows = rows_of(known, SCORES_RECOMMENDATIONS, stamp, owner, place + 1, item, scores, code, source)
    return with_columns(rows, drawing_columns(filled, block.items >= 0))


def no_rows(known: Night, stamp: Stamp) -> pa.Table:
    """The columns of the table, of a night without anybody."""
    whole = np.empty(0, np.int64)
    nothing = (whole, whole, np.empty(0), whole, whole)
    rows = rows_of(known, SCORES_RECOMMENDATIONS, stamp, known.data.users[:0], *nothing)
    return with_columns(rows, drawing_columns(None, np.zeros((0, 0), dtype=bool)))


def with_columns(rows: pa.Table, columns: "dict[str, pa.Array]") -> pa.Table:
    """The rows with these columns behind their own."""
    for name, values in columns.items():
        rows = rows.append_column(name, values)
    return rows


def _short_lists(settings: Settings, known: Night, missing: np.ndarray) -> pa.Table:
    small = known.available.sum() < settings.top_k
    reason = CATALOGUE_TOO_SMALL if small else REST_ALREADY_BOUGHT
    short = missing[missing > 0]
    row = {"scored_for": known.day, "reason": reason, "users": len(short), "missing_rows": int(short.sum())}
    return pa.Table.from_pylist([row] if len(short) else [], schema=SHORT_LISTS)
