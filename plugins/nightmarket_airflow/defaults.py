"""What every DAG and task of Nightmarket has in common."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Param

from nightmarket_airflow.alerts import task_failed

OWNER = "data-team"
TAGS = frozenset({"nightmarket", "night", "history", "training", "operations"})
"""The tags a DAG may have; the first is on all of them."""

NIGHT = "{{ params.date or (data_interval_start | ds if data_interval_start else '') }}"
"""The night of a run: the date of the form, else the day that the schedule's interval began with."""

LAKE_EVENTS = Asset("lake/events")
FEATURES = Asset("features/daily")
MARTS = Asset("marts/published")
MODEL_RECOMMENDER = Asset("models/recommender")
MODEL_REVIEWS = Asset("models/reviews")
MODEL_SEARCH = Asset("models/search")
MODEL_INTENTS = Asset("models/intents")
MODEL_MULTIMODAL = Asset("models/multimodal")

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    # For lost connections and kills only: every other failure of a command ends the task at once.
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": task_failed,
}


def optional_date(title: str, description: str) -> Param:
    """A date that may be left empty."""
    return Param(None, type=["null", "string"], format="date", title=title, description=description)


def optional_text(title: str, description: str, characters: int = 500) -> Param:
    """Text that may be left empty, up to a length."""
    return Param(None, type=["null", "string"], maxLength=characters, title=title, description=description)


def optional_number(title: str, description: str, least: int, most: int) -> Param:
    """A whole number that may be left empty, within bounds."""
    return Param(None, type=["null", "integer"], minimum=least, maximum=most, title=title, description=description)


def choice(title: str, description: str, *options: str) -> Param:
    """One of a few words; the first unless somebody chooses."""
    return Param(options[0], type="string", enum=list(options), title=title, description=description)


def dry_run() -> Param:
    """On by default: the run only says what it would do."""
    return Param(
        True,
        type="boolean",
        title="Dry run",
        description="On: change nothing, say in the log what would be done. Off: do it.",
    )


_REAL = "dag_run.run_type == 'scheduled' or not params.dry_run"
YES_UNLESS_DRY = f"{{{{ '--yes' if {_REAL} else '' }}}}"
DRY_UNLESS_REAL = f"{{{{ '' if {_REAL} else '--dry-run' }}}}"
NOT_REAL = f"{{{{ '' if {_REAL} else 'this is a dry run' }}}}"
"""A run that a person starts is dry unless they say otherwise; one that the schedule starts does its work."""
