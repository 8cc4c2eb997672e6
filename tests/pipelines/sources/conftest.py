"""Land a source and read back what landed; a simulated shop that has landed, and its truth."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_shop import LAST, START, Rows, write

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


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("simulated"), shop="shop")
    land.land(settings, "simulated_shop", write(settings.home), None, None)
    return settings


@pytest.fixture(scope="session")
def shop_rows(small_home: Settings) -> Rows:
    """All landed rows of an entity, each with its landing date as `day`."""

    def read(entity: str) -> list[dict]:
        files = landing.landing_files(small_home, Batch(START, LAST), entity)
        return [row | {"day": f.landing_date} for f in files for row in pq.read_table(f.path).to_pylist()]

    return read


@pytest.fixture(scope="session")
def shop_truth(small_home: Settings) -> Rows:
    """All rows of a file or folder of the truth, each with the name of its file as `day`."""

    def read(name: str) -> list[dict]:
        folder = small_home.home / "truth"
        return [
            row | {"day": path.stem}
            for path in sorted(folder.glob(f"{name}/*.parquet")) or [folder / f"{name}.parquet"]
            for row in pq.read_table(path, partitioning=None).to_pylist()
        ]

    return read
