"""The numbers of each night as curves in a real MLflow."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import mlflow
import pytest

from pipelines.monitoring.rows import Row
from pipelines.monitoring.tracked import EXPERIMENT, to_mlflow
from pipelines.settings import Settings
from tests.pipelines.monitoring.shop import NIGHT
from tests.postgres import free_port

pytestmark = pytest.mark.usefixtures("mlflow_as_it_was")


def row(name: str, part: str, value: float | None, alarm: bool = False) -> Row:
    return Row(NIGHT, "inputs", name, part, value, None, None, alarm, 100, "")


def test_a_point_a_night_and_again_it_is_the_same_point(settings: Settings, mlflow_store: Path) -> None:
    shutil.copytree(mlflow_store, settings.mlflow)
    for night, psi in ((NIGHT, 0.25), (NIGHT, 0.25), (NIGHT + timedelta(1), 0.5)):
        rows = [row("PSI amount", "purchase", psi, alarm=psi > 0.3), row("new: items", "", 3), row("rows", "", None)]
        assert to_mlflow(settings, night, rows) == []
    (run,) = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"inputs/PSI amount/purchase": 0.5, "inputs/new_ items": 3, "alarms": 1}
    points = mlflow.MlflowClient().get_metric_history(run.info.run_id, "inputs/PSI amount/purchase")
    assert [(point.value, point.step) for point in points] == [(0.25, NIGHT.toordinal()), (0.5, NIGHT.toordinal() + 1)]


def test_a_home_that_never_trained_gets_no_mlflow(settings: Settings) -> None:
    assert to_mlflow(settings, NIGHT, [row("rows", "", 1.0)]) == []
    assert not settings.mlflow.exists()


def test_a_server_that_is_down_is_said_and_fails_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nobody = Settings(home=settings.home, mlflow_url=f"http://127.0.0.1:{free_port()}")
    (said,) = to_mlflow(nobody, NIGHT, [row("rows", "", 1.0)])
    assert f"night {NIGHT} is in ops.monitor and not in MLflow: MLflow does not answer at {nobody.mlflow_url}" in said
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] not in said
