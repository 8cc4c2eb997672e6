"""Run the benchmarks one after the other and write what they found, with commit, date and command, as RESULTS.md.

    make bench SEQUENCES=Beauty.txt SHOP=FOLDER_OF_UCI_CSVS [REVIEWS=reviews.parquet] [SEARCH=pairs.parquet]

`SEQUENCES` is a file of the S3-Rec form, `SHOP` a folder of UCI CSV files, one a day; complete_journey comes with the
package. `REVIEWS` has the columns of the clothing reviews (Review Text, Title, Rating), `SEARCH` those of the
CrowdFlower pairs (query, product_title, product_description, median_relevance); without them what needs them is left
out. A benchmark that fails is named in the table, the others go on, and the whole ends with 1.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._measure import ROOT

RESULTS = ROOT / "benchmarks" / "RESULTS.md"


@dataclass(frozen=True)
class Wanted:
    name: str
    arguments: tuple[str, ...]

    def command(self) -> list[str]:
        return [sys.executable, "-m", f"benchmarks.{self.name}", *self.arguments]

    @property
    def title(self) -> str:
        """Of its section: what ran on what."""
        return " ".join([self.name, *(Path(word).name for word in self.arguments[1:2])])

    def said(self) -> str:
        """The command as another machine would give it: of a path only its name."""
        return shlex.join(
            [".venv/bin/python", *(Path(word).name if "/" in word else word for word in self.command()[1:])]
        )


RATED = ("--text", "Review Text", "--label", "Rating", "--positive-from", "4", "--negative-to", "2")
PAIRS = ("--query", "query", "--title", "product_title", "--description", "product_description")


def wanted(sequences: str, shop: str, reviews: str = "", search: str = "") -> list[Wanted]:
    """Those of texts stand last; what has no data is not among them."""
    of_reviews = [
        Wanted("sentiment", ("--data", reviews, *RATED)),
        Wanted("texts", ("--data", reviews, *RATED)),
        Wanted("keywords", ("--data", reviews, "--text", "Review Text", "--title", "Title")),
    ]
    of_search = [Wanted("search", ("--data", search, *PAIRS, "--grade", "median_relevance"))]
    return [
        Wanted("sequential", ("--data", sequences)),
        Wanted("training", ("--data", sequences)),
        Wanted("timesplit", ("--data", shop, "--until", "2011-09-30")),
        Wanted("timesplit", ("--data", "complete_journey", "--until", "2017-12-27")),
        Wanted("second_stage", ("--data", shop, "--until", "2011-09-30")),
        Wanted("second_stage", ("--data", "complete_journey", "--until", "2017-12-27")),
        Wanted("explanations", ("--data", shop, "--until", "2011-09-30")),
        Wanted("explanations", ("--data", "complete_journey", "--until", "2017-12-27", "--config", "quick")),
        Wanted("cold_start", ("--data", shop, "--from", "2011-07-01", "--nights", "77")),
        Wanted("cold_start", ("--data", "complete_journey", "--from", "2017-04-01", "--config", "quick")),
        Wanted("cold_items", ("--data", shop)),
        Wanted("graph", ("--data", shop, "--until", "2011-09-30")),
        Wanted("scoring", ("--data", sequences)),
        Wanted("preprocess", ("--data", shop)),
        Wanted("nights", ("--data", shop)),
        Wanted("morning", ("--data", shop)),
        Wanted("off_policy", ()),
        Wanted("drift", ()),
        Wanted("closed_loop", ()),
        Wanted("aspects", ()),
        Wanted("intent", ()),
        Wanted("masking", ()),
        *(of_reviews if reviews else []),
        *(of_search if search else []),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.everything", description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", required=True, help="a file of the S3-Rec form")
    parser.add_argument("--shop", required=True, help="a folder of UCI CSV files, one a day")
    parser.add_argument("--reviews", default="", help="CSV or Parquet with Review Text, Title, Rating")
    parser.add_argument("--search", default="", help="CSV or Parquet of judged pairs")
    parser.add_argument(
        "--only", nargs="*", default=(), help="benchmarks, or titles of sections; the other sections stay"
    )
    asked = parser.parse_args()
    failed = []
    for one in wanted(asked.sequences, asked.shop, asked.reviews, asked.search):
        if asked.only and not {one.name, one.title} & set(asked.only):
            continue
        print(f"== {one.said()}", flush=True)
        started = time.monotonic()
        last, code = run(one)
        if code != 0:
            failed.append(one.said())
        write(one, last, code, time.monotonic() - started)
    if failed:
        raise SystemExit(f"failed: {'; '.join(failed)}")


def run(one: Wanted) -> tuple[str, int]:
    """Its last line and its exit code. What it says is shown as it comes."""
    last = ""
    with subprocess.Popen(one.command(), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.strip() or last
            print(line, end="", flush=True)
    return last, process.returncode


def write(one: Wanted, last: str, code: int, took: float) -> None:
    """Put the section of this benchmark in the place of its last one."""
    sections = kept(RESULTS.read_text() if RESULTS.exists() else "")
    lines = [f"    {one.said()}", "", f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {machine()}, {took:.0f} s"]
    if code != 0:
        lines += ["", f"**It ended with {code}.**"]
    elif last:
        found = json.loads(last)
        if "data" in found:
            found["data"] = Path(found["data"]).name
        lines += ["", *as_lines(found)]
    sections[one.title] = "\n".join(lines)
    head = "# Results\n\nWritten by `make bench`; what each figure means stands at the top of the benchmark's file.\n"
    body = "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())
    RESULTS.write_text(head + body)


def kept(text: str) -> dict[str, str]:
    """The sections of an earlier RESULTS.md by their title."""
    parts = text.split("\n## ")[1:]
    return {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1].strip("\n") for part in parts}


def as_lines(found: dict[str, Any], within: str = "") -> list[str]:
    """A line for each value, then a table of each group of rows, and the same again of each group of groups."""
    lines: list[str] = []
    groups: list[str] = []
    alike = {name: list(rows) for name, rows in _alike(found).items() if len(rows) > 1}
    for key, value in found.items():
        name = f"{within}{key}"
        rows = next((rows for rows in alike.values() if key in rows), None)
        if rows is not None:
            if key == rows[0]:  # the table stands where its first row did
                groups += as_table(within.removesuffix(", "), {row: found[row] for row in rows})
        elif isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
            groups += (
                as_table(name, value) if is_table(value) else ["", f"**{name}**", "", *as_lines(value, f"{name}, ")]
            )
        elif not isinstance(value, list):
            lines.append(f"- {key}: {said(value)}")
    return lines + groups


def _alike(found: dict[str, Any]) -> dict[tuple[str, ...], list[str]]:
    """Names of values that are rows with the same columns, by these."""
    result: dict[tuple[str, ...], list[str]] = {}
    for key, value in found.items():
        if isinstance(value, dict) and is_table({key: value}) and not all(isinstance(v, dict) for v in value.values()):
            result.setdefault(tuple(value), []).append(key)
    return result


def is_table(value: dict[str, Any]) -> bool:
    """Rows by name, whose cells are no groups themselves."""
    rows = list(value.values())
    return all(isinstance(row, dict) for row in rows) and not any(
        isinstance(part, dict)
        for row in rows
        for cell in row.values()
        if isinstance(cell, dict)
        for part in cell.values()
    )


def as_table(name: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    body = [f"| {key} | " + " | ".join(said(row.get(c)) for c in columns) + " |" for key, row in rows.items()]
    return ["", f"| {name} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|", *body]


def said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {said(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(said, value)) + "]"
    return "" if value is None else str(value)


def commit() -> str:
    """The commit, marked where files beside RESULTS.md differ from it."""
    changed = _git("status", "--porcelain", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> str:
    return f"{os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
