"""Where reports are kept: one file a night, each linked to the nights beside it, and a list of all."""

import re
from datetime import date
from pathlib import Path

from pipelines.files import write_atomic
from pipelines.report.page import FOLDER
from pipelines.settings import Settings

INDEX = "index.html"
_NIGHTS = re.compile("<!--nights-->.*?<!--/nights-->", re.DOTALL)  # data is escaped: it cannot hold such a mark
_SAID = re.compile('<meta name="description" content="([^"]*)">')
_NAME = re.compile(r"\d{4}-\d\d-\d\d")


def folder(settings: Settings) -> Path:
    return settings.reports / "night"


def path_of(settings: Settings, night: date) -> Path:
    return folder(settings) / f"{night}.html"


def nights(place: Path) -> list[str]:
    """The nights that have a report, oldest first."""
    return sorted(path.stem for path in place.glob("*.html") if _NAME.fullmatch(path.stem))


def keep(settings: Settings, night: date, text: str) -> Path:
    """Write a night's page whole, and let its neighbours and the list know of it. Again it changes nothing."""
    path = path_of(settings, night)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = sorted({*nights(path.parent), str(night)})
    _write(path, linked(text, str(night), known))
    link(path.parent)
    return path


def forget(settings: Settings, old: list[date]) -> None:
    """Delete these nights' pages; what is left is linked anew."""
    for night in old:
        path_of(settings, night).unlink(missing_ok=True)
    if folder(settings).is_dir():
        link(folder(settings))


def link(place: Path) -> None:
    """Every page names the ones before and after it as they are now, and the list has all. Writes what changed."""
    known = nights(place)
    told = []
    for night in known:
        path = place / f"{night}.html"
        text = path.read_text("utf-8")
        _write(path, linked(text, night, known))
        found = _SAID.search(text)
        told.append((night, found.group(1) if found else ""))
    _write(place / INDEX, _list(told))


def linked(text: str, night: str, known: list[str]) -> str:
    """The page with links to the nights before and after it, as files beside it."""
    earlier = [other for other in known if other < night][-1:]
    later = [other for other in known if other > night][:1]
    links = [f'<li><a rel="prev" href="{n}.html">Earlier: {n}</a></li>' for n in earlier]
    links += [f'<li><a rel="next" href="{n}.html">Later: {n}</a></li>' for n in later]
    links.append(f'<li><a href="{INDEX}">All nights</a></li>')
    nav = f'<nav aria-label="Other nights"><ul class="nights">{"".join(links)}</ul></nav>'
    return _NIGHTS.sub(lambda _: f"<!--nights-->{nav}<!--/nights-->", text, count=1)


def _write(path: Path, text: str) -> None:
    content = text.encode("utf-8", "replace")
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)


def _list(told: list[tuple[str, str]]) -> str:
    """What each page says of itself is escaped in it already."""
    row = '<tr><th scope="row"><a href="{0}.html">{0}</a></th><td class="words">{1}</td></tr>'
    rows = "".join(row.format(night, words) for night, words in reversed(told))
    style, title = (FOLDER / "style.css").read_text(), "Night reports"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>{title}</title>'
        f"<style>{style}</style></head><body><header><h1>{title}</h1></header><main>"
        '<div class="scroll" role="region" aria-label="All nights" tabindex="0"><table>'
        '<thead><tr><th scope="col">Night</th><th scope="col">How it went</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></main></body></html>\n"
    )
