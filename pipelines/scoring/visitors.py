"""Lists for people we know nothing about: what is popular, with everybody and in each segment."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import SCORES_VISITORS
from pipelines.reasons import reason_codes
from pipelines.scoring.known import Night
from pipelines.scoring.rows import Stamp, rows_of
from pipelines.scoring.ruled import with_rules
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.recommender.popular import PopularModel
    from pipelines.rules.tonight import Tonight

SEGMENT_BUYERS = 20
"""A segment with fewer buyers gets no list of its own: it would be noise, and could point at a person."""


def visitors(
    settings: Settings, known: Night, fill: "PopularModel", stamp: Stamp, rules: "Tonight | None" = None
) -> pa.Table:
    """The popular list of everybody ('all') and of each segment with enough buyers; ties and gaps follow 'all'."""
    from models.interactions import PURCHASE
    from models.recommender.configs import Popular
    from models.recommender.popular import popularity

    data = known.data
    buyers = np.zeros(len(data.users), dtype=bool)
    buyers[data.user[data.event == PURCHASE]] = True
    lists: list[tuple[str | None, np.ndarray, np.ndarray]] = [(None, fill.recent, fill.overall)]
    counted = pc.value_counts(known.segment.filter(pa.array(buyers)).drop_null()).to_pylist()
    for value in sorted(c["values"] for c in counted if c["counts"] >= SEGMENT_BUYERS):
        among = pc.fill_null(pc.equal(known.segment, value), False).to_numpy(zero_copy_only=False)
        lists.append((value, *popularity(data, Popular().days, among)))
    overall_place = np.argsort(fill.order)
    parts = []
    for value, recent, overall in lists:
        if rules is None:
            order = np.lexsort((overall_place, -overall, -recent))
            item = order[known.available[order]][: settings.top_k]
            scores = recent[item] + overall[item].astype(np.float64) / (1e3 * (1 + overall.max(initial=0)))
        else:
            ruled = rules.crowd(value, recent, overall, overall_place, settings.top_k)
            item, scores = ruled.items[ruled.items >= 0], ruled.scores[ruled.items >= 0]
        none = np.full(len(item), -1)
        code = reason_codes(item, none, none, fill)
        segment = "all" if value is None else f"{settings.segment_attribute}={value}"
        owner = pa.array([segment] * len(item), pa.string())
        rank = np.arange(1, len(item) + 1)
        rows = rows_of(known, SCORES_VISITORS, stamp, owner, rank, item, scores, code, none)
        parts.append(rows if rules is None else with_rules(rows, ruled.touched[ruled.items >= 0], rules.rules))
    return pa.concat_tables(parts)
