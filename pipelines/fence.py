"""Fencing tokens: the output of a dead, orphaned or superseded attempt is never published (law 6).

A step takes a token when it starts; the newest token of a key wins. Whatever makes output visible (a Delta commit,
a warehouse transaction, the swap of the BI file) runs inside `guard`, which holds SQLite's one write lock: no newer
token can be issued while it runs, and it refuses to start once one was. kill -9 releases the lock with the process.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from pipelines.errors import NightmarketError, Superseded
from pipelines.settings import Settings

WAIT_SECONDS = 600.0
"""How long a step waits for another one's commit; a commit takes seconds, so this long means a stopped process."""


@dataclass(frozen=True)
class Attempt:
    """One try at one step of one batch."""

    key: str
    token: int

    @property
    def name(self) -> str:
        return self.key.replace("/", "-")

    @property
    def id(self) -> str:
        return f"{self.name}-{self.token}"


def _connect(settings: Settings, wait: float) -> sqlite3.Connection:
    settings.run.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(settings.run / "fence.sqlite", timeout=wait, isolation_level=None)
    connection.execute("pragma synchronous = full")
    connection.execute("create table if not exists fence (key text primary key, token integer not null, pid integer)")
    return connection


@contextmanager
def _locked(settings: Settings, wait: float) -> Iterator[sqlite3.Connection]:
    connection = _connect(settings, wait)
    try:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError as error:
            raise NightmarketError(
                f"another attempt has been committing for {wait:.0f} s; see `nightmarket status` and stop it"
            ) from error
        yield connection
        connection.execute("commit")
    finally:
        connection.close()


def take(settings: Settings, step: str, batch_key: str, wait: float = WAIT_SECONDS) -> Attempt:
    """Start an attempt at `step` of `batch_key`; every earlier attempt at it is superseded from now on."""
    key = f"{step}/{batch_key}"
    with _locked(settings, wait) as connection:
        row = connection.execute(
            "insert into fence values (?, 1, ?) on conflict (key) do update set token = token + 1, pid = excluded.pid"
            " returning token",
            (key, os.getpid()),
        ).fetchone()
    return Attempt(key, row[0])


def newest_token(settings: Settings, key: str) -> int:
    """The token of the newest attempt at `<step>/<batch>`, 0 before the first; may be asked inside `guard`."""
    with closing(_connect(settings, WAIT_SECONDS)) as connection:
        row = connection.execute("select token from fence where key = ?", (key,)).fetchone()
    return row[0] if row else 0


@contextmanager
def guard(settings: Settings, attempt: Attempt, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the right to publish for the length of one commit; raises `Superseded` where a newer attempt exists."""
    with _locked(settings, wait) as connection:
        row = connection.execute("select token, pid from fence where key = ?", (attempt.key,)).fetchone()
        if row is None or row[0] != attempt.token:
            newer = "none" if row is None else f"attempt {row[0]} (pid {row[1]})"
            raise Superseded(
                f"{attempt.key}: this is attempt {attempt.token}, {newer} took over; nothing of this one is published"
            )
        yield
