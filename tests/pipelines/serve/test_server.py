"""One server by name, as a container runs it: told what `up` tells it, and what the settings say of its neighbours."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.serve import airflow, init, mlflow, server
from pipelines.settings import Settings

SERVED = {
    "listen": "0.0.0.0",
    "airflow_database": "postgresql+psycopg2://airflow@postgres/airflow",
    "airflow_url": "http://airflow-api-server:8080",
    "mlflow_database": "postgresql+psycopg2://mlflow@postgres/mlflow",
    "mlflow_artifacts": "s3://nightmarket/mlflow",
    "mlflow_url": "http://mlflow:5000",
}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a container, and its secrets."""
    (tmp_path / ".env.example").touch()
    init.init(tmp_path)
    monkeypatch.setenv("NIGHTMARKET_SECRETS", str(tmp_path / "secrets"))
    return Settings(home=tmp_path / "home", **SERVED)


def kept(settings: Settings, name: str) -> str:
    return (settings.home.parent / "secrets" / name).read_text()


def test_each_server_of_the_stack_can_be_run_by_itself(settings: Settings) -> None:
    assert server.server(settings, "airflow-scheduler").command[1:] == ["scheduler", "--skip-serve-logs"]
    assert server.server(settings, "mlflow").command[1:4] == ["-m", "mlflow", "server"]
    with pytest.raises(UsageError, match="known: airflow-api-server"):
        server.server(settings, "redis")


def test_a_node_of_the_cluster_binds_the_name_that_others_know_it_by(served: Settings) -> None:
    inside = replace(served, spark_master="spark-master", spark_cores=3, spark_memory_mib=1024)
    words = server.server(inside, "spark-worker").command
    assert words[-1] == "spark://spark-master:7077"
    assert words[words.index("--host") + 1] == socket.gethostname()
    assert (words[words.index("--cores") + 1], words[words.index("--memory") + 1]) == ("3", "1024m")
    alone = server.server(replace(inside, listen="127.0.0.1", spark_master="127.0.0.1"), "spark-worker").command
    assert alone[alone.index("--host") + 1] == "127.0.0.1"


def test_only_the_connect_server_is_given_the_token(served: Settings) -> None:
    token = kept(served, "spark_connect_token")
    holders = {name for name in server.SPARK if token in server.server(served, name).environment.values()}
    assert holders == {"spark-connect"}


def test_airflow_in_a_container_is_told_of_its_database_its_address_and_its_keys(served: Settings) -> None:
    told = server.server(served, "airflow-scheduler").environment
    assert told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == SERVED["airflow_database"]
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-api-server:8080/execution/"
    assert told["AIRFLOW__API__HOST"] == "0.0.0.0"
    assert told["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8080"  # what a person's browser asks
    keys = {
        "CORE__FERNET_KEY": "airflow_fernet",
        "API__SECRET_KEY": "airflow_session",
        "API_AUTH__JWT_SECRET": "airflow_jwt",
    }
    assert {name: told[f"AIRFLOW__{name}"] for name in keys} == {n: kept(served, file) for n, file in keys.items()}
    assert airflow.admin_password(served) == kept(served, "airflow_admin_password")


def test_mlflow_in_a_container_keeps_runs_users_and_files_elsewhere_and_answers_to_its_name(served: Settings) -> None:
    found = server.server(served, "mlflow")
    words = dict(zip(found.command[4::2], found.command[5::2], strict=True))
    assert words["--backend-store-uri"] == SERVED["mlflow_database"]
    assert words["--artifacts-destination"] == "s3://nightmarket/mlflow"
    assert words["--allowed-hosts"] == "127.0.0.1:5000,localhost:5000,mlflow:5000"
    users = Path(found.environment["MLFLOW_AUTH_CONFIG_PATH"]).read_text()
    assert f"database_uri = {SERVED['mlflow_database']}\n" in users
    assert found.environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == kept(served, "mlflow_admin_password")


@pytest.mark.parametrize("name", server.NAMES)
def test_no_secret_is_among_the_words_of_a_process(served: Settings, name: str) -> None:
    words = " ".join(server.server(replace(served, postgres="host=postgres dbname=warehouse"), name).command)
    assert [secret for secret in init.GENERATED if kept(served, secret) in words] == []


@pytest.mark.parametrize("setting", ["airflow_database", "mlflow_database"])
def test_a_database_without_a_driver_or_with_a_password_is_refused(tmp_path: Path, setting: str) -> None:
    name = "mlflow" if setting.startswith("mlflow") else "airflow-scheduler"
    for url, said in (
        ("postgresql://a@b/c", "postgresql\\+psycopg2://"),
        ("postgresql+psycopg2://a:hidden@b/c", "PGPASSFILE"),
    ):
        with pytest.raises(UsageError, match=said) as refused:
            server.server(Settings(home=tmp_path, **{setting: url}), name)
        assert "hidden" not in str(refused.value)


def test_serving_becomes_the_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execve", lambda path, words, environment: became.append((path, words)))
    before = Path.cwd()
    try:
        server.serve(settings, "mlflow")
    finally:
        os.chdir(before)
    assert became == [(mlflow.command(settings)[0], mlflow.command(settings))]
