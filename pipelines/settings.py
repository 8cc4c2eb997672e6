"""Settings: one YAML file, `$NIGHTMARKET_HOME/settings.yaml`, overridden by `NIGHTMARKET_<NAME>` variables."""

import os
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import UsageError

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Where things are and the few numbers a shop may want to change. Every field has a default that works."""

    home: Path
    shop: str = ""  # landing/<shop>; empty: the only one that has landed
    engine: str = "sail"  # sail, spark, or sc://host:port
    late_days: int = 3  # L: a row this late still joins its own day; a later one is quarantined
    quarantine_rows: int = 100  # a night stops above max(rows, share) of an entity
    quarantine_share: float = 0.01
    session_gap_minutes: int = 30
    top_k: int = 20
    repeat_purchases: bool = True  # False: items a user already bought are never recommended
    new_item_days: int = 28  # an item is new for as long, and may enter lists by its content
    new_item_places: int = 2  # in the second half of a list, at most; 0: none
    exploration_share: float = 0.0  # of the list places below the second, drawn instead of ranked; 0: none
    experiment: str = ""  # names a test of drawn places: half of the users get lists without; empty: none
    experiment_from: str = ""  # the first night of it
    search_strength: float = 0.2  # how far a user's taste moves what `nightmarket search --user` finds; 0 to 1
    segment_attribute: str = "country"  # user attribute that visitors' lists are made for
    training_days: int = 180  # window the floors are fitted on
    test_days: int = 28  # held-out days of the global time split
    bi_history_days: int = 90
    keep_nights: int = 7  # published BI files kept for `rollback`
    vacuum_days: int = 30  # lake versions younger than this stay readable
    log_days: int = 30  # Airflow's task logs
    rules: str = ""  # the business rules file; empty: rules.yaml in the home, if there is one
    memory_limit: str = "4GB"  # DuckDB
    airflow_port: int = 8080
    mlflow_port: int = 5000
    superset_port: int = 8088
    listen: str = "127.0.0.1"  # address that the servers bind; another one only inside a container's own network
    # What a team's shared platform sets; empty is one machine: DuckDB, folders, SQLite. No value holds a password:
    # libpq takes it from the file that PGPASSFILE names, S3 keys come from AWS_* variables.
    postgres: str = ""  # the warehouse: "host=… port=… dbname=warehouse", the role is each step's own
    bi_timeout_minutes: int = 10  # longest statement of a BI reader on PostgreSQL; outlived nights are kept as long
    lake_url: str = ""  # s3://bucket/lake
    spark_master: str = "127.0.0.1"  # host of the cluster's master, for its workers and its Connect server
    spark_cores: int = 1  # of one worker
    spark_memory_mib: int = 2048  # heap of one worker's executor
    airflow_database: str = ""  # SQLAlchemy URL: postgresql+psycopg2://airflow@host/airflow
    airflow_url: str = ""  # where other machines reach the API server
    mlflow_database: str = ""  # SQLAlchemy URL: postgresql+psycopg2://mlflow@host/mlflow
    mlflow_artifacts: str = ""  # s3://bucket/mlflow
    mlflow_url: str = ""  # where training reaches the MLflow server

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def summaries(self) -> Path:
        """What the lake's days say in short; made again from the lake where it is missing."""
        return self.home / "summaries"

    @property
    def staging(self) -> Path:
        return self.home / "staging"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse" / "nightmarket.duckdb"

    @property
    def bi(self) -> Path:
        """The file BI opens. Replaced whole, never written in place."""
        return self.home / "bi" / "nightmarket.duckdb"

    @property
    def mlflow(self) -> Path:
        return self.home / "mlflow"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def rules_file(self) -> Path:
        return self.home / (self.rules or "rules.yaml")  # an absolute path stays what it is

    @property
    def run(self) -> Path:
        """Process state: fence, outbox of ops rows, pid files."""
        return self.home / "run"


def load_settings(home: Path | None = None) -> Settings:
    """Defaults, then the file, then the environment. Unknown names and wrong types are the caller's error."""
    root = (home or Path(os.environ.get("NIGHTMARKET_HOME", "./var"))).expanduser().resolve()
    path = root / "settings.yaml"
    given: dict[str, Any] = {}
    if path.exists():
        try:
            given = yaml.safe_load(path.read_text()) or {}
        except yaml.YAMLError as error:
            raise UsageError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(given, dict):
            raise UsageError(f"{path} must be a mapping of setting names to values")
    known = {f.name: f for f in fields(Settings) if f.name != "home"}
    for name in given:
        if name not in known:
            raise UsageError(f"{path}: unknown setting {name!r}; known: {', '.join(sorted(known))}")
    for name in known:
        value = os.environ.get(f"NIGHTMARKET_{name.upper()}")
        if value is not None:
            given[name] = value
    values = {name: _typed(name, value, known[name].default) for name, value in given.items()}
    settings = Settings(home=root, **values)
    _check_feedback(settings)
    return settings


def _check_feedback(settings: Settings) -> None:
    share = settings.exploration_share
    if not 0 <= share < 1:
        raise UsageError(f"setting exploration_share must be at least 0 and below 1, not {share}")
    if not settings.experiment:
        return
    if not share:
        raise UsageError(f"experiment {settings.experiment!r} compares lists with drawn places: set exploration_share")
    try:
        date.fromisoformat(settings.experiment_from)
    except ValueError as error:
        said = f"setting experiment_from must be the first night of {settings.experiment!r}, YYYY-MM-DD"
        raise UsageError(f"{said}, not {settings.experiment_from!r}") from error


def _typed(name: str, value: Any, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            if str(value).lower() not in ("true", "false", "1", "0", "yes", "no"):
                raise ValueError
            return str(value).lower() in ("true", "1", "yes")
        return type(default)(value)
    except ValueError as error:
        raise UsageError(f"setting {name} must be a {type(default).__name__}, not {value!r}") from error


@dataclass(frozen=True)
class Batch:
    """The landing dates one pass handles: a night (one date) or a stretch of history. Both ends included."""

    first: date
    last: date

    @property
    def key(self) -> str:
        return str(self.last) if self.first == self.last else f"{self.first}..{self.last}"

    @property
    def is_night(self) -> bool:
        return self.first == self.last

    def days(self) -> list[date]:
        return [self.first + timedelta(n) for n in range((self.last - self.first).days + 1)]

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def night(day: date) -> Batch:
    return Batch(day, day)
