"""What monitoring measured, night by night, as curves in MLflow: one run, a point a night."""

import math
from datetime import date

from pipelines.errors import NightmarketError
from pipelines.monitoring.rows import Row
from pipelines.settings import Settings
from pipelines.tracked import address, tracking

EXPERIMENT, RUN = "monitoring", "nights"


def to_mlflow(settings: Settings, day: date, rows: list[Row]) -> list[str]:
    """Put the numbers and the count of alarms of a night there, if this home has an MLflow: nothing trained, none.

    `ops.monitor` is what counts, so an MLflow that does not answer is said in a line, and is no failure.
    """
    if not address(settings) and not (settings.mlflow / "mlflow.db").exists():
        return []
    values = {
        "/".join(filter(None, (row.area, row.name, row.part))): row.value
        for row in rows
        if row.value is not None and math.isfinite(row.value)
    }
    try:
        with tracking(settings, EXPERIMENT) as door:
            door.day(RUN, day, {**values, "alarms": float(sum(row.alarm for row in rows))})
    except NightmarketError as error:
        return [f"night {day} is in ops.monitor and not in MLflow: {error}"]
    return []
