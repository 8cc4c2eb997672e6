"""`nightmarket rules`: hold the file against the catalogue, and say what each rule does tonight."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines import lake
from pipelines.errors import NightmarketError
from pipelines.rules.facts import catalogue, members
from pipelines.rules.file import Rule, RuleFile
from pipelines.rules.kept import Source, file_now, read
from pipelines.rules.nodes import Problem
from pipelines.rules.states import Standing, standings
from pipelines.rules.trial import trial
from pipelines.rules.words import count, words
from pipelines.settings import Settings
from pipelines.steps import Report
from pipelines.training_run import availability


def check(settings: Settings, night: date | None, path: Path | None, try_it: bool, report: Report) -> dict[str, Any]:
    """Report every problem, then every rule in plain words with what it does on the night (default: the newest day in
    the lake); with `try_it`, how the night's lists would change. Writes nothing.

    Raises NightmarketError after that where a night would stop at the file, or a name in it looks misspelt.
    """
    source = file_now(settings) if path is None else _given(path)
    if source.text is None:
        raise NightmarketError(f"there is no {source.name}, so no rules hold; docs/rules.md shows how to write one")
    days = lake.landed_days(settings)
    night = night or (days[-1] if days else datetime.now(UTC).date())
    file, problems = read(source.text, settings, night)
    for problem in problems:
        report(f"{problem.level:<8} {problem}")
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        raise NightmarketError(f"{source.name}: {count(len(errors), 'error')}; the first: {errors[0]}")
    found = _explained(settings, file, night, report) if days else []
    if not days:
        report("the lake is empty: nothing could be held against the catalogue")
    changes = trial(settings, file, night, report) if try_it and days else {}
    odd = [standing for standing in found if standing.is_odd]
    if odd:
        first = Problem(odd[0].rule.line, odd[0].rule.name, odd[0].note)
        raise NightmarketError(f"{source.name}: {count(len(odd), 'rule')} with unknown names; the first: {first}")
    rules = [{"rule": s.rule.name, "line": s.rule.line, "state": s.state, "note": s.note} for s in found]
    warnings = [str(problem) for problem in problems]
    return {"night": night, "digest": file.digest, "rules": rules, "warnings": warnings, **changes}


def _given(path: Path) -> Source:
    try:
        return Source(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise NightmarketError(f"{path} cannot be read: {error}") from error


# ---- in plain words ------------------------------------------------------------------------------------------


def _explained(settings: Settings, file: RuleFile, night: date, report: Report) -> list[Standing]:
    products, people = lake.products(settings, night), lake.users(settings, night)
    sold = lake.interactions(settings, night, settings.training_days)["item_id"].unique()
    users = pa.array(lake.known_users(settings, night, people), pa.string())
    known = catalogue(products, sold)
    on_sale = availability(products, known.items, night)
    report(f"night {night}: {count(int(on_sale.sum()), 'item')} on sale, {count(len(users), 'customer')}")
    found = standings(file, night, products, people, sold)
    for standing in found:
        rule = standing.rule
        report(f"line {rule.line:<4} {rule.name}: {words(rule, file.margin)}")
        if standing.state != "applied":
            report(f"          {'odd' if standing.is_odd else 'note'}: {standing.state}, {standing.note}")
            continue
        if standing.note:
            report(f"          {'odd' if standing.is_odd else 'note'}: {standing.note}")
        report(f"          {_does(rule, known.concerned(rule, file.margin) & on_sale)}{_to(rule, people, users)}")
    return found


def _does(rule: Rule, chosen: np.ndarray) -> str:
    many = count(int(chosen.sum()), "item")
    if rule.kind == "pin":
        return "pins 1 item"
    if rule.kind == "repurchase":
        return "hides what each customer bought; `--dry-run` counts it"
    return f"hides {many}" if rule.is_hard else f"speaks of {many}"


def _to(rule: Rule, people: pa.Table, users: pa.Array) -> str:
    if not rule.segment:
        return ""
    return f", for {count(int(members(rule, people, users).sum()), 'customer')}"
