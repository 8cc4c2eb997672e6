"""Reports are kept one file a night, whole, linked to the nights beside them, and again changes nothing."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines import files
from pipelines.report import write_report
from pipelines.report.kept import folder, forget, keep, linked, path_of
from pipelines.settings import Settings
from tests.pipelines.report.told import BEFORE, NIGHT, Read, ran

LATER = NIGHT + timedelta(5)


def links_of(path: Path) -> list[str]:
    return [href for href in Read(path.read_text()).links() if not href.startswith("#")]


def test_nights_lead_to_each_other_in_whatever_order_they_are_written(settings: Settings) -> None:
    for night in (NIGHT, LATER, BEFORE):
        ran(settings, night)
        write_report(settings, night)
    place = folder(settings)
    assert links_of(path_of(settings, BEFORE)) == [f"{NIGHT}.html", "index.html"]
    assert links_of(path_of(settings, NIGHT)) == [f"{BEFORE}.html", f"{LATER}.html", "index.html"]
    assert links_of(place / "index.html") == [f"{LATER}.html", f"{NIGHT}.html", f"{BEFORE}.html"]
    for path in place.iterdir():
        Read(path.read_text()).check(place)
    assert "is published" in Read((place / "index.html").read_text()).said
    forget(settings, [NIGHT])
    assert links_of(path_of(settings, LATER)) == [f"{BEFORE}.html", "index.html"]


def test_written_again_every_file_is_the_same_file(settings: Settings) -> None:
    for night in (BEFORE, NIGHT):
        ran(settings, night)
        write_report(settings, night)
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in folder(settings).iterdir()}
    write_report(settings, BEFORE)
    assert {path: (path.read_bytes(), path.stat().st_ino) for path in folder(settings).iterdir()} == before
    assert len(before) == 3


def test_a_page_that_could_not_be_written_leaves_the_old_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "<p><!--nights--><!--/nights-->one</p>"
    path = keep(settings, NIGHT, text)
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        keep(settings, NIGHT, text.replace("one", "two"))
    assert path.read_text().endswith("one</p>")
    assert sorted(p.name for p in folder(settings).iterdir()) == [path.name, "index.html"]


def test_only_the_first_place_for_links_is_one() -> None:
    text = "<!--nights--><!--/nights--> <!--nights-->data<!--/nights-->"
    assert linked(text, str(NIGHT), [str(NIGHT)]).endswith("<!--nights-->data<!--/nights-->")
