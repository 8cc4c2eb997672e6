"""Score a night: bring the champion up to what was known at its end, rank for everybody, write one transaction."""

import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

from pipelines import ops, staging
from pipelines.contracts import (
    SCORE_TABLES,
    SCORES_RECOMMENDATIONS,
    SCORES_SHORT_LISTS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
)
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.scoring.champion import fitted, prune
from pipelines.scoring.known import known_by
from pipelines.scoring.lists import recommendations
from pipelines.scoring.rows import Stamp
from pipelines.scoring.similar import similar
from pipelines.scoring.visitors import visitors
from pipelines.settings import Settings
from pipelines.warehouse import exists, open_warehouse, replace_partition


def score(settings: Settings, night: date, attempt: Attempt) -> dict[str, Any]:
    """Write all score tables of `night` and return counts. Depends on nothing after it, nor on the wall clock.

    The champion as of the night decides the model and its config; without one it is the starter. Raises
    NightmarketError where the champion's files were changed, Superseded where a newer attempt has taken over.
    """
    from models.recommender import popular
    from models.recommender.configs import Popular

    started = time.monotonic()
    with ThreadPoolExecutor(1) as beside:  # torch takes seconds to import, the lake as long to read: together
        beside.submit(importlib.import_module, "models.recommender.saved")
        known = known_by(settings, night)
    with guard(settings, attempt):  # after the reading, so that a `publish-lake` killed during it is seen too
        staging.require_whole(settings)
    model, name, version, note = fitted(settings, known)
    fault_point("score.fitted")
    fill = popular.fit(known.data, Popular())
    stamp = Stamp(name, version, attempt.id, datetime.now(UTC))
    begun = time.monotonic()
    lists, short = recommendations(settings, known, model, fill, stamp)
    ranked = time.monotonic() - begun
    tables = {
        SCORES_RECOMMENDATIONS: lists,
        SCORES_VISITORS: visitors(settings, known, fill, stamp),
        SCORES_SIMILAR: similar(settings, known, model, stamp),
        SCORES_SHORT_LISTS: short,
    }
    fault_point("score.scored")
    with guard(settings, attempt), ops.writing(settings) as connection:
        for table in SCORE_TABLES:
            replace_partition(connection, table, "scored_for", night, tables[table])
        fault_point("score.written")
    fault_point("score.committed")
    prune(settings, night, version)
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
