"""One home for all tests here: dbt parses the project again for another path, which costs as much as a build."""

import shutil
from collections.abc import Callable

import pytest

from pipelines.settings import Settings


@pytest.fixture(scope="session", params=["embedded", pytest.param("served", marks=pytest.mark.slow)])
def new_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Settings]:
    """A function that empties the warehouse and returns the settings of the home; the earlier contents are gone."""
    home = tmp_path_factory.mktemp("home")

    def empty() -> Settings:
        shutil.rmtree(Settings(home=home).warehouse.parent, ignore_errors=True)
        return Settings(home=home)

    def empty_database() -> Settings:
        server = request.getfixturevalue("postgres")
        server.drop("dbt")
        return Settings(home=home, postgres=server.new_warehouse("dbt"))

    return empty_database if request.param == "served" else empty
