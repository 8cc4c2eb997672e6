"""What Airflow is told, all of it by environment: nothing is written into a configuration file that could be stale."""

import os
from collections.abc import Mapping
from pathlib import Path

from pipelines.serve.database import database
from pipelines.serve.secret import airflow_passwords, new_fernet_key, new_key, secret
from pipelines.settings import REPOSITORY, Settings

USER = "admin"
PROGRAM = REPOSITORY / ".venv-airflow" / "bin" / "airflow"
# Each its own process: `airflow standalone` would open log servers on all interfaces.
SERVERS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.airflow_port}"


def home(settings: Settings) -> Path:
    return settings.home / "airflow"


def admin_password(settings: Settings) -> str:
    """The password of the one user; made, with the file that Airflow reads, on the first call."""
    password = secret("airflow_admin_password", home(settings) / "admin-password")
    airflow_passwords(home(settings) / "passwords.json", {USER: password})
    return password


def environment(settings: Settings, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of every Airflow process, and of `airflow` commands against this stack."""
    folder = home(settings)
    keys = folder / "keys"
    airflow = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__LAZY_LOAD_PLUGINS": "False",  # once in the scheduler rather than in every task that it forks
        "CORE__DEFAULT_TIMEZONE": "utc",
        "CORE__TEST_CONNECTION": "Disabled",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url or url(settings)}/execution/",
        "CORE__FERNET_KEY": secret("airflow_fernet", keys / "fernet", new_fernet_key),
        "DATABASE__SQL_ALCHEMY_CONN": database(
            "airflow_database", settings.airflow_database, f"sqlite:///{folder / 'airflow.db'}"
        ),
        "API__HOST": settings.listen,
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": url(settings),
        "API__WORKERS": "1",
        "API__EXPOSE_CONFIG": "False",
        "API__ENABLE_SWAGGER_UI": "False",  # no link to pages that `nightmarket_airflow.closed` closes
        "API__SECRET_KEY": secret("airflow_session", keys / "session"),
        "API_AUTH__JWT_SECRET": secret("airflow_jwt", keys / "jwt", new_key),
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        # A killed task is noticed within a minute, not five.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "60",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        # A worker that misses the very end of its task looks again after so many seconds; until then its slot is lost.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "WORKERS__MAX_FAILED_HEARTBEATS": "15",  # as many seconds without an answer as Airflow's own 3 times 5
        "COSMOS__ENABLE_TELEMETRY": "False",
        "COSMOS__ENABLE_CACHE": "False",
        "COSMOS__CACHE_DIR": str(folder / "cosmos"),
    }
    named = {f"AIRFLOW__{name}": value for name, value in airflow.items()}
    # What comes from outside must not leak in: an AIRFLOW__ variable of another installation would win.
    kept = {name: value for name, value in base.items() if not name.startswith("AIRFLOW")}
    return {
        **kept,
        **named,
        "AIRFLOW_HOME": str(folder),
        "NIGHTMARKET_HOME": str(settings.home),
        "DO_NOT_TRACK": "1",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
    }
