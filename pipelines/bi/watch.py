"""Ends what BI readers run for longer than allowed, all day long: `nightmarket serve bi-watch`.

PostgreSQL lets every session set its own time-out, a reader's too, so the limit must be kept by somebody else.
"""

import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pipelines.bi.pointer import end_long_readers
from pipelines.errors import Unavailable, UsageError
from pipelines.settings import Settings, load_settings
from pipelines.warehouse.postgres import PUBLISHER, connect

EVERY_SECONDS = 15.0


def beat(settings: Settings) -> Path:
    """A file that is touched after each round."""
    return settings.run / "bi-watch"


def watch(settings: Settings, rounds: Iterator[int]) -> int:
    """Look again and again, however often the server goes away; returns how many readers were ended."""
    if not settings.postgres:
        raise UsageError("bi-watch is for a warehouse on PostgreSQL: the setting `postgres` is empty")
    settings.run.mkdir(parents=True, exist_ok=True)
    ended, said = 0, ""
    for number in rounds:
        if number:
            time.sleep(EVERY_SECONDS)
        try:
            with connect(settings, PUBLISHER) as connection:
                now = end_long_readers(settings, connection)
            beat(settings).touch()
        except Unavailable as error:
            now, line = 0, str(error)
        else:
            line = f"ended {now} statements of bi_reader, over {settings.bi_timeout_minutes} min" if now else ""
        if line and (now or line != said):  # a server that stays away is said once
            print(line, file=sys.stderr, flush=True)
        ended, said = ended + now, line
    return ended


if __name__ == "__main__":
    watch(load_settings(), count())
