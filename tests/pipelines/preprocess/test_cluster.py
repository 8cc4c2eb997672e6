"""Preprocess on a cluster: a master, two workers, and a Connect server that asks for a token."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from engines import DAY, event, finish, land, land_day, start

from pipelines.connect import VARIABLE
from pipelines.errors import NightmarketError, Unavailable
from pipelines.session import spark_session
from pipelines.settings import Settings
from tests import spark_cluster

pytestmark = [pytest.mark.slow, pytest.mark.java]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spark_cluster.Cluster]:
    with spark_cluster.running(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def no_java(tmp_path: Path) -> dict[str, str]:
    """An environment of a client that has no Java."""
    (tmp_path / "no-programs").mkdir()
    return {"PATH": str(tmp_path / "no-programs"), "JAVA_HOME": ""}


def test_the_cluster_stages_what_sail_stages_for_a_client_without_java(
    cluster: spark_cluster.Cluster, settings: Settings, no_java: dict[str, str]
) -> None:
    found = []
    for engine, environment in (("sail", {}), (cluster.url, {VARIABLE: cluster.token, **no_java})):
        one = replace(settings, home=settings.home / engine[:4].strip(":"), engine=engine)
        land_day(one)
        found.append(finish(start(one, **environment), one))
    sail, spark = found
    assert sail == spark
    assert len(sail["events"]) > 200


@pytest.mark.parametrize("token", ["not-the-token", None])
def test_a_wrong_or_missing_token_is_refused_in_one_line(
    cluster: spark_cluster.Cluster, settings: Settings, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if token:
        monkeypatch.setenv(VARIABLE, token)
    with (
        pytest.raises(NightmarketError, match=f"server at {cluster.url} refuses the token: .*{VARIABLE}") as refused,
        spark_session(replace(settings, engine=cluster.url)),
    ):
        pass
    assert not isinstance(refused.value, Unavailable)
    assert len(str(refused.value).splitlines()) == 1
    assert "not-the-token" not in str(refused.value)


def test_the_token_is_the_platforms_secret_before_it_is_the_variable(
    cluster: spark_cluster.Cluster, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spark_connect_token").write_text(cluster.token + "\n")
    monkeypatch.setenv("NIGHTMARKET_SECRETS", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "not-the-token")
    with spark_session(replace(settings, engine=cluster.url)) as session:
        assert session.range(10).count() == 10


def test_nothing_of_the_cluster_is_open_and_no_secret_shows(cluster: spark_cluster.Cluster) -> None:
    secrets = [cluster.token]
    for line in (cluster.folder / "master" / "spark.properties").read_text().splitlines():
        name, value = line.split(" ", 1)
        if "secret" in name.lower():
            secrets.append(value)
    assert len(secrets) == 3
    for name, started in cluster.processes.items():
        assert (cluster.folder / name / "spark.properties").stat().st_mode & 0o077 == 0
        for process in (psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            assert not any(secret in word for word in process.cmdline() for secret in secrets), name
            listening = [c.laddr for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN]
            assert all(address.ip in ("127.0.0.1", "::ffff:127.0.0.1") for address in listening), name
            for address in listening:
                assert _http_status(address.port) in (None, 403), f"{name} has an open page on {address.port}"
        assert not any(secret in cluster.log(name) for secret in secrets), name


def _http_status(port: int) -> int | None:
    """The status with which a port answers HTTP; None where it speaks something else."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (http.client.HTTPException, OSError):
        return None
    finally:
        connection.close()


def test_a_lost_worker_in_the_middle_costs_a_retry_inside_spark(settings: Settings, tmp_path: Path) -> None:
    times = [f"{DAY}T{n % 24:02d}:{n % 60:02d}:{n // 24 % 60:02d}Z" for n in range(100_000)]
    lines = [event(event_id=f"v{n}", user_id=f"u{n % 997}", occurred_at=t) for n, t in enumerate(times)]
    (tmp_path / "cluster").mkdir()
    with spark_cluster.running(tmp_path / "cluster") as cluster:
        one = replace(settings, home=tmp_path / "cluster-home", engine=cluster.url)
        land(one, "events", lines)
        checked = tmp_path / "checked"
        pause = {"NIGHTMARKET_PAUSE": f"preprocess.checked:{checked}"}
        process = start(one, rows_per_file=30_000, **{VARIABLE: cluster.token}, **pause)
        _wait_for(Path(f"{checked}.reached"), process)
        before = len(cluster.log("connect"))
        checked.touch()
        _kill_while_it_works(cluster, "worker-0")
        found = finish(process, one)
        said = cluster.log("connect")[before:]
        assert "Lost executor" in said
        assert re.search(r"Starting task \d+\.[1-9] in stage", said), "no task was tried a second time"
    other = replace(settings, home=tmp_path / "sail-home", engine="sail")
    land(other, "events", lines)
    assert found == finish(start(other, rows_per_file=30_000), other)


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def _kill_while_it_works(cluster: spark_cluster.Cluster, worker: str) -> None:
    """Kill a worker with a task in hand: its executor is frozen first, until all that it had finished is heard of."""
    (executor,) = cluster.executors(worker)
    (folder,) = (cluster.folder / worker / "work").glob("app-*/*")
    started, finished = f"executor {folder.name}, partition", f"(executor {folder.name}) ("
    deadline = time.monotonic() + spark_cluster.START_SECONDS

    def is_busy() -> bool:
        said = cluster.log("connect")
        return said.count(started) > said.count(finished)

    while time.monotonic() < deadline:
        executor.send_signal(signal.SIGSTOP)
        heard = time.monotonic() + 1
        while is_busy():
            if time.monotonic() > heard:
                cluster.kill_worker(worker)
                return
        executor.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("the worker was given no task")


def test_a_server_that_is_not_there_may_be_there_later(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.session.ANSWER_SECONDS", 1.0)
    url = f"sc://127.0.0.1:{spark_cluster.free_port()}"
    with (
        pytest.raises(Unavailable, match="no Spark Connect server answers at 127.0.0.1:.* run again"),
        spark_session(replace(settings, engine=url)),
    ):
        pass
