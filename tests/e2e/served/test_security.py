"""The running stack as an uninvited guest sees it: nothing beyond loopback, nothing open, no secret anywhere."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from pipelines.serve import airflow, processes, stack
from pipelines.serve.client import FINISHED
from pipelines.serve.server import server
from pipelines.settings import REPOSITORY
from tests import postgres
from tests.e2e.airflow.conftest import Stack
from tests.e2e.conftest import HISTORY_UNTIL, NIGHTS, command
from tests.e2e.served.conftest import stack_on

pytestmark = pytest.mark.slow

HARMLESS = {
    "airflow": {
        "/1": "the empty page of the UI, which asks for a login",
        "/health": "says where the health is",
        "/api/1": "there is nothing",
        "/api/v1/1": "there is nothing",
        "/api/v2/monitor/health": "health",
        "/api/v2/version": "the version",
        "/execution/health": "health",
        "/execution/health/ping": "health",
        "/static/1": "files of the UI",
        "/auth/static/1": "files of the login page",
        "/auth/1": "the login page",
        "/auth/token": "the login itself: it wants user and password",
        "/auth/token/cli": "the login itself",
    },
    "mlflow": {
        "/health": "health",
        "/static-files/1": "files of the UI",
        "/api/3.0/mlflow/server-info": "what kind of server it is, for a client before its login",
        "/ajax-api/3.0/mlflow/server-info": "the same",
    },
}
"""What answers without a login, and why that may be."""


@dataclass
class Seen:
    """A stack after a night and a training, and what its processes were while it went on."""

    stack: Stack
    database: postgres.Server
    addresses: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)

    def look(self) -> None:
        mark = stack.mark_of(self.stack.settings)
        self.addresses.update(address for _, address, _ in processes.listeners(mark))
        for process in processes.marked(mark):
            with suppress(psutil.NoSuchProcess):
                self.words.update(process.cmdline())

    def secrets(self) -> dict[str, str]:
        """Every secret by its name; the superuser's and the reader's too."""
        return {path.name: path.read_text() for path in self.database.secrets.iterdir()}


@pytest.fixture(scope="module")
def seen(
    database_server: postgres.Server,
    served_after_history: Path,
    manifest: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seen]:
    with stack_on(database_server, served_after_history, tmp_path_factory.mktemp("security")) as made:
        found = Seen(made, database_server)
        run = made.trigger(date=str(NIGHTS[0]))

        def ended() -> bool:
            found.look()
            return made.state(run) in FINISHED

        made.until(ended, "the end of the night")
        assert made.state(run) == "success"
        done = command(made.home, "train", "recommender", "--until", str(HISTORY_UNTIL), "--config", "quick")
        assert done.returncode == 0, done.stderr[-800:]
        (made.home / "logs" / "train.log").write_text(done.stdout + done.stderr)
        yield found


def test_nothing_listens_beyond_loopback(seen: Seen) -> None:
    assert seen.addresses == {"127.0.0.1"}
    postmaster = psutil.Process(int((seen.database.data / "postmaster.pid").read_text().split()[0]))
    listening = [c.laddr.ip for c in postmaster.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


def routes(seen: Seen, name: str) -> list[tuple[str, str]]:
    """Every method and path that this server of the stack knows."""
    settings = seen.stack.settings
    python = {"airflow": str(airflow.PROGRAM.with_name("python")), "mlflow": sys.executable}[name]
    told = server(settings, {"airflow": "airflow-api-server", "mlflow": "mlflow"}[name]).environment
    done = subprocess.run(
        [python, str(Path(__file__).with_name("routes.py")), name],
        env={**told, "_MLFLOW_SGI_NAME": "uvicorn"}, cwd=settings.home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = [tuple(json.loads(line[5:])) for line in done.stdout.splitlines() if line.startswith("ROUTE")]
    assert found, done.stderr[-1000:]
    return found


def answer(port: int, method: str, path: str) -> tuple[int, str]:
    """Status and target of a request without any credentials; redirects are not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        body = None if method == "GET" else "{}"
        connection.request(method, path, body, {"Content-Type": "application/json", "Host": f"127.0.0.1:{port}"})
        found = connection.getresponse()
        return found.status, found.getheader("Location") or ""
    finally:
        connection.close()


def is_closed(status: int, target: str) -> bool:
    return status in (401, 403) or (300 <= status < 400 and "login" in target)


@pytest.mark.parametrize(("name", "at_least"), [("airflow", 200), ("mlflow", 200)])
def test_every_endpoint_wants_a_login_or_is_on_the_list_of_harmless_ones(seen: Seen, name: str, at_least: int) -> None:
    port = {"airflow": seen.stack.settings.airflow_port, "mlflow": seen.stack.settings.mlflow_port}[name]
    asked = routes(seen, name)
    assert len(asked) > at_least
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda route: answer(port, *route), asked))
    opened = {(*route, *got) for route, got in zip(asked, answers, strict=True) if not is_closed(*got)}
    unexpected = sorted(found for found in opened if found[1] not in HARMLESS[name])
    assert not unexpected, unexpected
    assert {path for _, path, _, _ in opened} == set(HARMLESS[name])  # nothing on the list that is not needed


@pytest.mark.parametrize("role", [*postgres.ROLES, "postgres"])
def test_postgres_lets_nobody_in_without_the_right_password(database_server: postgres.Server, role: str) -> None:
    where = {"host": "127.0.0.1", "port": database_server.port, "user": role, "passfile": os.devnull}
    for database in ("warehouse", "airflow", "mlflow", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(dbname=database, **where)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dbname=database, password="guessed", **where)
    with database_server.connect("superuser", "postgres") as connection:
        ways = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
    assert ways == [("scram-sha-256",)]


def test_no_secret_is_in_a_database_of_airflow_or_mlflow(seen: Seen) -> None:
    """Whole dumps: XCom, rendered templates, logs of events, parameters, tags, users."""
    for name in ("airflow", "mlflow"):
        dump = subprocess.run(
            [str(postgres.BIN / "pg_dump"), "--username=postgres", name],
            env=seen.database.environment(), capture_output=True, check=True,
        ).stdout  # fmt: skip
        assert {"airflow": b"COPY public.xcom", "mlflow": b"COPY public.experiments"}[name] in dump
        assert found_in(seen, dump) == []


def test_no_secret_is_in_a_file_of_the_home_but_the_one_that_airflow_reads_its_users_from(seen: Seen) -> None:
    """Logs of servers and tasks, artefacts, reports, whatever a step leaves."""
    files = [path for path in seen.stack.home.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"scheduler.log", "mlflow.log", "MLmodel"} <= names  # there is something to search
    holding = {path for path in files if found_in(seen, path.read_bytes())}
    assert holding == {seen.stack.home / "airflow" / "passwords.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)


def test_no_secret_is_in_the_log_of_postgres_nor_in_what_git_keeps(seen: Seen) -> None:
    assert found_in(seen, (seen.database.folder / "log").read_bytes()) == []
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout.split(
        b"\0"
    )
    texts = [(REPOSITORY / os.fsdecode(name)).read_bytes() for name in kept if name]
    assert len(texts) > 200
    assert found_in(seen, b"\n".join(texts)) == []


def test_no_secret_was_ever_among_the_words_of_a_process(seen: Seen) -> None:
    words = "\n".join(sorted(seen.words))
    assert "dbt_project" in words and "scheduler" in words
    assert found_in(seen, words.encode()) == []


def found_in(seen: Seen, text: bytes) -> list[str]:
    """Names of the secrets that the text holds."""
    return [name for name, secret in seen.secrets().items() if secret.encode() in text]


def test_the_search_would_find_a_secret(seen: Seen) -> None:
    planted = f"said at {time.time()}: {seen.secrets()['hash_key']}\n"
    assert found_in(seen, planted.encode()) == ["hash_key"]
