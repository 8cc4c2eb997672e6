"""One home for all tests here: dbt parses the project again for another path, which costs as much as a build."""

import shutil
from collections.abc import Callable

import pytest

from pipelines.settings import Settings

NewHome = Callable[[], Settings]


@pytest.fixture(scope="session")
def new_embedded_home(tmp_path_factory: pytest.TempPathFactory) -> NewHome:
    """A function that empties the warehouse and returns the settings of the home; the earlier contents are gone."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))

    def empty() -> Settings:
        shutil.rmtree(settings.warehouse.parent, ignore_errors=True)
        return settings

    return empty


@pytest.fixture(scope="session", params=["embedded", pytest.param("served", marks=pytest.mark.slow)])
def new_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewHome:
    """The same for each of the two warehouses."""
    if request.param == "embedded":
        embedded: NewHome = request.getfixturevalue("new_embedded_home")
        return embedded
    home, server = tmp_path_factory.mktemp("served"), request.getfixturevalue("postgres")

    def empty() -> Settings:
        server.drop("dbt")
        return Settings(home=home, postgres=server.new_warehouse("dbt"))

    return empty
