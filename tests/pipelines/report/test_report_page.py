"""The page of a night: what it says, that it says data as text, and that it holds on its own."""

import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.registry import Promotion, promote
from pipelines.contracts import OPS_RUNS, RAW_TABLES
from pipelines.errors import NightmarketError, UsageError
from pipelines.media.store import FOLDER, put
from pipelines.report import with_report, write_report
from pipelines.report.attention import attention, headline
from pipelines.report.delivered import is_above
from pipelines.report.gather import gather
from pipelines.report.kept import path_of
from pipelines.report.page import FOLDER as FOLDER_OF_PAGE
from pipelines.report.page import SECTIONS, page
from pipelines.report.words import change, duration, number, said
from pipelines.settings import Settings, night
from pipelines.steps import STEPS, run_step
from tests.pipelines.report.told import BEFORE, HOSTILE, NIGHT, Read, at, contrast, fill, made, ran, write


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("filled"), shop="shop")
    fill(settings)
    out = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(out, "PNG")
    digest = put(settings.landing / "shop" / FOLDER, out.getvalue())
    picture = {"landing_date": BEFORE, "file": "f", "line": 1, "position": 1, "uri": "a.png"}
    lost = {**picture, "item_id": "i1", "content_hash": "0" * 64}
    write(settings, RAW_TABLES["product_images"], [{**picture, "item_id": "i0", "content_hash": digest}, lost])
    reason = HOSTILE[0]
    known = {"cutoff": str(NIGHT - timedelta(30)), "known_until": str(NIGHT - timedelta(20))}
    promote(settings.models, Promotion("recommender", "blend", "b1", promoted_at=str(BEFORE), reason=reason, **known))
    return settings


@pytest.fixture(scope="module")
def read(filled: Settings) -> Read:
    return Read(page(gather(filled, NIGHT)))


def test_a_page_full_of_hostile_texts_is_whole_and_asks_nobody(read: Read) -> None:
    read.check()
    assert "{{ 7 * 7 }}" in read.said and "49" not in read.said.split()
    assert "\x07" not in read.text and "\ufffe" not in read.text
    assert "alert(1)" in read.said  # as words, not as a script
    assert max(map(len, read.words)) < 5000 or HOSTILE[3] not in read.said  # cut


def test_every_section_is_in_the_list_of_contents(read: Read) -> None:
    assert [href for href in read.links() if href.startswith("#")][1 : len(SECTIONS) + 1] == [
        f"#{a}" for a, _ in SECTIONS
    ]
    heads = [given.get("id") for tag, given in read.tags if tag in ("h1", "h2", "h3")]
    assert all(heads) and set(heads) >= {anchor for anchor, _ in SECTIONS}


def test_what_needs_a_person_is_gathered_in_order_of_urgency(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.report.attention.OLDEST_DAYS", 14)
    items = attention(gather(filled, NIGHT))
    told = [(item.level, item.anchor) for item in items]
    assert told == [
        ("look", "audits"),
        ("look", "quarantine"),
        ("look", "files"),
        ("look", "monitor"),
        ("look", "rules"),
        ("look", "support"),
        *[("note", "steps")] * 5,
        ("note", "models"),
        ("note", "lists"),
    ]
    words = [item.text for item in items]
    assert words[1] == "5.0 % of events is quarantined, usually 0.0 %"
    assert words[2].startswith("No file of users came")
    assert words[5].startswith("3 customer questions wait for an answer, 2 of them for a person; the oldest for 9 days")
    assert words[11] == "The champion of recommender knows nothing of the last 20 days"
    assert words[6] == "Step land took 1 min 40 s, usually 12.0 s"  # of 11, 12 and 13 seconds


def test_figures_are_held_against_the_same_weekday_and_four_weeks(filled: Settings) -> None:
    told = {row["label"]: row for row in gather(filled, NIGHT).kpis["rows"]}
    revenue = told["Revenue"]
    assert (float(revenue["now"]), float(revenue["week"]), revenue["days"]) == (150.0, 100.0, 7)
    assert revenue["mean"] == pytest.approx((100 + 6 * 80) / 7)
    assert change(revenue["now"], revenue["week"], "money") == "+50.0 %"
    share = told["Purchases per session"]
    assert change(share["now"], share["mean"], "share") == "+1.0 pp"
    assert "Carts per view" not in told  # the shop does not log it: no row of dashes


def test_lists_are_of_those_who_have_one_with_pictures_where_there_are_any(filled: Settings, read: Read) -> None:
    lists = {one["who"]: one for one in gather(filled, NIGHT).lists}
    assert {who: one["name"] for who, one in lists.items()} == {
        "A heavy customer": "heavy",
        "A light customer": HOSTILE[0],
        "A new customer": "newcomer",
        "A visitor": "everybody",
    }
    assert [row["title"] for row in lists["A heavy customer"]["rows"]] == list(HOSTILE)
    assert [bool(row["picture"]) for row in lists["A heavy customer"]["rows"]] == [True, False, False, False, False]
    assert len(read.all("img")) == 4
    assert read.all("img")[0]["alt"] == f"Picture of {HOSTILE[0]}"


def test_the_champion_stands_out_against_floors_and_over_time(filled: Settings) -> None:
    (family,) = gather(filled, NIGHT).families
    assert [row["model_name"] for row in family["latest"]] == ["blend", HOSTILE[0], "popular"]
    assert [row["is_champion"] for row in family["latest"]] == [True, False, False]
    assert family["course"]["blend"] == {NIGHT - timedelta(9): 0.291, NIGHT - timedelta(2): 0.298}
    assert (family["champion"]["age"], family["until"]) == (20, NIGHT - timedelta(2))


def test_the_page_is_equal_for_an_equal_warehouse_on_either_database(
    filled: Settings, either: Settings, tmp_path: Path
) -> None:
    fill(either)
    assert page(gather(either, NIGHT)) == page(gather(either, NIGHT))
    ours, theirs = (gather(settings, NIGHT) for settings in (filled, either))
    for name in ("outcome", "steps", "audits", "delivered", "short_lists", "rule_effects", "monitor", "support"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.kpis["rows"] == theirs.kpis["rows"]


# ---- nights that did not go well -----------------------------------------------------------------------------------


def test_a_night_that_failed_says_why_and_what_bi_sees(settings: Settings) -> None:
    ran(settings, BEFORE)
    ran(settings, score="the audit of scores failed: <b>3 lists</b> break a rule")
    found = gather(settings, NIGHT)
    assert headline(found) == "Night 2024-05-08 is not published: score failed. BI sees no night yet."
    assert attention(found)[0].text.startswith("Step score failed: the audit of scores failed: <b>3 lists</b>")
    read = Read(page(found))
    read.check()
    assert "&lt;b&gt;3 lists" in read.text and "There are no key figures yet" in read.said
    assert found.outcome.published_at is None


def test_a_night_that_failed_later_was_published(settings: Settings) -> None:
    ran(settings)
    again = {"night": str(NIGHT), "step": "score", "status": "failed", "error": "no", "seconds": 1.0}
    times = {"started_at": at(NIGHT, 8), "finished_at": at(NIGHT, 9)}
    write(settings, OPS_RUNS, [{**again, **times}])
    assert headline(gather(settings, NIGHT)).startswith("Night 2024-05-08 was published; score failed after that.")


def test_a_day_of_a_history_pass_is_found_in_it(settings: Settings) -> None:
    ran(settings)
    row = {"night": "2024-04-01..2024-05-07", "step": "publish", "status": "done", "rows": 1, "seconds": 1.0}
    write(settings, OPS_RUNS, [{**row, "started_at": at(BEFORE, 1), "finished_at": at(BEFORE, 2)}])
    found = gather(settings, BEFORE - timedelta(5))
    assert "with the history pass 2024-04-01..2024-05-07" in headline(found)
    assert gather(settings, NIGHT).outcome.batch == str(NIGHT)


def test_a_shop_without_anything_has_a_page_and_an_unknown_night_has_none(settings: Settings) -> None:
    ran(settings)
    found = gather(settings, NIGHT)
    read = Read(page(found))
    read.check()
    assert attention(found) == []
    for words in ("Nothing needs a person", "Not measured", "There are no lists", "Nothing was learned yet"):
        assert words in read.said
    with pytest.raises(UsageError, match="no run of night 2024-05-07 is on record"):
        gather(settings, BEFORE)


def test_a_report_that_cannot_be_had_is_said_and_stops_nothing(settings: Settings) -> None:
    lines: list[str] = []
    assert with_report(settings, NIGHT, lines.append, lambda: {"batch": "b"}) == {"batch": "b", "report": None}
    assert "report          FAILED" in lines[-1]


def test_a_night_that_fails_fails_as_before_and_has_a_report(settings: Settings) -> None:
    def fails() -> dict:
        ran(settings, score="no champion")
        raise NightmarketError("no champion")

    with pytest.raises(NightmarketError, match="no champion"):
        with_report(settings, NIGHT, lambda line: None, fails)
    assert "is not published: score failed" in path_of(settings, NIGHT).read_text()


def test_examples_of_quarantine_are_as_it_keeps_them(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.dataset as ds

    from pipelines import lake
    from pipelines.contracts import QUARANTINE_SCHEMA

    rows = [
        {
            "landing_date": day,
            "entity": "events",
            "reason": HOSTILE[0],
            "file": "f",
            "line": n,
            "raw": f"[email] {n} {raw}",
        }
        for day in (BEFORE, NIGHT)
        for n, raw in enumerate(HOSTILE)
    ]
    kept = ds.dataset(pa.Table.from_pylist(rows[::-1], QUARANTINE_SCHEMA))
    monkeypatch.setattr(lake, "dataset", lambda *_: kept)
    found = gather(filled, NIGHT)
    assert [one["line"] for one in found.delivered.quarantine[0]["examples"]] == [0, 1, 2]
    read = Read(page(found))
    read.check()
    assert f"[email] 0 {HOSTILE[0]}" in read.said


def test_what_a_night_refused_is_shown_though_it_stopped_before_the_lake(settings: Settings) -> None:
    seen = {"event_type": "view", "occurred_at": f"{NIGHT}T10:00:00Z", "user_id": "u", "item_id": "i"}
    lines = [json.dumps({**seen, "event_id": f"e{n}"}) for n in range(5)] + ['{"torn <b>'] * 10
    folder = settings.landing / "shop" / "events" / f"date={NIGHT}"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    run_step(settings, STEPS["preprocess"], night(NIGHT), lambda line: None)
    row = {"night": str(NIGHT), "step": "audit-landing", "status": "failed", "error": "too many", "seconds": 1.0}
    write(settings, OPS_RUNS, [{**row, "started_at": at(NIGHT, 1), "finished_at": at(NIGHT, 2)}])
    told = write_report(settings, NIGHT)
    assert told["needs_a_person"] == [
        "stopped: Step audit-landing failed: too many",
        "look: 66.7 % of events is quarantined, usually 0.0 %",
    ]
    found = gather(settings, NIGHT).delivered
    assert [(r["entity"], r["files"], r["rows_in"], r["rows_quarantined"]) for r in found.entities] == [
        ("events", 1, 15, 10)
    ]
    assert [(r["rows"], [one["raw"] for one in r["examples"]]) for r in found.quarantine] == [(10, ['{"torn <b>'] * 3)]
    read = Read(Path(told["report"]).read_text())
    read.check()
    assert "The night stopped before these rows were in the lake" in read.said and '{"torn <b>' in read.said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_stands_out_from_what_it_is_on(scheme: str) -> None:
    light, dark = (FOLDER_OF_PAGE / "style.css").read_text().split("@media (prefers-color-scheme:dark)")
    found = dict(re.findall(r"--(\w+):(#[0-9a-f]+)", light if scheme == "light" else dark.split("}}")[0]))
    for text in ("ink", "soft", "link", "good", "look", "stopped", "note"):
        for back in ("paper", "panel"):
            assert contrast(found[text], found[back]) >= 4.5, (text, back)
    for line in (f"s{n}" for n in range(6)):
        assert contrast(found[line], found["paper"]) >= 3, line


# ---- words and numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1234567, "count", "1,234,567"), (None, "count", "–"), (0.1234, "share", "12.3 %"), (1.5, "money", "1.50"),
        (59.94, "seconds", "59.9 s"), (0.12346, "metric", "0.1235"),
    ],
)  # fmt: skip
def test_numbers_are_said_as_people_write_them(value: float | None, kind: str, text: str) -> None:
    assert number(value, kind) == text


def test_durations_and_changes() -> None:
    assert [duration(s) for s in (5, 185, 3720, 3599.7)] == ["5.0 s", "3 min 05 s", "1 h 02 min", "1 h 00 min"]
    assert [change(*pair) for pair in ((3, 2), (0, 0), (1, 0), (None, 1))] == ["+50.0 %", "0.0 %", "–", "–"]


@given(st.text(st.characters(), max_size=400))
def test_whatever_the_data_says_can_be_written(text: str) -> None:
    shown = said(text)
    assert len(shown) <= 301
    shown.encode()
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)


def test_more_than_usual_is_more_than_chance_explains() -> None:
    assert not is_above(22, 1000, 0.01)  # 10 + 3 * 3.146 + 3 = 22.4
    assert is_above(23, 1000, 0.01)
    assert (is_above(3, 1000, 0.0), is_above(4, 1000, 0.0), is_above(0, 0, 0.0)) == (False, True, False)


def test_the_result_of_the_command_is_json(settings: Settings) -> None:
    ran(settings)
    made(settings, "ops.monitor", [])
    told = write_report(settings, NIGHT)
    assert json.loads(json.dumps(told))["headline"] == "Night 2024-05-08 is published. BI sees no night yet."
