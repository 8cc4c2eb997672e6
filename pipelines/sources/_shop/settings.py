"""The settings of a simulated shop, and its random streams."""

import dataclasses
import datetime as dt
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipelines.errors import UsageError


@dataclass(frozen=True)
class ShopSettings:
    """How large the shop is. Day 0 is `start`; `truth` is the folder for the ground truth, None to keep none.

    `media`: whether pictures and sounds are delivered.
    """

    users: int = 500
    products: int = 300
    days: int = 60
    seed: int = 20_180_101
    start: dt.date = dt.date(2025, 1, 6)
    chinese_share: float = 0.3
    truth: Path | None = None
    media: bool = False

    def day(self, number: int) -> dt.date:
        return self.start + dt.timedelta(number)

    def stream(self, name: str, *numbers: int) -> np.random.Generator:
        """The random stream of one purpose; the same seed, name and numbers give the same draws."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), *numbers])


_LEAST = {"users": 1, "products": 24, "days": 1, "seed": 0}


def read_settings(path: Path | None) -> ShopSettings:
    """Defaults, overridden by a YAML or JSON file; raises UsageError naming file and key."""
    if path is None:
        return ShopSettings()
    try:
        given = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} is no readable YAML or JSON file: {str(error).splitlines()[0]}") from error
    given = {} if given is None else given
    known = [field.name for field in dataclasses.fields(ShopSettings)]
    if not isinstance(given, dict) or not set(given) <= set(known):
        odd = next((str(k) for k in given if k not in known), "") if isinstance(given, dict) else type(given).__name__
        raise UsageError(f"{path}: unknown key {odd}; known: {', '.join(known)}")
    return ShopSettings(**{key: _checked(path, key, value) for key, value in given.items()})


def _checked(path: Path, key: str, value: Any) -> Any:
    if key in _LEAST:
        if type(value) is not int or value < _LEAST[key]:
            raise UsageError(f"{path}: {key} must be a whole number from {_LEAST[key]}, not {value!r}")
        return value
    if key == "media":
        if type(value) is not bool:
            raise UsageError(f"{path}: media must be true or false, not {value!r}")
        return value
    if key == "chinese_share":
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise UsageError(f"{path}: chinese_share must be a number from 0 to 1, not {value!r}")
        return float(value)
    if key == "start":
        try:
            return value if type(value) is dt.date else dt.date.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}: start must be a date YYYY-MM-DD, not {value!r}") from error
    if not isinstance(value, str) or not value:
        raise UsageError(f"{path}: truth must name a folder, not {value!r}")
    return path.parent / value
