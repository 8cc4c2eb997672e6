"""Land a source and read back what landed."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import land, landing
from pipelines.settings import Batch, Settings

Read = Callable[..., list[dict]]


@pytest.fixture
def landed(settings: Settings) -> Read:
    """landed(source, path, entity) -> all rows of the entity, each with its landing date as `day`."""

    def read(source: str, path: Path | None, entity: str = "events") -> list[dict]:
        land.land(settings, source, path, None, None)
        batch = Batch(*landing.landed_dates(settings))
        return [
            {**row, "day": str(file.landing_date)}
            for file in landing.landing_files(settings, batch, entity)
            for row in pq.read_table(file.path).to_pylist()
        ]

    return read
