"""On PostgreSQL a build replaces views where they are: dropping them takes along whatever reads from them."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from pipelines.features import PROJECT, _environment, target_name
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from tests.postgres import Server

OIDS = """
    select relname, pg_class.oid
    from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where relkind = 'v' and nspname = 'staging'
"""


def run(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "run", "--project-dir", str(PROJECT),
        "--profiles-dir", str(PROJECT), "--target", target_name(settings),
        "--target-path", str(settings.home / "dbt" / "target"), "--log-path", str(settings.home / "dbt" / "logs"),
        "--select", "stg_as_of", "stg_events", "stg_scored_nights", *words,
    ]  # fmt: skip
    environment = _environment(settings, date(2024, 5, 7))
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def owner(served: Settings, postgres: Server) -> Iterator[psycopg.Connection]:
    """A session of the superuser in a warehouse whose views have been built once."""
    open_warehouse(served).close()  # makes the tables that the views read
    done = run(served)
    assert done.returncode == 0, done.stdout
    name = served.postgres.rpartition("dbname=")[2]
    with postgres.connect("superuser", name) as connection:
        yield connection


def test_a_build_leaves_every_view_where_it_is(served: Settings, owner: psycopg.Connection) -> None:
    owner.execute("create view staging.reads_two as select as_of, event_id from staging.stg_as_of, staging.stg_events")
    before = dict(owner.execute(OIDS).fetchall())
    done = run(served)
    assert done.returncode == 0, done.stdout
    assert dict(owner.execute(OIDS).fetchall()) == before
    assert {"stg_as_of", "stg_events", "stg_scored_nights", "reads_two"} <= before.keys()


def test_views_with_other_columns_are_made_anew(served: Settings, owner: psycopg.Connection) -> None:
    owner.execute("drop view staging.stg_as_of cascade")
    owner.execute("create view staging.stg_as_of as select 1 as of_an_earlier_version")
    owner.execute("alter view staging.stg_as_of owner to transformer")
    done = run(served, "--full-refresh")
    assert done.returncode == 0, done.stdout
    columns = owner.execute("select * from staging.stg_as_of").description or ()
    assert [column.name for column in columns] == ["as_of", "history_from"]
