"""Which half of the dbt project is built, as of which night: `publish` goes by this.

`run/built-<half>.json` names the state of the half's inputs and, once a build of just that state is finished, the night
it stands for. Whatever changes the inputs calls `forget` first (`load`: both halves; `features` and `score`: the
marts). So it never speaks for rows that a build has not seen, whoever ran the steps, in whichever order, and wherever
one was killed. Call `keep` and `forget` inside `fence.guard`: its lock is what keeps the two apart.
"""

import json
import secrets
from datetime import date
from pathlib import Path
from typing import Literal

from pipelines.files import write_atomic
from pipelines.settings import Settings

Half = Literal["features", "marts"]


def forget(settings: Settings, *halves: Half) -> None:
    """What these are built from is about to change."""
    for half in halves:
        _write(settings, half, {"inputs": secrets.token_hex(8)})


def inputs(settings: Settings, half: Half) -> str:
    """Names the state of the half's inputs; to be read before they are."""
    return _read(settings, half).get("inputs", "")


def keep(settings: Settings, half: Half, night: date, seen: str) -> None:
    """The half is built as of `night` from the inputs named `seen`, unless those have changed meanwhile."""
    if inputs(settings, half) == seen:
        _write(settings, half, {"inputs": seen, "as_of": night.isoformat()})


def as_of(settings: Settings, half: Half) -> date | None:
    """The night that the half stands for; None where it is not built since its inputs changed."""
    found = _read(settings, half).get("as_of")
    return date.fromisoformat(found) if found else None


def _path(settings: Settings, half: Half) -> Path:
    return settings.run / f"built-{half}.json"


def _read(settings: Settings, half: Half) -> dict[str, str]:
    path = _path(settings, half)
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _write(settings: Settings, half: Half, content: dict[str, str]) -> None:
    write_atomic(_path(settings, half), json.dumps(content).encode())
