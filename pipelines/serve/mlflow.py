"""The MLflow server of the stack: a generated password; SQLite and local artefacts, or PostgreSQL and S3."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.files import write_atomic
from pipelines.serve.database import database
from pipelines.serve.secret import secret
from pipelines.settings import Settings

USER = "admin"


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.mlflow_port}"


def home(settings: Settings) -> Path:
    return settings.home / "mlflow"


def admin_password(settings: Settings) -> str:
    """The password of the one user; made on the first call."""
    return secret("mlflow_admin_password", home(settings) / "admin-password")


def command(settings: Settings) -> list[str]:
    """`mlflow server`, one worker; requests for another host name than ours are refused by it.

    Artefacts go through it, so nobody else needs the keys of where they lie.
    """
    folder = home(settings)
    hosts = [f"127.0.0.1:{settings.mlflow_port}", f"localhost:{settings.mlflow_port}"]
    if settings.mlflow_url:
        hosts.append(urlsplit(settings.mlflow_url).netloc)
    return [
        sys.executable, "-m", "mlflow", "server",
        "--host", settings.listen, "--port", str(settings.mlflow_port), "--workers", "1",
        "--backend-store-uri", _database(settings, "mlflow.db"),
        "--artifacts-destination", settings.mlflow_artifacts or str(folder / "artifacts"),
        "--allowed-hosts", ",".join(hosts),
        "--app-name", "basic-auth",
    ]  # fmt: skip


def _database(settings: Settings, file: str) -> str:
    """On PostgreSQL one database holds both stores: their tables and migrations have names of their own."""
    return database("mlflow_database", settings.mlflow_database, f"sqlite:///{home(settings) / file}")


def environment(settings: Settings) -> dict[str, str]:
    folder = home(settings)
    config = folder / "basic-auth.ini"
    write_atomic(
        config,
        "[mlflow]\n"
        "default_permission = NO_PERMISSIONS\n"
        f"database_uri = {_database(settings, 'users.db')}\n"
        f"admin_username = {USER}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n".encode(),
        mode=0o600,
    )
    return {
        **os.environ,
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin_password(settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret("mlflow_session", folder / "session-key"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
