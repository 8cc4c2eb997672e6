"""`nightmarket init` makes every secret once, closes the folder, and leaves what is there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.serve import init
from pipelines.serve.secret import given
from pipelines.settings import REPOSITORY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".env.example").write_text("AIRFLOW_PORT=8080\n")
    return tmp_path


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_every_secret_is_made_and_no_two_are_alike(root: Path) -> None:
    assert init.init(root)["made"] == list(init.GENERATED)
    values = [(root / "secrets" / name).read_text() for name in init.GENERATED]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 20 for value in values)


def test_others_are_kept_out_by_the_folder_and_containers_are_let_in_by_the_file(root: Path) -> None:
    init.init(root)
    assert (root / "secrets").stat().st_mode & 0o777 == 0o700
    found = modes(root / "secrets")
    assert found.pop("pgpass") == 0o600  # libpq refuses any other mode
    assert set(found.values()) == {0o444}


def test_again_it_makes_only_what_is_missing(root: Path) -> None:
    init.init(root)
    before = {path.name: path.read_bytes() for path in (root / "secrets").iterdir()}
    (root / ".env").write_text("AIRFLOW_PORT=9090\n")
    assert init.init(root)["made"] == []
    assert {path.name: path.read_bytes() for path in (root / "secrets").iterdir()} == before
    assert (root / ".env").read_text() == "AIRFLOW_PORT=9090\n"
    (root / "secrets" / "pg_loader").unlink()
    assert init.init(root)["made"] == ["pg_loader"]
    new = (root / "secrets" / "pg_loader").read_text()
    assert new.encode() != before["pg_loader"]
    assert f"*:*:*:loader:{new}\n" in (root / "secrets" / "pgpass").read_text()


def test_the_password_file_holds_our_roles_and_nobody_else_s(root: Path) -> None:
    init.init(root)
    lines = (root / "secrets" / "pgpass").read_text().splitlines()
    assert [line.split(":")[3] for line in lines] == list(init.ROLES)
    assert "superuser" not in init.ROLES


def test_the_object_store_knows_one_user_with_our_keys(root: Path) -> None:
    init.init(root)
    (identity,) = json.loads((root / "secrets" / "s3_config").read_text())["identities"]
    keys = {"accessKey": "s3_access_key", "secretKey": "s3_secret_key"}
    assert identity["credentials"] == [{n: (root / "secrets" / f).read_text() for n, f in keys.items()}]


def test_make_init_needs_python_and_nothing_else(root: Path) -> None:
    words = [sys.executable, "-S", "-m", "pipelines.serve.init"]  # -S: without any installed package
    done = subprocess.run(words, cwd=root, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (root / "secrets").iterdir()} >= set(init.GENERATED)
    assert "pipelines.serve.init" in (REPOSITORY / "Makefile").read_text()


def test_what_init_made_is_what_the_servers_are_given(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init.init(root)
    monkeypatch.setenv("NIGHTMARKET_SECRETS", str(root / "secrets"))
    assert given("airflow_jwt") == (root / "secrets" / "airflow_jwt").read_text()
    assert given("no such secret") is None
