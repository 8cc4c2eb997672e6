"""Media from a delivered folder to the lake's door: what is good passes, all else is quarantined file by file."""

import hashlib
import json
import os
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipelines import fence, landing
from pipelines.contracts import PRODUCT_AUDIO, PRODUCT_IMAGES, QUARANTINE
from pipelines.errors import UsageError
from pipelines.land import land
from pipelines.media import delivered, store, verdicts
from pipelines.media.delivered import read_inside
from pipelines.media.faulty import MediaError
from pipelines.preprocess.job import preprocess
from pipelines.settings import Settings, night
from tests.pipelines.learning import commit
from tests.pipelines.media.malformed import JPEG, PICTURES, PNG, SOUNDS, Files

DAY = date(2026, 11, 2)
WAYS = {  # uris that are no file of the folder, and why
    "https://example.org/a.jpg": delivered.NOT_LOCAL,
    "file://example.org/a.jpg": delivered.NOT_LOCAL,
    "data:image/png;base64,AAAA": delivered.NOT_LOCAL,
    "../secret.jpg": delivered.OUTSIDE,
    "inner/../../secret.jpg": delivered.OUTSIDE,
    "file:///etc/passwd": delivered.OUTSIDE,
    "/etc/passwd": delivered.OUTSIDE,
    "%2e%2e/secret.jpg": delivered.NO_FILE,  # a path is taken letter by letter
    "none.jpg": delivered.NO_FILE,
    "link.jpg": delivered.NOT_REGULAR,
    "linked/secret.jpg": delivered.NOT_REGULAR,
    "inner": delivered.NOT_REGULAR,
    "pipe.jpg": delivered.NOT_REGULAR,
    "x" * 300: delivered.NOT_REGULAR,
    ".": delivered.NO_FILE,
}


def lay_out(folder: Path, files: Files) -> Path:
    """The files, with ways out of the folder beside them."""
    folder.mkdir(parents=True)
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    (folder / "inner").mkdir()
    secret = folder.parent / "secret.jpg"
    secret.write_bytes(JPEG)
    (folder / "link.jpg").symlink_to(secret)
    (folder / "linked").symlink_to(folder.parent)
    os.mkfifo(folder / "pipe.jpg")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A mapping with a row for every malformed file and every way out of the folder."""
    lay_out(tmp_path / "origin" / "pictures", PICTURES)
    lay_out(tmp_path / "origin" / "sounds", SOUNDS)
    entities = {}
    for entity, folder, files in ((PRODUCT_IMAGES, "pictures", PICTURES), (PRODUCT_AUDIO, "sounds", SOUNDS)):
        lines = [f'p{n},"{uri}"' for n, uri in enumerate([*files, *WAYS, ""])]
        (tmp_path / "origin" / f"{folder}-{DAY}.csv").write_text("\n".join(["sku,file", *lines]) + "\n")
        columns = {"item_id": "sku", "uri": "file", "position": {"const": 1}}
        entities[entity.name] = {
            "glob": f"{folder}-*.csv", "delivered_on": "filename", "columns": columns, "media": folder,
        }  # fmt: skip
    events = "at,kind\n" + f"{DAY}T08:00:00Z,search\n"
    (tmp_path / "origin" / f"events-{DAY}.csv").write_text(events)
    entities["events"] = {
        "glob": "events-*.csv", "delivered_on": "filename",
        "columns": {"occurred_at": "at", "event_type": "kind", "query": {"const": "mug"}},
    }  # fmt: skip
    path = tmp_path / "origin" / "shop.yaml"
    path.write_text(yaml.safe_dump({"timezone": "UTC", "entities": entities}))
    return path


def test_every_malformed_file_is_quarantined_for_its_own_reason(settings: Settings, shop: Path) -> None:
    land(settings, "files", shop, None, None)
    attempt = fence.take(settings, "preprocess", str(DAY))
    manifest = preprocess(settings, night(DAY), attempt)
    folder = settings.staging / str(DAY) / attempt.id
    refused = pq.read_table(folder / QUARANTINE).to_pylist()
    for entity, files in ((PRODUCT_IMAGES.name, PICTURES), (PRODUCT_AUDIO.name, SOUNDS)):
        wanted = {name: reason for name, (_, reason) in files.items()} | WAYS
        found = {json.loads(r["raw"]).get("uri"): r["reason"] for r in refused if r["entity"] == entity}
        assert found == {name: reason for name, reason in wanted.items() if reason} | {None: delivered.NO_URI}
        passed = pq.read_table(folder / entity).to_pylist()
        good = {name: hashlib.sha256(files[name][0]).hexdigest() for name, reason in wanted.items() if not reason}
        assert {row["uri"]: row["content_hash"] for row in passed} == good
        (books,) = manifest["entities"][entity]["files"]
        assert (books["rows_in"], books["rows_quarantined"]) == (len(wanted) + 1, len(found))
    counted = Counter((r["entity"], r["reason"]) for r in refused)
    assert {(q["entity"], q["reason"]): q["rows"] for q in manifest["quarantine"]} == counted


def test_content_lands_once_and_lies_under_its_hash(settings: Settings, shop: Path) -> None:
    first = land(settings, "files", shop, None, None)
    folder = settings.landing / "shop" / store.FOLDER
    kept = {path.parent.name + path.name: path for path in folder.glob("??/*")}
    assert len(PICTURES) + len(SOUNDS) > len(kept) > 50  # some files are the same
    for digest, path in kept.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    before = {path: path.stat().st_mtime_ns for path in kept.values()}
    again = land(settings, "files", shop, None, None)
    assert (again["files_written"], again["files_kept"]) == (0, first["files_written"])
    assert {path: path.stat().st_mtime_ns for path in folder.glob("??/*")} == before
    assert landing.landed_dates(settings) == (DAY, DAY)


@pytest.mark.parametrize("uri", WAYS)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, uri: str) -> None:
    folder = lay_out(tmp_path / "pictures", {})
    with pytest.raises(MediaError) as refused:
        read_inside(folder, uri, 10_000_000)
    assert refused.value.reason == WAYS[uri]


def test_paths_and_file_uris_inside_are_read(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "pictures", {"a b.png": (PNG, None)})
    (folder / "inner" / "c.jpg").write_bytes(JPEG)
    for uri in ("a b.png", f"{folder}/a b.png", f"file://{folder}/a%20b.png", f"file://localhost{folder}/a%20b.png"):
        assert read_inside(folder, uri, 100_000) == PNG
    assert read_inside(folder, "./inner//c.jpg", 100_000) == JPEG
    with pytest.raises(MediaError, match="larger than 0 MB"):
        read_inside(folder, "a b.png", len(PNG) - 1)


def test_no_handle_stays_open(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "pictures", {"a.png": (PNG, None)})
    before = len(list(Path("/proc/self/fd").iterdir()))
    for uri in ("a.png", *WAYS) * 3:
        try:
            read_inside(folder, uri, 100_000)
        except MediaError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def rows_of(settings: Settings, lines: list[str]) -> list[str | None]:
    """Reasons of JSON-lines that somebody put into landing."""
    from pipelines.intake import frame

    folder = settings.landing / "shop" / PRODUCT_IMAGES.name / f"date={DAY}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    framed = frame(settings, night(DAY), PRODUCT_IMAGES, settings.staging / "framed")
    return [row["unreadable_reason"] for path in framed.lines for row in pq.read_table(path).to_pylist()]


def line(digest: str, **more: object) -> str:
    return json.dumps({"item_id": "p", "position": 1, "content_hash": digest, "uri": "p.png", **more})


def test_lines_that_others_put_into_landing_are_held_against_the_store(settings: Settings) -> None:
    folder = settings.landing / "shop" / store.FOLDER
    good, changed = store.put(folder, PNG), store.put(folder, JPEG)
    (folder / changed[:2] / changed[2:]).write_bytes(JPEG + b"more")
    reasons = rows_of(
        settings,
        [
            line(good), line(f"\t{good} "), line("0" * 64), line(changed), line("../../../etc/passwd"), line(""),
            line(good)[:-1] + f', "content_hash": "{"0" * 64}"}}', "no json", line(good, uri="p.jpg"),
        ],
    )  # fmt: skip
    refused = [
        None,
        None,
        store.MISSING,
        store.CHANGED,
        None,
        None,
        verdicts.TWICE,
        None,
        "extension names another format",
    ]
    assert reasons == refused  # what names no hash, or is no JSON, is left to the rules of its columns


def test_what_the_lake_holds_is_not_decoded_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = settings.landing / "shop" / store.FOLDER
    digest = store.put(folder, PNG)
    row = {"item_id": "p", "position": 1, "uri": "p.png", "content_hash": digest, "landing_date": DAY}
    commit(settings, PRODUCT_IMAGES.name, [{**row, "file": "f", "line": 1, "is_duplicate": False}])
    read: list[str] = []
    monkeypatch.setattr(store, "get", lambda *a: read.append(a[1]) or PNG)
    assert rows_of(settings, [line(digest)] * 3) == [None] * 3
    assert read == []
    assert rows_of(settings, [line(digest, uri="other.png")] * 3) == [None] * 3
    assert read == [digest]


def test_the_mapping_of_the_page_takes_both_lists(settings: Settings, tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.+?)```", (Path(__file__).parents[3] / "docs" / "media.md").read_text(), re.S)
    assert found
    (tmp_path / "shop.yaml").write_text(found[1])
    for folder in ("lists", "pictures", "sounds"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(PNG)
    (tmp_path / "sounds" / "a.wav").write_bytes(SOUNDS["good.wav"][0])
    (tmp_path / "lists" / f"images-{DAY}.csv").write_text("sku,place,file\np1,2,a.png\n")
    (tmp_path / "lists" / f"sounds-{DAY}.jsonl").write_text('{"sku": "p1", "file": "./a.wav"}\n')
    assert land(settings, "files", tmp_path / "shop.yaml", None, None)["unreadable"] == 0
    rows = {
        path.parts[-3]: pq.read_table(path, columns=["position", "content_hash"]).to_pylist()
        for path in settings.landing.glob("shop/product_*/*/*.parquet")
    }
    digests = (hashlib.sha256(content).hexdigest() for content in (PNG, SOUNDS["good.wav"][0]))
    assert rows == {
        PRODUCT_IMAGES.name: [{"position": "2", "content_hash": next(digests)}],
        PRODUCT_AUDIO.name: [{"position": "1", "content_hash": next(digests)}],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"media": "../elsewhere"}, "media must stay below"),
        ({"media": None}, "media must name the folder"),
        ({"columns": {"item_id": "sku", "position": {"const": 1}}}, "lacks uri"),
        ({"columns": {"item_id": "sku", "position": {"const": 1}, "uri": "file", "content_hash": "h"}}, "content_hash"),
    ],
)
def test_wrong_mappings_of_media_name_their_key(settings: Settings, shop: Path, change: dict, message: str) -> None:
    given = yaml.safe_load(shop.read_text())
    given["entities"][PRODUCT_IMAGES.name] |= change
    shop.write_text(yaml.safe_dump(given))
    with pytest.raises(UsageError, match=message):
        land(settings, "files", shop, None, None)
