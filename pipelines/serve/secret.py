"""Passwords and keys of the stack: generated once, in files that only their owner may read.

On one machine each lies beside the server that it is for. On a shared platform `nightmarket init` makes them all, and
the folder that NIGHTMARKET_SECRETS names holds a file for each.
"""

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pipelines.files import write_atomic

SECRETS = "NIGHTMARKET_SECRETS"


def given(name: str) -> str | None:
    """The secret of this name from the folder of secrets; None where there is no such folder, or no such file in it."""
    folder = os.environ.get(SECRETS)
    path = Path(folder) / name if folder else None
    return path.read_text().strip() if path is not None and path.is_file() else None


def new_password() -> str:
    return secrets.token_urlsafe(24)


def new_key() -> str:
    """For signatures: longer, since whoever guesses it can sign as anybody."""
    return secrets.token_urlsafe(48)


def new_fernet_key() -> str:
    """A key of the form that Fernet wants: 32 random bytes in URL-safe base 64."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def secret(name: str, path: Path, make: Callable[[], str] = new_password) -> str:
    """The secret of this name that was given; else the one kept in `path`, made on the first call."""
    found = given(name)
    if found is not None:
        return found
    if not path.exists():
        write_atomic(path, make().encode(), mode=0o600)
    return path.read_text()


def airflow_passwords(path: Path, users: dict[str, str]) -> None:
    """The password file of Airflow's simple auth manager; it would write its own one readable by everybody."""
    write_atomic(path, json.dumps(users).encode(), mode=0o600)
