"""What the commands share: dates as people write them, progress on stderr, one JSON object at the end of stdout."""

import json
import sys
from datetime import date
from typing import Any

from pipelines.errors import UsageError


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date; write YYYY-MM-DD, for example 2011-10-02") from error


def optional_day(text: str | None) -> date | None:
    return None if text is None else day_of(text)


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def done(result: dict[str, Any]) -> None:
    print(json.dumps({"status": "done", **result}, default=str), flush=True)
