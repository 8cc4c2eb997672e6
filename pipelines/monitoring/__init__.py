"""What a night looked like: drift, freshness, exposure, calibration, equality, age, speed; rows of `ops.monitor`.

Nothing here stops a night: it was audited and published before. How often it alarms where nothing is wrong is stated:
tests share one per cent a night (docs/monitoring.md).
"""

from datetime import date
from typing import Any

from pipelines import built, experiments, ops
from pipelines.contracts import OPS_EXPERIMENTS, OPS_MONITOR, OPS_MONITOR_PROFILES, OPS_NIGHTS
from pipelines.fence import Attempt, guard
from pipelines.monitoring.rows import FEATURES, INPUTS, LISTS, MODEL, SCORES, SPEED, Row, as_arrow
from pipelines.monitoring.tracked import to_mlflow
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse, open_warehouse, upsert


def measured(settings: Settings, day: date) -> list[Row]:
    """Every number of the night as far as it is known at its end; of features and lists only for the newest night."""
    with open_warehouse(settings) as connection:
        return _rows(settings, connection, day, _is_newest(settings, day))


def monitor(settings: Settings, day: date, attempt: Attempt) -> dict[str, Any]:
    """Measure `day` and replace its rows; the lines name the alarms. Skipped for a night that was not built.

    Of a night behind the newest what can no longer be asked keeps what was found then.
    """
    from pipelines.monitoring import columns, inputs

    newest = _is_newest(settings, day)
    with open_warehouse(settings) as connection:
        if connection.execute(f"select 1 from {OPS_NIGHTS.name} where night = ?", [day]).fetchone() is None:
            return {"rows": 0, "skipped": f"night {day} was not built: there is nothing to measure"}
        rows = _rows(settings, connection, day, newest)
        profiles = columns.profiles(connection, day) if newest else []
        read = experiments.rows(settings, connection, day) if newest else []
    kept, kept_names = ([], []) if newest else ([FEATURES, LISTS], list(inputs.OF_FEATURES))
    with guard(settings, attempt), ops.writing(settings) as connection:
        connection.execute(
            f"delete from {OPS_MONITOR.name} where night = ? and not (area = any(?) or name = any(?))",
            [day, kept, kept_names],
        )
        connection.insert(OPS_MONITOR.name, as_arrow(rows))
        upsert(connection, OPS_MONITOR_PROFILES, profiles)
        upsert(connection, OPS_EXPERIMENTS, read)
    alarms = [row for row in rows if row.alarm]
    lines = [f"NIGHTMARKET ALARM night {day} {row.area}: {row.message}" for row in alarms]
    lines += to_mlflow(settings, day, rows)
    return {"rows": len(rows), "alarms": [row.message for row in alarms], "lines": lines}


def _is_newest(settings: Settings, day: date) -> bool:
    """Whether the features stand for this night."""
    return built.as_of(settings, "features") == day


def _rows(settings: Settings, connection: Warehouse, day: date, newest: bool) -> list[Row]:
    from models.monitoring.drift import level_of
    from pipelines.monitoring import columns, history, inputs, lists, model
    from pipelines.monitoring.rows import Ask

    asks: list[Ask] = [*inputs.asked(connection, day, newest), *columns.scores(connection, day)]
    rows: list[Row] = [*inputs.freshness(connection, day), model.age(settings, day)]
    numbers = [
        history.Number(INPUTS, name, part, value, "See the deliveries and what the shop did that day", count=True)
        for (name, part), value in inputs.totals(connection, day).items()
    ]
    for found in model.calibration(connection, day):
        if isinstance(found, Ask):
            asks.append(found)
        else:
            rows.append(found)
    if newest:
        asks += columns.features(connection, day)
        rows.append(model.equality(settings, connection, day))
        numbers += [
            history.Number(LISTS, name, "recommendations", value, "Lists show the catalogue differently: see the model")
            for name, value in lists.measures(connection, day).items()
        ]
    numbers += history.speeds(connection, day)
    level = level_of(len(asks) + len(numbers))
    rows += [row for ask in asks if (row := ask.row(day, level)) is not None]
    rows += history.judged(connection, day, numbers, level)
    order = [INPUTS, FEATURES, SCORES, LISTS, MODEL, SPEED]
    return sorted(rows, key=lambda row: (order.index(row.area), row.name, row.part))
