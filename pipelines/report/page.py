"""The page itself: what was gathered, said in HTML. All text from data is escaped; no script, no request."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from pipelines.report import charts, lists, words
from pipelines.report.attention import LOOK, STOPPED, Item, attention, headline
from pipelines.report.gather import Gathered

FOLDER = Path(__file__).parent
SECTIONS = (
    ("headline", "Did the night publish?"),
    ("attention", "What needs a person"),
    ("kpis", "The shop"),
    ("lists", "What people are shown"),
    ("models", "Models"),
    ("monitor", "Drift and monitoring"),
    ("audits", "Audits"),
    ("files", "What was delivered"),
    ("quarantine", "Quarantine"),
    ("rules", "Business rules"),
    ("support", "Customer questions"),
    ("steps", "Steps"),
)
DRAWN_MODELS = 12


def page(found: Gathered) -> str:
    """The HTML of a night; equal for equal contents. The links to other nights are put in by `kept.link`."""
    items = attention(found)
    text = _template().render(
        g=found,
        sections=SECTIONS,
        headline=headline(found),
        summary=summary(items),
        level=_level(found, items),
        items=items,
        style=Markup((FOLDER / "style.css").read_text()),  # noqa: S704  a file of this folder; nothing from outside is in it
        kpi_charts=[_kpi_chart(one) for one in found.kpis["charts"]],
        families=[{"facts": family, "charts": _family_charts(family)} for family in found.families],
        step_chart=_step_chart(found),
    )
    return text + "\n"


def summary(items: list[Item]) -> str:
    """How much needs a person."""
    urgent = sum(item.level in (STOPPED, LOOK) for item in items)
    return f"{words.plural(urgent, 'thing needs', 'things need')} a person." if urgent else "Nothing needs a person."


def _level(found: Gathered, items: list[Item]) -> str:
    if found.outcome.state != "published":
        return STOPPED
    return LOOK if any(item.level in (STOPPED, LOOK) for item in items) else "good"


@cache
def _template() -> Template:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "said": words.said, "number": words.number, "change": words.change, "moment": words.moment,
        "alt": lists.alt, "anchor": _anchor,
    }  # fmt: skip
    return made.get_template("page.html")


def _anchor(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", str(text).lower()).strip("-")


def _kpi_chart(one: dict[str, Any]) -> tuple[str, Markup]:
    measure = one["measure"]
    title = f"{measure.label}, {one['days'][0]} to {one['days'][-1]}"
    series = {measure.label: one["values"]}
    return title, charts.course(f"kpi-{_anchor(measure.column)}", title, one["days"], series, measure.kind)


def _family_charts(family: dict[str, Any]) -> list[tuple[str, Markup]]:
    if not family["latest"]:
        return []
    key, latest = _anchor(family["family"]), family["latest"][:DRAWN_MODELS]
    rows = [(row["model_name"], row["low"], row["value"], row["high"], row["is_champion"]) for row in latest]
    title = f"{family['metric']} up to {family['until']}, slice {family['slice']}, with 95 % intervals"
    drawn = [(title, charts.intervals(f"now-{key}", title, rows))]
    days = sorted({day for values in family["course"].values() for day in values})
    if len(days) > 1:
        champion = (family["champion"] or {}).get("model_name", "")
        series = {name: [values.get(day) for day in days] for name, values in sorted(family["course"].items())}
        title = f"{family['metric']} of each evaluation"
        chart = charts.course(f"course-{key}", title, days, series, "metric", bold=champion)
        drawn.append((title, chart + charts.legend(list(series), champion)))
    return drawn


def _step_chart(found: Gathered) -> Markup:
    rows = [(row["step"], row["seconds"] or 0.0, row["median"]) for row in found.steps]
    return charts.bars("steps-now", "Seconds of each step", rows, "seconds")
