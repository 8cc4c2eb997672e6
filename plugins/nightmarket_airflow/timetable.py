"""The schedule of nights: a run is for the day before its time, and nights are counted by that day."""

from datetime import timedelta
from typing import Any

from airflow.sdk.timezone import coerce_datetime, utcnow
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable

LONG_PAST = timedelta(days=7)


class NightTimetable(CronDataIntervalTimetable):
    """A cron schedule in UTC whose logical date is the start of the interval that it closes.

    So a backfill from A to B means the nights A to B. It differs from Airflow's own in one thing: a shop that is being
    set up (no run yet, or only a backfill of days long past) waits for its next time, since there may be nothing of
    the day just missed. A machine that slept at 02:00 does run that night when it wakes up.
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
        """The first run closes the interval that is open now; all later ones are Airflow's own."""
        now = coerce_datetime(utcnow())
        last = last_automated_data_interval
        is_new = last is None or coerce_datetime(last.end) < now - LONG_PAST
        if is_new and not restriction.catchup:
            begun = self._get_prev(self._align_to_next(now))
            earliest = begun if restriction.earliest is None else max(begun, coerce_datetime(restriction.earliest))
            restriction, last = restriction._replace(earliest=earliest), None
        return super().next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
