"""The models of a night: age, what came of earlier chances, and whether training and the warehouse see the same."""

import math
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from models.calibration import calibration_error
from models.monitoring.drift import Tested
from models.propensity.visits import LOOKBACK, NAMES
from models.registry import champion_as_of
from pipelines.contracts import SCORES_PROPENSITY
from pipelines.monitoring.rows import FEATURES, MODEL, Ask, Row
from pipelines.scoring.propensity import visits_by
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER
from pipelines.warehouse import Warehouse

OLDEST_DAYS = 42
"""Training runs weekly: a champion this old was not followed on six Sundays, as none ran or the gate said no."""
OFF = 0.02
"""Mean chance and share that bought may lie so far apart before anybody is told."""
COMPARED = ("recency", "days_28", "days_180", "lines_28")


def age(settings: Settings, day: date) -> Row:
    """Days from the last day that the champion's choice knew to the night."""
    champion = champion_as_of(settings.models, RECOMMENDER, day)
    if champion is None:
        said = "no champion yet: the starter scores"
        return Row(day, MODEL, "days since the champion's data", RECOMMENDER, None, None, OLDEST_DAYS, False, 0, said)
    days = (day - date.fromisoformat(champion.known_until)).days
    said = f"champion {champion.model_name} {champion.version} knows data until {champion.known_until}"
    alarm = days > OLDEST_DAYS
    if alarm:
        said += ". See why train_recommender has not run, or why its gate let nothing through"
    return Row(day, MODEL, "days since the champion's data", RECOMMENDER, days, None, OLDEST_DAYS, alarm, 1, said)


def calibration(connection: Warehouse, day: date) -> Iterator[Ask | Row]:
    """Chances of the nights whose horizon ends with `day`, against who bought within it."""
    scored = SCORES_PROPENSITY.name
    horizons = connection.execute(f"select distinct horizon_days from {scored} order by 1").fetchall()
    for (horizon,) in horizons:
        night = day - timedelta(horizon)
        rows = connection.reader(
            "select buy_probability as chance, case when buyers.user_id is null then 0 else 1 end as bought"
            f" from {scored} as scored left join (select distinct user_id from intermediate.int_user_item_day"
            " where purchased_lines > 0 and event_date > ? and event_date <= ? and landing_date <= ?) as buyers"
            " using (user_id) where scored_for = ? and horizon_days = ?",
            [night, day, day, night, horizon],
        ).read_all()
        if not rows.num_rows:
            continue
        chance = rows["chance"].cast(pa.float64()).to_numpy()
        bought = rows["bought"].to_numpy().astype(bool)
        part = f"buy within {horizon} days"
        error = calibration_error(chance, bought)
        said = f"chances of {night} to {part}: calibration error {error:.4f} of {len(chance):,} users"
        yield Row(day, MODEL, "calibration error", part, round(error, 6), None, None, False, len(chance), said)
        said = f"Chances said on {night} were too high or too low as a whole: what has changed in the shop since?"
        yield Ask(MODEL, "mean chance apart from share", part, _Apart(chance, bought), said, float(bought.mean()))


class _Apart:
    """|mean chance − share that bought|; users are taken as independent, and less than `OFF` is no alarm."""

    def __init__(self, chance: np.ndarray, bought: np.ndarray) -> None:
        self._value = abs(float(chance.mean() - bought.mean()))
        self._deviation = math.sqrt(float((chance * (1 - chance)).sum())) / len(chance)
        self._users = len(chance)

    def __call__(self, level: float) -> Tested:
        threshold = max(OFF, float(ndtri(1 - level / 2)) * self._deviation)
        return Tested(self._value, threshold, self._users, self._users, 1, self._value > threshold)


def equality(settings: Settings, connection: Warehouse, day: date) -> Row:
    """Users whose columns differ between what training reads (the lake) and the day facts behind the features."""
    read = visits_by(settings, day, LOOKBACK)
    active, columns = read.at(read.today)
    ours = read.users.take(pa.array(active))
    theirs = connection.reader(
        "select user_id, min(cast(? as date) - event_date) as recency,"
        " count(distinct case when event_date > ? then event_date end) as days_28,"
        " count(distinct event_date) as days_180,"
        " sum(case when event_date > ? then purchased_lines else 0 end) as lines_28"
        " from intermediate.int_user_item_day where purchased_lines > 0"
        " and event_date <= ? and event_date > ? and landing_date <= ? group by user_id",
        [day, day - timedelta(28), day - timedelta(28), day, day - timedelta(LOOKBACK), day],
    ).read_all()
    row = pc.index_in(ours, value_set=theirs["user_id"].cast(pa.string()).combine_chunks())
    met = row.drop_null().to_numpy()
    here = np.array(row.is_valid())
    differ = np.zeros(len(met), dtype=bool)
    for name in COMPARED:
        found = theirs[name].cast(pa.float64()).to_numpy()[met]
        differ |= columns[here, NAMES.index(name)].astype(np.float64) != found
    apart = (len(ours) - len(met)) + (theirs.num_rows - len(met))
    unequal = int(differ.sum()) + apart
    users = len(met) + apart
    said = f"{unequal:,} of {users:,} active users differ between training's columns and the warehouse's day facts"
    if unequal:
        said += f" ({', '.join(COMPARED)}; {apart:,} are on one side only). Load and build the features again"
    return Row(day, FEATURES, "unequal in training and warehouse", "users", unequal, 0.0, 0.0, unequal > 0, users, said)
