"""A small simulated shop for the tests of its source."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

START, DAYS = dt.date(2025, 1, 6), 34
LAST = START + dt.timedelta(DAYS - 1)
SHOP = {"users": 400, "products": 96, "days": DAYS, "seed": 7, "truth": "truth", "media": True}

Rows = Callable[[str], list[dict]]


def write(folder: Path, **changes: object) -> Path:
    """The settings file of the shop, with changes."""
    path = folder / "shop.json"
    path.write_text(json.dumps({**SHOP, **changes}))
    return path
