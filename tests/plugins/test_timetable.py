"""When a night runs, and which nights a backfill means."""

from datetime import UTC, datetime

import pendulum
from airflow.timetables.base import DataInterval, TimeRestriction
from nightmarket_airflow.timetable import NightTimetable

NIGHTLY = NightTimetable("0 2 * * *")


def at(*parts: int) -> pendulum.DateTime:
    return pendulum.instance(datetime(*parts, tzinfo=UTC))


def test_switched_on_it_waits_for_its_next_time() -> None:
    now = pendulum.now("UTC")
    found = NIGHTLY.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert found is not None
    assert now < found.run_after <= now.add(days=1, seconds=60)
    assert found.logical_date == found.run_after.subtract(days=1)  # the run of the fourth is for the night of the third


def test_a_backfill_of_days_long_past_does_not_start_last_night() -> None:
    now = pendulum.now("UTC")
    past = DataInterval(at(2011, 10, 6, 2), at(2011, 10, 7, 2))
    found = NIGHTLY.next_dagrun_info(
        last_automated_data_interval=past, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert found is not None
    assert found.run_after > now


def test_the_nights_of_a_backfill_are_the_days_it_names() -> None:
    interval, nights = None, []
    restriction = TimeRestriction(at(2024, 5, 1), at(2024, 5, 3, 23, 59), catchup=True)
    while found := NIGHTLY.next_dagrun_info(last_automated_data_interval=interval, restriction=restriction):
        nights.append(found)
        interval = found.data_interval
    assert [night.logical_date.to_date_string() for night in nights] == ["2024-05-01", "2024-05-02", "2024-05-03"]


def test_a_machine_that_slept_at_two_runs_the_night_it_missed() -> None:
    now = pendulum.now("UTC")
    last = NIGHTLY._get_prev(NIGHTLY._get_prev(NIGHTLY._get_prev(NIGHTLY._align_to_next(now))))
    before = DataInterval(NIGHTLY._get_prev(last), last)
    found = NIGHTLY.next_dagrun_info(
        last_automated_data_interval=before, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert found is not None
    assert found.run_after <= now


def test_it_survives_being_stored() -> None:
    assert NightTimetable.deserialize(NIGHTLY.serialize()).serialize() == {"expression": "0 2 * * *"}
