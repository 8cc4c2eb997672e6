"""The few calls of Airflow's REST API that the command needs: triggering a DAG and seeing how it went."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

from pipelines.errors import NightmarketError, Unavailable
from pipelines.serve import airflow
from pipelines.settings import Settings

FINISHED = ("success", "failed")
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Airflow:
    """A logged-in user of the stack's API server."""

    address: str
    token: str

    @classmethod
    def log_in(cls, settings: Settings) -> Self:
        """Raises Unavailable where no API server answers."""
        words = {"username": airflow.USER, "password": airflow.admin_password(settings)}
        address = airflow.url(settings)
        return cls(address, _call("POST", f"{address}/auth/token", words)["access_token"])

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of /api/v2; raises NightmarketError with the server's own words."""
        return _call(method, f"{self.address}/api/v2/{path}", body, self.token)

    def ensure_pools(self, pools: dict[str, str]) -> None:
        """Make the pools, one slot each, that do not exist yet."""
        known = {pool["name"] for pool in self.call("GET", "pools?limit=100")["pools"]}
        for name, description in pools.items():
            if name not in known:
                self.call("POST", "pools", {"name": name, "slots": 1, "description": description})

    def wait_for_dag(self, dag: str, seconds: float = 300.0) -> None:
        """Until the DAG processor has read the file; raises NightmarketError with the import error, if there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(found["dag_id"] == dag for found in self.call("GET", "dags?limit=200")["dags"]):
                return
            errors = self.call("GET", "importErrors")["import_errors"]
            if errors:
                last = errors[0]["stack_trace"].strip().splitlines()[-1]
                raise NightmarketError(f"{errors[0]['filename']} cannot be imported: {last}")
            time.sleep(1)
        raise NightmarketError(f"Airflow has not read the DAG {dag} after {seconds:.0f} s; see logs/dag-processor.log")

    def pause(self, dag: str, paused: bool) -> None:
        self.call("PATCH", f"dags/{dag}", {"is_paused": paused})

    def trigger(self, dag: str, params: dict[str, Any], run_id: str | None = None) -> str:
        """Queue a run with these form values; returns its id."""
        body: dict[str, Any] = {"logical_date": datetime.now(UTC).isoformat(), "conf": params}
        if run_id:
            body["dag_run_id"] = run_id
        run: str = self.call("POST", f"dags/{dag}/dagRuns", body)["dag_run_id"]
        return run

    def run(self, dag: str, run_id: str) -> dict[str, Any]:
        return self.call("GET", f"dags/{dag}/dagRuns/{quote(run_id, safe='')}")

    def tasks(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        """The run's task instances in the order they started; those that have not come last."""
        path = f"dags/{dag}/dagRuns/{quote(run_id, safe='')}/taskInstances?limit=500"
        found: list[dict[str, Any]] = self.call("GET", path)["task_instances"]
        return sorted(found, key=lambda t: (t["start_date"] is None, t["start_date"] or "", t["task_id"]))

    def log(self, dag: str, run_id: str, task: str, attempt: int) -> list[str]:
        """The lines of one try's log."""
        path = f"dags/{dag}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task}/logs/{attempt}?full_content=true"
        lines = self.call("GET", path)["content"]
        return [line["event"] if isinstance(line, dict) else str(line) for line in lines]


def _call(method: str, address: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - http on our own loopback address
        address,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"}
        | ({"Authorization": f"Bearer {token}"} if token else {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found
    except urllib.error.HTTPError as error:
        said = f"{method} {address}: {error.code} {' '.join(error.read().decode()[:300].split())}"
        raise (Unavailable if error.code == 503 else NightmarketError)(said) from error
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(f"no Airflow answers at {address.split('/api/')[0]} ({reason}); run `make up`") from error
