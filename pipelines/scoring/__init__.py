"""Score a night: bring the champion up to what was known at its end, rank for everybody, write one transaction."""

import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines import ops, staging
from pipelines.contracts import (
    SCORE_TABLES,
    SCORES_NEXT_BASKET,
    SCORES_PROPENSITY,
    SCORES_RECOMMENDATIONS,
    SCORES_RULE_EFFECTS,
    SCORES_SHORT_LISTS,
    SCORES_SIMILAR,
    SCORES_VISITORS,
    Table,
)
from pipelines.faults import fault_point
from pipelines.fence import Attempt, guard
from pipelines.rules.effects import effects, summary
from pipelines.rules.kept import keep, rules_of
from pipelines.rules.tonight import Tonight
from pipelines.scoring.champion import fitted, prune
from pipelines.scoring.foretold import keep_judgements
from pipelines.scoring.known import Night, known_by
from pipelines.scoring.lists import recommendations
from pipelines.scoring.next_basket import next_basket
from pipelines.scoring.propensity import propensity
from pipelines.scoring.rows import Stamp
from pipelines.scoring.ruled import recommendations_by_rules
from pipelines.scoring.similar import similar
from pipelines.scoring.visitors import visitors
from pipelines.scoring.wanted import with_wanted
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER
from pipelines.warehouse import exists, open_warehouse, replace_partition

if TYPE_CHECKING:
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Recommender


def score(settings: Settings, night: date, attempt: Attempt, new_rules: bool = False) -> dict[str, Any]:
    """Write all score tables of `night` and return counts. Depends on nothing after it, nor on the wall clock.

    The champion as of the night decides the model and its config; without one it is the starter. The business
    rules are those the night was scored by before, unless `new_rules` asks for the file as it is now. Raises
    NightmarketError where the champion's files were changed or the rules cannot be taken as they are, Superseded where
    a newer attempt has taken over.
    """
    from models.recommender import popular
    from models.recommender.configs import Popular

    started = time.monotonic()
    stamp = Stamp("", "", attempt.id, datetime.now(UTC))
    with ThreadPoolExecutor(3) as beside:  # the two forecasts read their own rows and mostly use one core each
        beside.submit(importlib.import_module, "models.recommender.saved")  # torch takes seconds to import
        likely_made = beside.submit(propensity, settings, night, stamp)
        rules = rules_of(settings, night, new_rules)
        known = known_by(settings, night, rules)
        with guard(settings, attempt):  # after the reading, so that a `publish-lake` killed during it is seen too
            staging.require_whole(settings)
        baskets_made = beside.submit(next_basket, settings, known, stamp)
        known, by = with_wanted(settings, known, attempt)
        model, name, version, note = fitted(settings, known)
        stamp = stamp.of(name, version)
        fault_point("score.fitted")
        fill = popular.fit(known.data, Popular())
        begun = time.monotonic()
        tonight = None if rules is None else Tonight(settings, rules, known)
        tables = lists_of(settings, known, model, fill, stamp, tonight)
        ranked = time.monotonic() - begun
        likely, baskets = likely_made.result(), baskets_made.result()
    tables |= {SCORES_PROPENSITY: likely.rows, SCORES_NEXT_BASKET: baskets.rows}
    fault_point("score.scored")
    with guard(settings, attempt), ops.writing(settings) as connection:
        staging.require_whole(settings)  # the forecasts may have read later than `known_by`
        for table in SCORE_TABLES:
            replace_partition(connection, table, "scored_for", night, tables[table])
        keep(connection, night, rules)
        for found in (likely, baskets):
            keep_judgements(connection, found, night, stamp)
        fault_point("score.written")
    fault_point("score.committed")
    prune(settings, RECOMMENDER, night, version)
    for found in (likely, baskets):
        prune(settings, found.family, night, found.version)
    users = len(known.data.users)
    return {
        **counted(tables), "users": users, "items": len(known.data.items), "model_name": name,
        "model_version": version, "note": note, "newcomers": by,
        likely.family: likely.note, baskets.family: baskets.note,
        "seconds": round(time.monotonic() - started, 2), "users_per_second": round(users / max(ranked, 1e-6), 1),
        **summary(settings, tonight),
    }  # fmt: skip


def counted(tables: dict[Table, pa.Table]) -> dict[str, Any]:
    """Rows of each table and of all, and how many users' lists came out short."""
    rows = {table.name: tables[table].num_rows for table in SCORE_TABLES}
    short = sum(tables[SCORES_SHORT_LISTS]["users"].to_pylist())
    return {"rows": sum(table.num_rows for table in tables.values()), **rows, "short_lists": short}


def lists_of(
    settings: Settings,
    known: Night,
    model: "Recommender",
    fill: "PopularModel",
    stamp: Stamp,
    tonight: Tonight | None,
) -> dict[Table, pa.Table]:
    """The rows of the tables of lists, of what came out short, and of what rules did."""
    rules = tonight if tonight is not None and tonight.rules else None
    if rules is None:
        lists, short = recommendations(settings, known, model, fill, stamp)
    else:
        lists, short = recommendations_by_rules(settings, known, model, fill, stamp, rules)
    return {
        SCORES_RECOMMENDATIONS: lists,
        SCORES_VISITORS: visitors(settings, known, fill, stamp, rules),
        SCORES_SIMILAR: similar(settings, known, model, stamp, rules),
        SCORES_SHORT_LISTS: short,
        SCORES_RULE_EFFECTS: effects(tonight),
    }


def scored_nights_after(settings: Settings, night: date) -> list[date]:
    """Nights after `night` that have scores, in order; none before the first warehouse."""
    if not exists(settings):
        return []
    with open_warehouse(settings, read_only=True) as connection:
        rows = connection.execute(
            f"select distinct scored_for from {SCORES_RECOMMENDATIONS.name} where scored_for > ? order by 1", [night]
        ).fetchall()
    return [row[0] for row in rows]
