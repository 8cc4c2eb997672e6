"""What Superset is told: the warehouse as a reader, without a password; keys of its own; loopback."""

import stat
from dataclasses import replace

import pytest
from sqlalchemy.engine import make_url

from pipelines.errors import NightmarketError, UsageError
from pipelines.serve import dashboards, superset
from pipelines.serve.server import server
from pipelines.settings import Settings


@pytest.fixture
def served(settings: Settings) -> Settings:
    return replace(settings, postgres="host=db.example port=5433 dbname=ware%house sslmode=require")


def test_it_reads_as_bi_reader_and_its_url_holds_no_password(served: Settings) -> None:
    url = make_url(superset.warehouse(served))
    assert (url.drivername, url.username, url.password) == ("postgresql+psycopg2", "bi_reader", None)
    assert (url.host, url.port, url.database, dict(url.query)) == (
        "db.example", 5433, "ware%house", {"sslmode": "require"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("host", "found", "query"),
    [("::1", "::1", {}), ("/run/postgresql", None, {"host": "/run/postgresql", "port": "5432"})],
)
def test_an_address_of_six_and_a_socket_are_found(
    served: Settings, host: str, found: str | None, query: dict[str, str]
) -> None:
    url = make_url(superset.warehouse(replace(served, postgres=f"host={host} dbname=shop")))
    assert (url.host, url.database, url.username, dict(url.query)) == (found, "shop", "bi_reader", query)


def test_an_embedded_warehouse_is_none_that_it_reads(settings: Settings) -> None:
    with pytest.raises(UsageError, match="`postgres` is empty"):
        superset.warehouse(settings)


def test_keys_are_made_once_for_their_owner_only_and_nothing_leaks_in(
    served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERSET_SECRET_KEY", "of somebody else")
    monkeypatch.setenv("FLASK_DEBUG", "1")
    told = superset.environment(served)
    assert told["SUPERSET_SECRET_KEY"] != "of somebody else" and "FLASK_DEBUG" not in told
    assert told["NIGHTMARKET_SUPERSET_BIND"] == "127.0.0.1:8088"
    assert superset.environment(served) == told
    for name in ("admin-password", "secret-key"):
        assert stat.S_IMODE((superset.home(served) / name).stat().st_mode) == 0o600
    other = superset.environment(replace(served, home=served.home / "other"))
    assert other["SUPERSET_SECRET_KEY"] != told["SUPERSET_SECRET_KEY"]


def test_it_runs_in_a_folder_that_only_its_owner_may_enter(served: Settings) -> None:
    found = server(served, "superset")
    assert found.command[0] == str(superset.PROGRAM)
    assert stat.S_IMODE(found.folder.stat().st_mode) == 0o700


def test_where_its_environment_is_missing_the_way_to_it_is_said(
    served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(superset, "PROGRAM", served.home / "nowhere" / "bin" / "python")
    with pytest.raises(NightmarketError, match="make bi"):
        dashboards.up(served, lambda line: None)
