"""A half of the dbt project is built until its inputs change."""

from datetime import date

from pipelines import built
from pipelines.settings import Settings

NIGHT = date(2024, 5, 1)


def test_a_finished_build_stands_for_its_night(settings: Settings) -> None:
    built.keep(settings, "marts", NIGHT, built.inputs(settings, "marts"))
    assert built.as_of(settings, "marts") == NIGHT
    assert built.as_of(settings, "features") is None


def test_changed_inputs_end_it(settings: Settings) -> None:
    built.keep(settings, "marts", NIGHT, built.inputs(settings, "marts"))
    built.forget(settings, "features", "marts")
    assert built.as_of(settings, "marts") is None


def test_a_build_that_was_overtaken_by_new_inputs_does_not_count(settings: Settings) -> None:
    seen = built.inputs(settings, "marts")
    built.forget(settings, "marts")
    built.keep(settings, "marts", NIGHT, seen)
    assert built.as_of(settings, "marts") is None
