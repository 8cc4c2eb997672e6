"""docker-compose.yml held against the code: no Docker engine is needed to see that it names only what exists."""

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pipelines.cli import app
from pipelines.serve import init, server
from pipelines.settings import REPOSITORY, Settings

COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text()
ONE_OFF = {"bucket", "airflow-prepare", "train", "bi-psql"}
"""Services that end by themselves: nothing waits for their health."""


def variables(service: dict[str, Any]) -> dict[str, str]:
    return {**service.get("environment", {})}


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_variables_is_a_setting_and_nothing_that_the_code_says_is_said_again(name: str) -> None:
    known = {f"NIGHTMARKET_{field.name.upper()}" for field in fields(Settings)} - {"NIGHTMARKET_HOME"}
    said = set(variables(SERVICES[name]))
    assert {each for each in said if each.startswith("NIGHTMARKET_")} <= known
    assert [each for each in said if each.startswith(("AIRFLOW", "MLFLOW", "SPARK", "SUPERSET", "PG"))] == []


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_that_the_command_line_knows(name: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    verb, *words = SERVICES[name]["command"]
    assert verb in commands
    if verb == "serve":
        assert words == [name.removesuffix("-1").removesuffix("-2")]
        assert words[0] in server.NAMES


def test_every_server_of_ours_is_run_by_some_service() -> None:
    assert {SERVICES[name]["command"][1] for name in OURS if SERVICES[name]["command"][0] == "serve"} == set(
        server.NAMES
    )


def test_every_secret_is_one_that_init_makes_and_every_one_is_used(tmp_path: Path) -> None:
    (tmp_path / ".env.example").touch()
    init.init(tmp_path)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    declared = {name: Path(secret["file"]) for name, secret in COMPOSE["secrets"].items()}
    assert all(path == Path("secrets") / name for name, path in declared.items())
    assert set(declared) == made - {init.PGPASS}  # containers make their own, of the roles they are given
    assert {name for service in SERVICES.values() for name in service.get("secrets", [])} == set(declared)


def test_no_variable_and_no_word_holds_a_secret() -> None:
    suspicious = re.compile(r"(?i)(password|secret|token|key)\b(?!_file)")
    for name, service in SERVICES.items():
        for variable, value in variables(service).items():
            assert not suspicious.search(variable) or str(value).startswith("/run/secrets/"), f"{name}: {variable}"
        assert "://" not in str(service) or not re.search(r"://[^/@\s']*:[^/@\s']*@", str(service)), name


def test_who_gets_which_secret_is_as_narrow_as_it_can_be() -> None:
    """Of each secret that opens something for people or for everything: the services that hold it."""
    holders = {
        secret: {name for name, service in SERVICES.items() if secret in service.get("secrets", [])}
        for secret in COMPOSE["secrets"]
    }
    assert holders["pg_superuser"] == {"postgres"}
    assert holders["pg_bi_reader"] == {"postgres", "bi-psql", "superset", "airflow-scheduler"}  # it may `query`
    assert holders["airflow_admin_password"] == {"airflow-api-server"}
    assert holders["superset_admin_password"] == holders["superset_secret_key"] == {"superset"}
    assert [s for s in SERVICES["superset"]["secrets"] if s.startswith(("pg_", "s3_"))] == ["pg_bi_reader"]
    assert holders["pg_mlflow"] == {"postgres", "mlflow"}
    assert holders["spark_connect_token"] == {"spark-connect", "airflow-scheduler"}
    assert holders["hash_key"] == {"airflow-scheduler"}
    assert not any(name.startswith("spark-worker") for name in holders["s3_secret_key"])


def test_ports_are_published_on_this_host_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"postgres", "mlflow", "airflow-api-server", "superset"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_what_is_mounted_from_here_exists_and_postgres_runs_nothing_but_its_set_up_at_its_first_start() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    here = {source: target for source, target, *_ in mounts if source.startswith("./")}
    assert all((REPOSITORY / source).exists() for source in here)
    run_at_first = [source for source, target in here.items() if target.startswith("/docker-entrypoint-initdb.d")]
    assert run_at_first == ["./docker/postgres/init.sh"]
    assert {source for source, *_ in mounts if "/" not in source and "$" not in source} == set(COMPOSE["volumes"])


def test_every_image_is_pinned_by_tag() -> None:
    bases = [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM")]
    python = re.search(r"^ARG PYTHON=(.*)$", DOCKERFILE, re.MULTILINE)
    assert python is not None
    images = {service["image"] for service in SERVICES.values()} | {f"python:{python.group(1)}"}
    assert all(re.fullmatch(r"[\w./-]+:\d[\w.-]*", image) for image in images), images
    assert set(bases) == {"python:${PYTHON}", "environments", "nightmarket"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_OFF))
def test_what_runs_on_has_a_health_check_that_names_no_secret(name: str) -> None:
    words = SERVICES[name]["healthcheck"]["test"]
    assert words[0] == "CMD"  # no shell
    assert "secret" not in " ".join(words)
    if name in OURS:
        assert words[1:] == ["nightmarket", "healthy", SERVICES[name]["command"][1]]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_is_root_may_become_it_or_may_write_beyond_what_it_mounts(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert (
        "USER 10001:10001" in DOCKERFILE.split(f" AS {service['build']['target']}")[1]
        if name in OURS
        else service["user"]
    )
    assert "privileged" not in service
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service.get("restart") == ("no" if name in ONE_OFF else "unless-stopped")


@pytest.mark.parametrize("name", OURS)
def test_a_memory_disk_over_a_folder_of_ours_is_ours(name: str) -> None:
    """Docker would mount it for root; and without `exec` the JVM cannot map the libraries that it unpacks."""
    for mount in SERVICES[name]["tmpfs"]:
        assert mount.startswith("/tmp") or ":uid=10001,gid=10001," in mount
    assert ("/tmp:exec" in SERVICES[name]["tmpfs"]) == name.startswith("spark")


def test_what_a_service_waits_for_can_come_true() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES and "profiles" not in SERVICES[needed], f"{name} waits for {needed}"
            ends = needed in ONE_OFF
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy"), (name, needed)


TALKS_TO = {
    "bucket": {"objects"},
    "mlflow": {"postgres", "objects"},
    "airflow-prepare": {"postgres"},
    "airflow-api-server": {"postgres"},
    "airflow-dag-processor": {"postgres", "airflow-api-server"},
    "airflow-triggerer": {"postgres", "airflow-api-server"},
    "airflow-scheduler": {"postgres", "objects", "mlflow", "spark-connect", "airflow-api-server"},
    "spark-worker-1": {"spark-master", "spark-worker-2", "spark-connect"},
    "spark-connect": {"spark-master", "spark-worker-1", "spark-worker-2"},
    "train": {"postgres", "objects", "mlflow"},
    "bi-psql": {"postgres"},
    "bi-watch": {"postgres"},
    "superset": {"postgres"},
}


def test_who_talks_to_whom_shares_a_network_and_the_object_store_is_seen_by_its_users_only() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    for name, others in TALKS_TO.items():
        for other in others:
            assert networks[name] & networks[other], f"{name} cannot reach {other}"
    reaching = {name for name in networks if networks[name] & networks["objects"]} - {"objects"}
    assert reaching == {name for name, others in TALKS_TO.items() if "objects" in others}
    assert COMPOSE["networks"]["store"]["internal"] and COMPOSE["networks"]["spark"]["internal"]


def test_build_targets_and_what_the_image_copies_exist() -> None:
    targets = set(re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert {SERVICES[name]["build"]["target"] for name in OURS} <= targets
    kept = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((REPOSITORY / name).exists() for name in kept)
    assert not {"secrets", ".env", "var", "tests"} & set(kept)
    uv = re.search(r"^UV_VERSION := (\S+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert uv is not None and f"ARG UV_VERSION={uv.group(1)}\n" in DOCKERFILE


def test_every_variable_of_the_file_stands_in_the_example_with_the_same_value() -> None:
    used = set(re.findall(r"\$\{(\w+):-([^}]*)\}", (REPOSITORY / "docker-compose.yml").read_text()))
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    assert used == {tuple(line.split("=", 1)) for line in lines if line and not line.startswith("#")}


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose: apt-get install docker-compose")
@pytest.mark.parametrize("profile", ["", "gpu", "bi"])
def test_compose_itself_accepts_it(profile: str) -> None:
    words = [
        "docker-compose",
        "--env-file",
        ".env.example",
        *(["--profile", profile] if profile else []),
        "config",
        "-q",
    ]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
