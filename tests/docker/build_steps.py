"""Run the stages of docker/Dockerfile that make environments without it: `python -m tests.docker.build_steps FOLDER`.

Each RUN line is run as it stands, by `sh`, in a folder that takes the place of the image's /opt/nightmarket, after the
files that its COPY lines name were put there. A machine with Python 3.11 and 10 GB of free disk is needed.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from pipelines.settings import REPOSITORY

IMAGE = "/opt/nightmarket"


def steps(dockerfile: str, stage: str) -> list[tuple[str, str]]:
    """(instruction, words) of one stage; continued lines are joined."""
    joined = re.sub(r"\\\n\s*", "", dockerfile)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    start = next(n for n, line in enumerate(lines) if line.startswith("FROM") and line.endswith(f" AS {stage}"))
    end = next((n for n in range(start + 1, len(lines)) if lines[n].startswith("FROM")), len(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines[start + 1 : end]]


def copy(folder: Path, what: str) -> None:
    """`COPY requirements requirements`, or `COPY . .` with what .dockerignore lets through."""
    source = what.split()[0]
    ignore = (REPOSITORY / ".dockerignore").read_text().splitlines()
    names = [line[1:] for line in ignore if line.startswith("!")] if source == "." else [source]
    for name in names:
        if (REPOSITORY / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "target", "logs", ".user.yml")
            shutil.copytree(REPOSITORY / name, folder / name, dirs_exist_ok=True, ignore=left_out)
        else:
            shutil.copy(REPOSITORY / name, folder / name)


def main(folder: Path) -> None:
    base = folder / "base"  # in place of the image's own Python
    venv.create(base, with_pip=True)
    work = folder / "nightmarket"
    work.mkdir(parents=True, exist_ok=True)
    told = {**os.environ, "PATH": f"{base / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    dockerfile = (REPOSITORY / "docker" / "Dockerfile").read_text()
    for instruction, words in steps(dockerfile, "environments") + steps(dockerfile, "dashboards"):
        print(instruction, words, flush=True)
        if instruction == "ARG":
            name, _, value = words.partition("=")
            told.setdefault(name, value)
        elif instruction == "ENV":
            told |= dict(pair.split("=", 1) for pair in words.split())
        elif instruction == "COPY":
            copy(work, words)
        elif instruction == "RUN":
            command = words.replace(IMAGE, str(work)).replace("/tmp/", f"{folder}/")
            subprocess.run(["sh", "-c", command], cwd=work, env=told, check=True)
    programs = (
        ".venv/bin/nightmarket --help",
        ".venv-airflow/bin/airflow version",
        ".venv/bin/mlflow --version",
        ".venv-superset/bin/gunicorn --version",
    )
    for program in programs:
        subprocess.run(program.split(), cwd=work, env=told, check=True, stdout=subprocess.DEVNULL)
    print("every step ended well", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
