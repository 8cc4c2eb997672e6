"""Half of the users with drawn places in their lists, half without: who belongs where, and what came of it.

The setting `experiment` names a test; from the night `experiment_from` on its users are split by a hash of the name and
the user alone, so that a night scored again splits them the same. See docs/feedback.md.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipelines.contracts import OPS_EXPERIMENTS, SCORES_RECOMMENDATIONS
from pipelines.errors import NoSuchTable
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, exists, open_warehouse

if TYPE_CHECKING:
    from models.feedback.experiments import Read, Split

RANKED, EXPLORED = "ranked", "explored"
"""The control, whose lists hold nothing drawn, and the variant."""
HALF = 0.5
_OUTCOMES = ("impressions", "clicks", "purchases", "revenue")


def is_explored(settings: Settings, users: list[str], night: date) -> np.ndarray:
    """bool [U]: whose lists of this night may hold drawn places; everybody's where no experiment runs."""
    if not settings.experiment or night < date.fromisoformat(settings.experiment_from):
        return np.ones(len(users), dtype=bool)
    return _is_variant(settings.experiment, users)


def _is_variant(name: str, users: list[str]) -> np.ndarray:
    from models.feedback.exploration import keys_of, uniform

    return np.asarray(uniform(int(keys_of([name])[0]), keys_of(users), 0) < HALF)


@dataclass(frozen=True)
class _Users:
    """Sums of each assigned user; all arrays [U]."""

    variant: np.ndarray
    values: dict[str, np.ndarray]


def rows(settings: Settings, connection: Warehouse, night: date) -> list[dict[str, Any]]:
    """The read-out as of the newest night as rows of `ops.experiments`; none where no experiment has begun."""
    from models.feedback.experiments import read_out, split

    if not settings.experiment or night <= date.fromisoformat(settings.experiment_from):
        return []
    found = _users(settings, connection, night)
    if found is None or not {RANKED, EXPLORED} <= set(found.variant.tolist()):
        return []
    shown = found.variant[found.values["impressions"] > 0]
    halves = split({name: int((shown == name).sum()) for name in (RANKED, EXPLORED)}, {RANKED: HALF, EXPLORED: HALF})
    reads = read_out(found.variant, found.values, RANKED)[EXPLORED]
    return [_row(settings, night, metric, read, halves) for metric, read in reads.items()]


def _row(settings: Settings, night: date, metric: str, read: "Read", halves: "Split") -> dict[str, Any]:
    numbers = {
        "control": read.control.value, "variant": read.variant.value, "difference": read.difference,
        "difference_low": read.difference_low, "difference_high": read.difference_high, "ratio": read.ratio,
        "ratio_low": read.ratio_low, "ratio_high": read.ratio_high, "detectable": read.detectable, "split_p": halves.p,
    }  # fmt: skip
    return {
        "night": night, "experiment": settings.experiment, "metric": metric,
        "began": date.fromisoformat(settings.experiment_from),
        "control_users": read.control.users, "variant_users": read.variant.users,
        "control_shown": halves.users[RANKED], "variant_shown": halves.users[EXPLORED],
        **{name: None if np.isnan(value) else float(value) for name, value in numbers.items()},
        "split_sound": halves.sound,
    }  # fmt: skip


def _users(settings: Settings, connection: Warehouse, night: date) -> _Users | None:
    """Everybody with a list since the experiment began, shown or not.

    Clicks are those of what was shown. What somebody bought counts whatever it came of: lists that only move purchases
    from elsewhere would else seem to earn them.
    """
    began = date.fromisoformat(settings.experiment_from)
    asked = (
        "select user_id, 1 as listed, 0 as impressions, 0 as clicks, 0 as purchases,"
        f" cast(0 as double precision) as revenue from {SCORES_RECOMMENDATIONS.name}"
        " where scored_for >= ? and scored_for < ? and rank = 1 group by user_id"
        " union all select listed_owner, 0, cast(count(*) as integer), cast(sum(clicks) as integer), 0, 0"
        " from intermediate.int_shown_place where listed_kind = 'user' and scored_for >= ? group by listed_owner"
        " union all select user_id, 0, 0, 0, cast(sum(purchased_lines) as integer),"
        " cast(sum(revenue) as double precision) from intermediate.int_user_day"
        " where event_date > ? and event_date <= ? and landing_date <= ? group by user_id"
    )
    try:
        table = connection.reader(asked, [began, night, began, began, night, night]).read_all()
    except NoSuchTable:
        return None
    return _summed(settings, table)


def _summed(settings: Settings, table: pa.Table) -> _Users:
    from models.feedback.experiments import by_user

    names = ("listed", *_OUTCOMES)
    user = table["user_id"].to_numpy(zero_copy_only=False).astype(str)
    sums = by_user(user, **{name: table[name].to_numpy() for name in names})
    assigned = sums["listed"] > 0  # who bought without ever having had a list is of neither half
    users = sums["users"][assigned]
    variant = np.where(_is_variant(settings.experiment, users.tolist()), EXPLORED, RANKED)
    return _Users(variant, {name: sums[name][assigned] for name in _OUTCOMES})


def newest(settings: Settings) -> list[dict[str, Any]]:
    """The last read-out of each experiment, as it was kept."""
    if not exists(settings):
        return []
    table = OPS_EXPERIMENTS.name
    asked = (
        f"select * from {table} as kept where night = (select max(night) from {table} as other"
        " where other.experiment = kept.experiment) order by experiment, metric"
    )
    with open_warehouse(settings) as connection:
        found: list[dict[str, Any]] = connection.reader(asked).read_all().to_pylist()
    return found


def sentence(row: dict[str, Any]) -> str:
    """One line of a read-out for a person."""
    name = f"{row['experiment']} since {row['began']}, {row['metric']}"
    if not row["split_sound"]:
        shown = f"{row['control_shown']:,} and {row['variant_shown']:,} users were shown lists (p {row['split_p']:.1e})"
        return f"{name}: says nothing, {shown}, not halves: look for who is missing before anything else"
    if row["difference_low"] is None or row["difference_high"] is None:
        return f"{name}: nothing to compare yet"
    digits = 4 if row["metric"] != "revenue_per_user" else 2
    told = ", ".join(f"{row[key]:+.{digits}f}" for key in ("difference_low", "difference_high"))
    return (
        f"{name}: {EXPLORED} {row['variant']:.{digits}f} of {row['variant_users']:,} users against"
        f" {RANKED} {row['control']:.{digits}f} of {row['control_users']:,}: {row['difference']:+.{digits}f} [{told}];"
        f" a difference of {row['detectable']:.{digits}f} would have been seen"
    )
