"""What needs a person, gathered from all sections: what stopped the night first, then what to look at, then notes."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.monitoring.model import OLDEST_DAYS
from pipelines.report.gather import Gathered
from pipelines.report.words import duration, number, plural, said

STOPPED, LOOK, NOTE = "stopped", "look", "note"
LEVELS = (STOPPED, LOOK, NOTE)


@dataclass(frozen=True)
class Item:
    level: str
    text: str
    anchor: str


def attention(found: Gathered) -> list[Item]:
    """In order of urgency; empty after a quiet night."""
    items = [*_night(found), *_audits(found), *_deliveries(found), *_monitor(found), *_models(found), *_people(found)]
    return sorted(items, key=lambda item: LEVELS.index(item.level))


def headline(found: Gathered) -> str:
    """Whether the night was published, in one sentence."""
    night, state = found.night, found.outcome.state
    by_pass = f" with the history pass {found.outcome.batch}" if ".." in found.outcome.batch else ""
    sees = f"BI sees night {found.shown}." if found.shown else "BI sees no night yet."
    if state == "published":
        closed = " It was a closed day." if found.outcome.is_closed else ""
        shown = "" if found.shown == night else f" {sees}"
        return f"Night {night} is published{by_pass}.{closed}{shown}"
    if state == "failed later":
        return f"Night {night} was published; {_names(found)} failed after that. {sees}"
    if state == "failed":
        return f"Night {night} is not published: {_names(found)} failed. {sees}"
    return f"Night {night} is not published yet: its last step is {found.outcome.runs[-1]['step']}. {sees}"


def _names(found: Gathered) -> str:
    return ", ".join(row["step"] for row in found.outcome.failed)


def _night(found: Gathered) -> Iterator[Item]:
    for row in found.outcome.failed:
        yield Item(STOPPED, f"Step {row['step']} failed: {said(row['error'])}", "steps")
    if found.outcome.state == "unfinished":
        yield Item(STOPPED, headline(found), "steps")
    for row in found.steps:
        if row["is_slow"]:
            took = f"{duration(row['seconds'])}, usually {duration(row['median'])}"
            yield Item(NOTE, f"Step {row['step']} took {took}", "steps")


def _audits(found: Gathered) -> Iterator[Item]:
    for row in found.audits:
        if not row["success"]:
            critical = row["severity"] == "critical"
            verdict = "Audit failed" if critical else "Audit warned"
            text = f"{verdict}: {said(row['expectation'])} ({said(row['observed'])})"
            yield Item(STOPPED if critical else LOOK, text, "audits")
    for row in found.overrides:
        text = f"{plural(row['rows_quarantined'] or 0, 'row')} of {row['entity']} accepted in quarantine"
        yield Item(NOTE, f"{text}, because: {said(row['reason'])}", "quarantine")


def _deliveries(found: Gathered) -> Iterator[Item]:
    for row in found.delivered.entities:
        if row["is_missing"]:
            yield Item(LOOK, f"No file of {row['entity']} came, as it did with each of the last deliveries", "files")
        if row["is_above"]:
            share = row["rows_quarantined"] / row["rows_in"]
            usual = number(row["usual_share"] or 0.0, "share")
            text = f"{number(share, 'share')} of {row['entity']} is quarantined, usually {usual}"
            yield Item(LOOK, text, "quarantine")


def _monitor(found: Gathered) -> Iterator[Item]:
    for row in found.monitor:
        if row["alarm"]:
            what = " ".join(said(row[name], 80) for name in ("area", "name", "part") if row[name])
            yield Item(LOOK, f"Alarm: {what}: {said(row['message'])}", "monitor")


def _models(found: Gathered) -> Iterator[Item]:
    for family in found.families:
        champion = family["champion"]
        if champion and champion["age"] > OLDEST_DAYS:
            age = plural(champion["age"], "day")
            yield Item(NOTE, f"The champion of {family['family']} knows nothing of the last {age}", "models")
    learnt = any(family["family"] == "recommender" and family["champion"] for family in found.families)
    if found.scored_by and not learnt:
        names = ", ".join(said(row["model_name"], 40) for row in found.scored_by)
        yield Item(NOTE, f"There is no recommender champion as of this night: the lists come from {names}", "models")


def _people(found: Gathered) -> Iterator[Item]:
    for row in found.short_lists:
        users = plural(row["users"] or 0, "list is shorter", "lists are shorter")
        yield Item(NOTE, f"{users} than asked: {said(row['reason'])}", "lists")
    for row in found.rule_effects:
        if row["state"] == "skipped":
            yield Item(LOOK, f"Business rule {said(row['rule'], 80)} was skipped: {said(row['note'])}", "rules")
    queue = found.support
    if queue and queue["waiting"] and queue["as_of"] <= found.night:
        waiting = plural(queue["waiting"], "customer question waits", "customer questions wait")
        oldest = plural(queue["oldest"], "day")
        text = f"{waiting} for an answer, {queue['handed']:,} of them for a person; the oldest for {oldest}"
        yield Item(LOOK, text, "support")
