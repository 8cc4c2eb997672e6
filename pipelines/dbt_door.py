"""`nightmarket-dbt`: what the orchestrator starts in place of dbt, so that a build it watches is a step like any other.

Cosmos runs one `dbt build` a half and shows each model as a task by reading dbt's JSON events. Started through here,
that build has its fencing token, its environment and its row in `ops.runs`, exactly as `nightmarket features` or
`nightmarket marts`. Night and half come from NIGHTMARKET_NIGHT and NIGHTMARKET_HALF; of the words on the command line
only the verb counts.

When a producer was lost (a kill, a restart), Cosmos lets every model's task call `dbt run` for itself. One warehouse
has one writer, so the first of them builds the half and the others find it built.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, get_args

from pipelines import built
from pipelines.errors import UsageError
from pipelines.settings import Batch, Settings, load_settings, night

WATCHED, FALLBACK = "build", ("run", "test")


def main() -> None:
    """Exit codes and the one-line reason are those of `nightmarket`."""
    from pipelines.cli import run_and_report

    sys.exit(run_and_report(lambda: run(load_settings(), sys.argv[1:], dict(os.environ))))


def run(settings: Settings, words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Build the half of the night that the environment names; at most once for unchanged inputs on a fallback.

    Raises UsageError where night, half or verb is none that the DAGs use.
    """
    from pipelines.steps import dbt_step, newest_night, run_step

    verb = next((word for word in words if not word.startswith("-")), "")  # dbt's global flags may come before it
    wanted, batch = environment.get("NIGHTMARKET_HALF", ""), _night(environment)
    half: built.Half | None = next((h for h in get_args(built.Half) if h == wanted), None)
    if half is None or verb not in (WATCHED, *FALLBACK):
        raise UsageError(f"nightmarket-dbt {verb}: half {wanted!r}; it is for the dbt groups of the DAGs only")
    with _one_at_a_time(settings):
        if verb in FALLBACK and built.as_of(settings, half) == newest_night(settings, batch):
            return {"half": half, "already": True}
        return run_step(settings, dbt_step(half, events=verb == WATCHED), batch, _say)


def _night(environment: dict[str, str]) -> Batch:
    text = environment.get("NIGHTMARKET_NIGHT", "")
    try:
        return night(date.fromisoformat(text))
    except ValueError as error:
        raise UsageError(f"NIGHTMARKET_NIGHT is {text!r}; it must be a date, YYYY-MM-DD") from error


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.run.mkdir(parents=True, exist_ok=True)
    with (settings.run / "dbt.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
