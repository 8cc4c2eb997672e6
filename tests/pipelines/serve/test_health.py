"""Whether a server is well is asked without a password, of a real little server that says what it is told to say."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.errors import Unavailable, UsageError
from pipelines.serve import health
from pipelines.serve.health import require_healthy
from pipelines.settings import Settings
from tests.postgres import free_port

Components = dict[str, dict[str, str]]


@pytest.fixture
def says(settings: Settings) -> Iterator[tuple[Settings, Components]]:
    """Settings under which Airflow's API server and MLflow answer, and the health they tell of."""
    told: Components = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "Authorization" not in self.headers
            self.send_response(200 if self.path in ("/health", "/api/v2/monitor/health") else 404)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield (
        replace(
            settings, airflow_port=server.server_port, mlflow_port=server.server_port, superset_port=server.server_port
        ),
        told,
    )
    server.shutdown()
    server.server_close()


def test_the_api_server_is_well_when_it_answers_and_a_component_when_it_is_said_to_be(
    says: tuple[Settings, Components],
) -> None:
    settings, told = says
    require_healthy(settings, "airflow-api-server")
    require_healthy(settings, "mlflow")
    require_healthy(settings, "superset")
    told["scheduler"], told["dag_processor"] = {"status": "unhealthy"}, {"status": "healthy"}
    require_healthy(settings, "airflow-dag-processor")
    for name, said in (
        ("airflow-scheduler", "scheduler not healthy yet"),
        ("airflow-triggerer", "triggerer not healthy"),
    ):
        with pytest.raises(Unavailable, match=said):
            require_healthy(settings, name)


def test_a_component_in_another_container_is_asked_about_where_the_api_server_is(
    says: tuple[Settings, Components],
) -> None:
    settings, told = says
    told["scheduler"] = {"status": "healthy"}
    elsewhere = replace(settings, airflow_url=f"http://127.0.0.1:{settings.airflow_port}", airflow_port=free_port())
    require_healthy(elsewhere, "airflow-scheduler")
    with pytest.raises(Unavailable, match="airflow-api-server: .*refused"):
        require_healthy(elsewhere, "airflow-api-server")


def test_a_node_of_the_cluster_is_well_when_somebody_listens(
    says: tuple[Settings, Components], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = says
    monkeypatch.setattr(health, "MASTER_PORT", settings.airflow_port)
    require_healthy(settings, "spark-master")
    with pytest.raises(Unavailable, match="spark-worker: nobody listens at 127.9.9.9:"):
        require_healthy(replace(settings, spark_master="127.9.9.9"), "spark-worker")


def test_a_server_there_is_not_is_said(settings: Settings) -> None:
    with pytest.raises(UsageError, match="unknown server 'redis'"):
        require_healthy(settings, "redis")
