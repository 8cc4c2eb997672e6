"""Which MLflow a step talks to, and what is said where it does not answer."""

import os
from pathlib import Path

import pytest

from models.tracking import unreachable
from pipelines.errors import Unavailable
from pipelines.settings import Settings
from pipelines.tracked import address, tracking
from tests.postgres import free_port

pytestmark = pytest.mark.usefixtures("mlflow_as_it_was")


def test_files_in_the_home_need_no_server() -> None:
    assert address(Settings(home=Path("/home"))) == ""


def test_a_server_is_asked_where_one_is_named_or_where_ours_keeps_its_runs_elsewhere() -> None:
    database = "postgresql+psycopg2://mlflow@db/mlflow"
    assert address(Settings(home=Path("/home"), mlflow_url="http://mlflow:5000")) == "http://mlflow:5000"
    assert address(Settings(home=Path("/home"), mlflow_database=database)) == "http://127.0.0.1:5000"


def test_where_nobody_answers_the_same_command_may_succeed_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = Settings(home=settings.home, mlflow_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable) as said, tracking(nobody, "recommender"):
        pass
    assert str(said.value).startswith(f"MLflow does not answer at {nobody.mlflow_url} (Connection refused)")
    assert "\n" not in str(said.value)
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] not in str(said.value)


FAILED = "API request to http://m/x failed with"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (f"{FAILED} exception Pool(…): [Errno 111] Connection refused", "Connection refused"),
        (f"{FAILED} exception … too many 503 error responses", "too many 503 error responses"),
        (f"{FAILED} timeout exception Read timed out.", "timed out"),
        ("API request to endpoint /x failed with error code 401 != 200. Response body: 'no'", ""),
        ("Changing param values is not allowed", ""),
    ],
)
def test_an_answer_is_told_from_none(said: str, why: str) -> None:
    assert unreachable(Exception(said)) == why
