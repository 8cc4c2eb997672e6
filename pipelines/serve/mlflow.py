"""The MLflow server of the stack: loopback, a generated password, SQLite and local artefacts."""

import os
import sys
from pathlib import Path

from pipelines.files import write_atomic
from pipelines.serve.secret import password
from pipelines.settings import Settings

USER = "admin"


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.mlflow_port}"


def home(settings: Settings) -> Path:
    return settings.home / "mlflow"


def admin_password(settings: Settings) -> str:
    """The password of the one user; made on the first call."""
    return password(home(settings) / "admin-password")


def command(settings: Settings) -> list[str]:
    """`mlflow server`, one worker; requests for another host name than ours are refused by it."""
    folder = home(settings)
    return [
        sys.executable, "-m", "mlflow", "server",
        "--host", "127.0.0.1", "--port", str(settings.mlflow_port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
        "--allowed-hosts", f"127.0.0.1:{settings.mlflow_port},localhost:{settings.mlflow_port}",
        "--app-name", "basic-auth",
    ]  # fmt: skip


def environment(settings: Settings) -> dict[str, str]:
    folder = home(settings)
    config = folder / "basic-auth.ini"
    write_atomic(
        config,
        "[mlflow]\n"
        "default_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{folder / 'users.db'}\n"
        f"admin_username = {USER}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n".encode(),
        mode=0o600,
    )
    return {
        **os.environ,
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin_password(settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": password(folder / "session-key"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
