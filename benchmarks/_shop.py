"""The shop a benchmark is run on: a home whose lake is filled, or what a source reads, brought to the lake here."""

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks._measure import nightmarket
from pipelines.settings import Settings

DAILY = re.compile(r"\d{4}-\d{2}-\d{2}\.csv(\.gz)?")


def arguments(name: str, doc: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"benchmarks.{name}", description=doc.splitlines()[0])
    parser.add_argument(
        "--data",
        required=True,
        help="a home of nightmarket (its lake is read, nothing is written), a folder of UCI CSV files, one a day, a"
        " REES46 CSV file, the YAML file of a simulated shop, or complete_journey",
    )
    parser.add_argument("--work", type=Path, help="a folder for what is made: kept, and used again by the next run")
    return parser


@contextmanager
def shop(data: str, work: Path | None) -> Iterator[Settings]:
    """Settings of a home of its own that holds the lake, made in `work` or for this run only."""
    with tempfile.TemporaryDirectory(prefix="nightmarket-shop-") as folder:
        home = (work or Path(folder)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "lake").exists():
            if (Path(data) / "lake").is_dir():
                for name in ("lake", "landing"):  # media lie where they landed
                    (home / name).symlink_to((Path(data) / name).resolve())
            else:
                _fill(home, data)
        yield Settings(home=home)


def _fill(home: Path, data: str) -> None:
    source = source_of(data)
    path = () if source == data else ("--path", data)
    landed = nightmarket(home, "land", "--source", source, *path, "--until", "9999-12-31").result
    batch = ("--from", landed["first"], "--until", landed["last"])
    for step in (("preprocess",), ("audit", "landing"), ("audit", "events"), ("publish-lake",)):
        nightmarket(home, *step, *batch)


def source_of(data: str) -> str:
    """The source that reads this; stops the benchmark where none does."""
    path = Path(data)
    if data == "complete_journey":
        return data
    if path.is_dir() and any(DAILY.fullmatch(file.name) for file in path.iterdir()):
        return "uci_online_retail"
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        return "simulated_shop"
    if path.is_file() and ".csv" in path.name:
        return "rees46"
    raise SystemExit(
        f"--data {data}: neither a home with a lake, a folder of YYYY-MM-DD.csv files, a YAML file, nor a CSV file"
    )
