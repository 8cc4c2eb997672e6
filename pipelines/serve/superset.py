"""What Superset is told: the dashboards of `bi/` over the served warehouse, in an environment of its own."""

import os
from pathlib import Path
from urllib.parse import quote, urlencode

from pipelines.errors import UsageError
from pipelines.serve.secret import new_key, secret
from pipelines.settings import REPOSITORY, Settings

USER = "admin"
PROGRAM = REPOSITORY / ".venv-superset" / "bin" / "python"
READER = "bi_reader"


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.superset_port}"


def home(settings: Settings) -> Path:
    return settings.home / "superset"


def admin_password(settings: Settings) -> str:
    """The password of the administrator; made on the first call."""
    return secret("superset_admin_password", home(settings) / "admin-password")


def warehouse(settings: Settings) -> str:
    """SQLAlchemy's URL of the warehouse, as who may read the marts and do nothing else; without a password."""
    from pipelines.warehouse.postgres import target

    if not settings.postgres:
        raise UsageError(
            "the dashboards read a warehouse on PostgreSQL, and the setting `postgres` is empty; an embedded one is a"
            f" file for any BI tool: {settings.bi}"
        )
    given = target(settings)
    host, port = str(given.pop("host", "")), given.pop("port", 5432)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if host.startswith("/"):  # a socket is no part of a URL's place
        place, given = "", {"host": host, "port": port, **given}
    name = quote(str(given.pop("dbname", "warehouse")), safe="")
    return f"postgresql+psycopg2://{READER}@{place}/{name}" + (f"?{urlencode(given)}" if given else "")


def command() -> list[str]:
    """-P: the folder of the script is no place to import from."""
    return [str(PROGRAM), "-P", str(REPOSITORY / "bi" / "serve.py")]


def environment(settings: Settings) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPERSET", "FLASK"))}
    return {
        **kept,
        "SUPERSET_HOME": str(home(settings)),
        "SUPERSET_CONFIG_PATH": str(REPOSITORY / "bi" / "superset_config.py"),
        "SUPERSET_SECRET_KEY": secret("superset_secret_key", home(settings) / "secret-key", new_key),
        "NIGHTMARKET_SUPERSET_PASSWORD": admin_password(settings),
        "NIGHTMARKET_SUPERSET_WAREHOUSE": warehouse(settings),
        "NIGHTMARKET_SUPERSET_BIND": f"{settings.listen}:{settings.superset_port}",
        "PGAPPNAME": "superset",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
        "TZ": "UTC",
    }
