"""Training against an MLflow server with a password: equal to the one that keeps files, whatever happens to it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from models.registry import champion_as_of, latest_training
from pipelines.serve.mlflow import admin_password
from pipelines.settings import Settings
from tests.e2e.conftest import command, last_json
from tests.e2e.test_kill_learning import SHOP, learned
from tests.models.shop import seasonal_rows
from tests.pipelines.learning import fill_lake
from tests.servers import PATIENCE, Process

pytestmark = pytest.mark.slow
TRAIN = ("train", "recommender", "--config", "quick")
MODEL = "nightmarket-recommender"


@pytest.fixture(scope="module")
def with_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was trained without any server."""
    home = a_shop(tmp_path_factory.mktemp("with-files") / "home")
    done = command(home, *TRAIN, **SHOP)
    assert done.returncode == 0, done.stderr[-800:]
    return home


def a_shop(home: Path) -> Path:
    fill_lake(Settings(home=home), seasonal_rows(users=40, items=12, days=40))
    return home


def told(server: Process, **more: str) -> dict[str, str]:
    """The environment of a command that is to use this server."""
    return {**SHOP, "NIGHTMARKET_MLFLOW_URL": server.settings.mlflow_url, **more}


def client(server: Process, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", admin_password(server.settings))
    return mlflow.MlflowClient(server.settings.mlflow_url)


def test_a_training_and_its_promotion_are_on_the_server_and_equal_those_with_files(
    mlflow_server: Process, with_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_shop(tmp_path / "home")
    for words in (TRAIN, ("promote", "recommender")):
        done = command(home, *words, **told(mlflow_server))
        assert done.returncode == 0, done.stderr[-800:]
    assert learned(home)["artefacts"] == learned(with_files)["artefacts"]
    assert learned(home)["metrics"] == learned(with_files)["metrics"]
    assert not (home / "mlflow" / "mlflow.db").exists()

    found, training = client(mlflow_server, monkeypatch), latest_training(home / "models", "recommender")
    champion = champion_as_of(home / "models", "recommender")
    assert training is not None and champion is not None
    run = found.get_run(training.run_id)
    assert run.info.status == "FINISHED"
    assert {path.path for path in found.list_artifacts(training.run_id)} >= {"plots", "model_card.md", "gate.json"}
    version = found.get_model_version_by_alias(MODEL, "champion")
    assert version.tags["nightmarket.version"] == champion.version
    where = found.get_model_version_download_uri(MODEL, version.version)
    told_where = {"dst_path": str(tmp_path), "tracking_uri": mlflow_server.settings.mlflow_url}
    stored = Path(mlflow.artifacts.download_artifacts(where, **told_where))
    kept = home / "models" / "recommender" / champion.version
    assert all((stored / path.name).read_bytes() == path.read_bytes() for path in kept.iterdir())


def test_a_killed_server_stops_the_training_with_one_line_and_the_next_try_ends_equal(
    mlflow_server: Process, with_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_shop(tmp_path / "home")
    training = begin(home, told(mlflow_server, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1"), tmp_path / "epoch")
    mlflow_server.kill()
    (tmp_path / "epoch").touch()
    said, errors = training.communicate(timeout=PATIENCE)
    assert training.returncode == 1
    last = said.strip().splitlines()[-1]
    assert '"retry": true' in last
    (line,) = [line for line in errors.splitlines() if "MLflow" in line or "Connection" in line or "Traceback" in line]
    assert line.startswith(f"nightmarket: MLflow does not answer at {mlflow_server.settings.mlflow_url} (")

    mlflow_server.start()
    done = command(home, *TRAIN, **told(mlflow_server))
    assert done.returncode == 0, done.stderr[-800:]
    assert learned(home) == learned(with_files)
    found = client(mlflow_server, monkeypatch)
    run = found.get_run(last_json(done)["mlflow_run"])
    assert run.info.status == "FINISHED"
    assert (
        len(
            found.search_runs(
                [run.info.experiment_id], f"tags.`nightmarket.key` = '{run.data.tags['nightmarket.key']}'"
            )
        )
        == 1
    )


def test_a_server_that_is_started_again_in_time_is_not_even_noticed(
    mlflow_server: Process, with_files: Path, tmp_path: Path
) -> None:
    home = a_shop(tmp_path / "home")
    training = begin(home, told(mlflow_server, MLFLOW_HTTP_REQUEST_MAX_RETRIES="8"), tmp_path / "epoch")
    mlflow_server.kill()
    (tmp_path / "epoch").touch()
    mlflow_server.start()
    _, errors = training.communicate(timeout=PATIENCE)
    assert training.returncode == 0, errors[-800:]
    assert learned(home) == learned(with_files)


def test_a_wrong_password_is_said_and_where_the_right_one_must_be(mlflow_server: Process, tmp_path: Path) -> None:
    home = a_shop(tmp_path / "home")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mlflow_admin_password").write_text("not the one of this test")
    done = command(home, *TRAIN, **told(mlflow_server, NIGHTMARKET_SECRETS=str(tmp_path / "other")))
    assert (done.returncode, last_json(done)["retry"]) == (1, False)
    assert "does not take the password of admin" in last_json(done)["error"]
    assert "not the one" not in done.stderr + done.stdout


def begin(home: Path, environment: dict[str, str], flag: Path) -> subprocess.Popen[str]:
    """A training that waits at the end of its first epoch until the flag is there."""
    training = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *TRAIN],
        env={**os.environ, "NIGHTMARKET_HOME": str(home), "NIGHTMARKET_PAUSE": f"train.epoch:{flag}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not Path(f"{flag}.reached").exists():
        assert training.poll() is None and time.monotonic() < deadline, "the training never reached its first epoch"
        time.sleep(0.1)
    return training
