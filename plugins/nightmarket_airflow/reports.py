"""The report files of a home as pages of Airflow's API server, for whoever is logged in there.

A browser does not follow a link from a page to a file, and nothing but Airflow and MLflow may listen, so the files are
served beside Airflow's own pages. They hold text that came from outside: every page is sandboxed away from the session.
"""

import html
import os
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-popups; default-src 'self' 'unsafe-inline' data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

app = FastAPI(title="Reports of the night", docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/{path:path}")
async def page(path: str, user: Annotated[Any, Depends(get_user)]) -> Response:
    """A file below `$NIGHTMARKET_HOME/reports`, or the list of a folder. 404 for everything outside."""
    root = (Path(os.environ["NIGHTMARKET_HOME"]) / "reports").resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root) or not found.exists():
        raise HTTPException(404, f"no report {path}: its audit has not run yet, or failed before it could write")
    if found.is_file():
        return FileResponse(found, headers=HEADERS)
    if path and not path.endswith("/"):
        return RedirectResponse(f"{found.name}/", headers=HEADERS)
    return HTMLResponse(_listing(path, found), headers=HEADERS)


def _listing(path: str, folder: Path) -> str:
    """The folders and pages of a folder; a folder with a summary leads to it."""
    rows = []
    for entry in sorted(folder.iterdir(), reverse=True):
        if entry.name.startswith(".") or not (entry.is_dir() or entry.suffix == ".html"):
            continue
        target = entry.name
        if entry.is_dir():
            first = next((name for name in ("summary.html", "index.html") if (entry / name).exists()), "")
            target += f"/{first}"
        rows.append(f'<li><a href="{html.escape(target)}">{html.escape(entry.name)}</a></li>')
    title = html.escape(f"Reports: {path.strip('/') or 'all nights'}")
    style = "body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;color-scheme:light dark}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{style}</style><h1>{title}</h1><ul>{''.join(rows) or '<li>none yet</li>'}</ul>"
    )
