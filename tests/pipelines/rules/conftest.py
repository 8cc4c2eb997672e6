import shutil
from pathlib import Path

import pytest

from pipelines.fence import take
from pipelines.load import load
from pipelines.settings import Settings
from pipelines.settings import night as batch_of
from tests.pipelines.ruled_shop import NIGHT, open_shop


@pytest.fixture(scope="session")
def shop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with its lake loaded, before its first scores."""
    home = tmp_path_factory.mktemp("shop") / "home"
    settings = open_shop(home)
    load(settings, batch_of(NIGHT), take(settings, "load", "warehouse"))
    return home


@pytest.fixture
def settings(shop_home: Path, tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    shutil.copytree(shop_home, home)
    return Settings(home=home, training_days=30, test_days=10, top_k=5)
