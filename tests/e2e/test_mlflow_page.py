"""What the data team sees in MLflow after a training run, in a real browser, through the server of `nightmarket up`."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from models.registry import latest_training
from models.tracking import Tracking
from pipelines.promotion import promote
from pipelines.serve import mlflow
from pipelines.settings import Settings
from pipelines.training import train
from tests.e2e.browser import NEEDS_CHROMIUM, browser_page, picture
from tests.models.shop import seasonal_rows
from tests.pipelines.learning import fill_lake

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Settings]:
    """A home with one training run and a champion, or the one that a picture is wanted of, and its MLflow server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = os.environ.get("NIGHTMARKET_SCREENSHOTS_HOME")
    settings = Settings(Path(kept or tmp_path / "home"), training_days=30, test_days=10, mlflow_port=port)
    if not kept:
        fill_lake(settings, seasonal_rows(users=40, items=12, days=40))
        train(settings, "recommender")
        promote(settings, "recommender")
    words, environment = mlflow.command(settings), mlflow.environment(settings)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield settings
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def until_it_listens(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise AssertionError("MLflow never listened")


def test_a_training_run_and_its_champion_are_there_to_see(trained: Settings, tmp_path: Path) -> None:
    until_it_listens(trained.mlflow_port)
    login = {"username": mlflow.USER, "password": mlflow.admin_password(trained)}
    training = latest_training(trained.models, "recommender")
    assert training is not None
    experiment = Tracking(trained.mlflow, "recommender").experiment
    with browser_page(tmp_path, http_credentials=login) as page:
        page.goto(f"{mlflow.url(trained)}/#/experiments/{experiment}/runs")
        page.get_by_role("link", name="recommender 20").first.click()
        page.wait_for_url(f"**/runs/{training.run_id}**")
        expect(page.get_by_text("all/blend").first).to_be_visible()
        picture(page, "mlflow-run")
        page.goto(f"{mlflow.url(trained)}/#/models/nightmarket-recommender")
        expect(page.get_by_text("champion", exact=False).first).to_be_visible()
        picture(page, "mlflow-registry")
