"""`nightmarket init`: the secrets of a shared platform, one file each, and the `.env` that docker-compose.yml reads.

The folder is closed to everybody else (0700). A container gets a file mounted by itself, with the mode it has here, and
reads it as another user: so each file may be read by all (0444), and the folder alone keeps others out.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.files import write_atomic
from pipelines.serve.secret import new_fernet_key, new_key, new_password

FOLDER = "secrets"
ROLES = ("owner", "loader", "transformer", "publisher", "bi_reader", "airflow", "mlflow")
"""Roles of PostgreSQL that our own processes log in as."""

GENERATED: dict[str, Callable[[], str]] = {
    "pg_superuser": new_password,
    **{f"pg_{role}": new_password for role in ROLES},
    "s3_access_key": lambda: secrets.token_hex(10).upper(),
    "s3_secret_key": new_password,
    "spark_connect_token": new_key,
    "spark_cluster_secret": new_key,
    "airflow_admin_password": new_password,
    "airflow_jwt": new_key,
    "airflow_fernet": new_fernet_key,
    "airflow_session": new_password,
    "mlflow_admin_password": new_password,
    "mlflow_session": new_password,
    "superset_admin_password": new_password,
    "superset_secret_key": new_key,
    "hash_key": new_password,
}
"""What `NAME` in the folder holds; each made once and never overwritten."""

S3_CONFIG, PGPASS = "s3_config", "pgpass"
"""Made from the others: the object store's list of who may do what, and libpq's password file for this machine."""


def init(root: Path) -> dict[str, Any]:
    """Make what is missing under `root`; returns the folder and the names of the secrets that were made now."""
    folder = root / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = [name for name in GENERATED if not (folder / name).exists()]
    for name in made:
        write_atomic(folder / name, GENERATED[name]().encode(), mode=0o444)
    write_atomic(folder / S3_CONFIG, _s3_config(folder), mode=0o444)
    write_atomic(folder / PGPASS, _pgpass(folder), mode=0o600)
    if not (root / ".env").exists():
        write_atomic(root / ".env", (root / ".env.example").read_bytes())
    return {"folder": str(folder), "made": made}


def _s3_config(folder: Path) -> bytes:
    keys = {"accessKey": (folder / "s3_access_key").read_text(), "secretKey": (folder / "s3_secret_key").read_text()}
    return json.dumps({"identities": [{"name": "nightmarket", "credentials": [keys], "actions": ["Admin"]}]}).encode()


def _pgpass(folder: Path) -> bytes:
    """libpq ignores one that others may read; containers make their own from the roles they are given."""
    return "".join(f"*:*:*:{role}:{(folder / f'pg_{role}').read_text()}\n" for role in ROLES).encode()


if __name__ == "__main__":  # `make init`: a host that only runs containers needs no environment of ours for it
    print(json.dumps(init(Path.cwd())))
