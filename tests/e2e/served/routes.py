"""Every route of a server, one JSON list [method, path] a line: `PYTHON routes.py airflow|mlflow`.

It is run by the server's own interpreter in the server's own environment, so nothing that a plugin or a version adds is
left out. A parameter of a path becomes 1.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

UNSAID = ("HEAD", "OPTIONS")


def walk(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Routes of a FastAPI application and of all that is mounted in it."""
    for route in getattr(app, "routes", []):
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "app", None)
        if hasattr(inner, "routes"):
            yield from walk(inner, path)
        elif getattr(route, "methods", None):
            yield from ((method, path) for method in route.methods)
        else:  # a folder of files, or an application of another kind
            yield "GET", f"{path}/1"


def airflow() -> Iterator[tuple[str, str]]:
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.execution_api.routes import execution_api_router

    yield from walk(create_app())
    yield from walk(execution_api_router, "/execution")  # mounted by version, and made on the first call only


def mlflow() -> Iterator[tuple[str, str]]:
    from mlflow.server import app as pages
    from mlflow.server.auth import create_app

    yield from walk(create_app(pages))
    for rule in pages.url_map.iter_rules():
        yield from ((method, rule.rule) for method in rule.methods or ())


if __name__ == "__main__":
    found = {"airflow": airflow, "mlflow": mlflow}[sys.argv[1]]()
    plain = {(method, re.sub(r"\{[^}]*\}|<[^>]*>", "1", path)) for method, path in found if method not in UNSAID}
    for method, path in sorted(plain):
        print("ROUTE", json.dumps([method, path]))
