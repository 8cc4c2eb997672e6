"""What a container's entrypoint makes of the secrets it was given, with a fake command in place of ours."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.settings import REPOSITORY


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder like the image's: the entrypoint, and a command that prints its words and its environment."""
    (tmp_path / "docker").mkdir()
    shutil.copy(REPOSITORY / "docker" / "entrypoint.sh", tmp_path / "docker")
    program = tmp_path / ".venv" / "bin" / "nightmarket"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "words: $*"\nenv\n')
    program.chmod(0o755)
    (tmp_path / "secrets").mkdir()
    return tmp_path


def run(image: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (image / "bin").mkdir(exist_ok=True)
    link = image / "bin" / "nightmarket"  # as /usr/local/bin/nightmarket in the image
    if not link.exists():
        link.symlink_to(image / "docker" / "entrypoint.sh")
    told = {
        "PATH": os.environ["PATH"],
        "NIGHTMARKET_SECRETS": str(image / "secrets"),
        "PGPASSFILE": str(image / "pgpass"),
    }
    return subprocess.run([str(link), *words], env=told, capture_output=True, text=True, check=False)


def test_the_command_gets_its_words_and_no_secret_it_was_not_given(image: Path) -> None:
    done = run(image, "serve", "mlflow")
    assert done.returncode == 0, done.stderr
    assert "words: serve mlflow\n" in done.stdout
    assert "AWS_" not in done.stdout and "HASH_KEY" not in done.stdout
    assert (image / "pgpass").read_text() == ""


def test_passwords_of_roles_become_a_file_that_libpq_accepts(image: Path) -> None:
    for role in ("airflow", "loader"):
        (image / "secrets" / f"pg_{role}").write_text(f"secret of {role}")
        (image / "secrets" / f"pg_{role}").chmod(0o444)
    run(image, "status")
    assert (image / "pgpass").read_text() == "*:*:*:airflow:secret of airflow\n*:*:*:loader:secret of loader\n"
    assert (image / "pgpass").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in image.glob("pgpass*")} == {"pgpass"}


def test_keys_of_the_store_and_of_hashes_become_variables_and_never_words(image: Path) -> None:
    for name in ("s3_access_key", "s3_secret_key", "hash_key"):
        (image / "secrets" / name).write_text(f"the {name}")
    done = run(image, "night")
    for variable, name in (
        ("AWS_ACCESS_KEY_ID", "s3_access_key"),
        ("AWS_SECRET_ACCESS_KEY", "s3_secret_key"),
        ("NIGHTMARKET_HASH_KEY", "hash_key"),
    ):
        assert f"{variable}=the {name}\n" in done.stdout
    assert "words: night\n" in done.stdout


@pytest.mark.parametrize("script", sorted(REPOSITORY.glob("docker/**/*.sh")), ids=lambda path: path.name)
def test_each_script_is_plain_shell(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
