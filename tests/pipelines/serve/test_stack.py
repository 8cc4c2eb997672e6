"""Secrets are generated and kept from others; what Airflow and MLflow are told binds to loopback only."""

import json
import socket
import stat
from pathlib import Path

import pytest

from pipelines.errors import NightmarketError
from pipelines.serve import airflow, mlflow, stack
from pipelines.settings import Settings


def is_private(path: Path) -> bool:
    return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_a_password_is_made_once_and_readable_by_its_owner_only(settings: Settings) -> None:
    first = airflow.admin_password(settings)
    assert len(first) >= 24
    assert airflow.admin_password(settings) == first
    files = [airflow.home(settings) / name for name in ("admin-password", "passwords.json")]
    assert all(map(is_private, files))
    assert json.loads(files[1].read_text()) == {"admin": first}
    assert mlflow.admin_password(settings) != first


def test_airflow_is_told_to_stay_on_loopback_with_keys_of_this_home(settings: Settings) -> None:
    told = airflow.environment(settings, {"PATH": "/bin", "AIRFLOW__API__HOST": "0.0.0.0"})
    assert told["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith("http://127.0.0.1:")
    assert told["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    assert told == airflow.environment(settings, {"PATH": "/bin"})  # the same keys again, and nothing leaks in
    keys = airflow.home(settings) / "keys"
    assert all(is_private(path) for path in keys.iterdir())
    other = airflow.environment(Settings(home=settings.home / "other"), {})
    assert other["AIRFLOW__API_AUTH__JWT_SECRET"] != told["AIRFLOW__API_AUTH__JWT_SECRET"]


def test_mlflow_asks_for_a_password_and_runs_no_code_of_strangers(settings: Settings) -> None:
    told = mlflow.environment(settings)
    assert told["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert told["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    command = mlflow.command(settings)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--app-name") + 1] == "basic-auth"


def test_a_taken_port_is_said_with_the_setting_that_changes_it(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = Settings(home=settings.home, airflow_port=taken.getsockname()[1])
        with pytest.raises(NightmarketError, match="NIGHTMARKET_AIRFLOW_PORT"):
            stack.up(busy, lambda line: None)


def test_down_where_nothing_runs_says_so(settings: Settings) -> None:
    said: list[str] = []
    assert stack.down(settings, said.append) == {"stopped": 0}
    assert said == ["nothing was running"]
