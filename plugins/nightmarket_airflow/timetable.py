"""The schedule of nights: a run is for the day before its time, and nights are counted by that day."""

from typing import Any

from airflow.sdk.timezone import coerce_datetime, utcnow
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable


class NightTimetable(CronDataIntervalTimetable):
    """A cron schedule in UTC whose logical date is the start of the interval that it closes.

    So a backfill from A to B means the nights A to B. It differs from Airflow's own in one thing: switched on, it waits
    for its next time. The run just missed would be for a day of which a shop that is being set up may have nothing.
    """

    def __init__(self, cron: str) -> None:
        super().__init__(cron, "UTC")

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "NightTimetable":
        return cls(data["expression"])

    def serialize(self) -> dict[str, Any]:
        return {"expression": self._expression}

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The first run closes the interval that is open now; without a first run, as Airflow's own."""
        if last_automated_data_interval is None and not restriction.catchup:
            now = coerce_datetime(utcnow())
            begun = self._get_prev(self._align_to_next(now))
            earliest = begun if restriction.earliest is None else max(begun, coerce_datetime(restriction.earliest))
            restriction = restriction._replace(earliest=earliest)
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
