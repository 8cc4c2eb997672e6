"""How likely each active user buys, or lapses, within 7 and 28 days; fitted and judged anew every night."""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipelines import lake
from pipelines.scoring.foretold import DIGITS, Foretold
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.propensity.visits import Visits

PROPENSITY = "propensity"


def propensity(settings: Settings, night: date, stamp: Stamp) -> Foretold:
    """A row for every active user and horizon. Depends on nothing after the night.

    Active: at least one purchase in the last 180 days. To lapse is not to buy within the horizon.
    """
    from models.artefact import save_artefact
    from models.propensity.forecast import forecasts
    from models.propensity.visits import NAMES

    visits = visits_by(settings, night)
    found = forecasts(visits)
    arrays = {f"{f.horizon}.{name}": array for f in found for name, array in f.arrays.items()}
    meta = {"family": PROPENSITY, "night": str(night), "models": {str(f.horizon): f.model for f in found}}
    folder = settings.models / PROPENSITY / "nightly" / str(night)
    version = save_artefact(folder, arrays, {**meta, "columns": list(NAMES)})
    parts: list[pa.Table] = []
    for f in found:
        chance = np.round(f.chance, DIGITS)
        columns = {
            "scored_for": pa.repeat(pa.scalar(night), len(f.users)),
            "user_id": visits.users.take(pa.array(f.users)),
            "horizon_days": pa.array(np.full(len(f.users), f.horizon, dtype=np.int32)),
            "buy_probability": pa.array(chance),
            "lapse_probability": pa.array(np.round(1 - chance, DIGITS)),
        }
        parts.append(stamped(columns, stamp.of(f.model, version)))
    note = "; ".join(f"{f.horizon} days: {f.model}, {f.note}" for f in found)
    judged = {f.horizon: f.judged for f in found}
    return Foretold(PROPENSITY, pa.concat_tables(parts), judged, version, note)


def visits_by(settings: Settings, night: date, reach: int | None = None) -> "Visits":
    """What users did up to the night, as far as it was known by then, `reach` days back: by default all that helps."""
    from models.interactions import by_vocabulary
    from models.propensity.forecast import REACH
    from models.propensity.visits import Visits

    table = lake.user_days(settings, night, REACH if reach is None else reach)
    users, user = by_vocabulary(table["user_id"])

    def days(name: str) -> np.ndarray:
        return table[name].cast(pa.int32()).to_numpy().astype(np.int64)

    def numbers(name: str) -> np.ndarray:
        return table[name].to_numpy().astype(np.float64)

    today = (night - date(1970, 1, 1)).days
    return Visits(
        users, today, user.astype(np.int64), days("event_date"), days("landing_date"),
        numbers("lines"), numbers("spend"), numbers("looks"),
    )  # fmt: skip
