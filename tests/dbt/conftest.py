"""One home for all tests here: dbt parses the project again for another path, which costs as much as a build."""

import shutil
from collections.abc import Callable

import pytest

from pipelines.settings import Settings


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Settings]:
    """A function that empties the warehouse and returns the settings of the home; the earlier contents are gone."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))

    def empty() -> Settings:
        shutil.rmtree(settings.warehouse.parent, ignore_errors=True)
        return settings

    return empty
