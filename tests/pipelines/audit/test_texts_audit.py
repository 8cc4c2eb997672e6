"""What the audit says of texts that people write: warnings for what is odd, a stop for what must not be there."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.audit.run import audit
from pipelines.contracts import REVIEWS
from pipelines.errors import AuditFailed
from pipelines.fence import take
from pipelines.settings import Settings, night

DAY = date(2020, 1, 2)
SOUND: dict[str, Any] = {
    "review_id": "r1", "item_id": "i", "created_at": datetime(2020, 1, 2, tzinfo=UTC), "language": "en",
    "title": "Warm", "body": "Soft, warm & well made: 3 < 5.", "file": "f", "line": 1, "is_duplicate": False,
}  # fmt: skip
CHINESE = {**SOUND, "review_id": "r2", "line": 2, "language": "zh", "title": "很好", "body": "质量很好，L码合身"}


def staged(settings: Settings, reviews: list[dict[str, Any]]) -> None:
    folder = settings.staging / str(DAY) / "preprocess-1"
    target = folder / "reviews" / f"landing_date={DAY}"
    target.mkdir(parents=True)
    schema = pa.schema([f for f in REVIEWS.lake_schema() if f.name != "landing_date"])
    pq.write_table(pa.Table.from_pylist(reviews, schema=schema), target / "a.parquet")
    (folder / "manifest.json").write_text(json.dumps({"attempt": folder.name, "entities": {}}))
    (folder.parent / "current.json").write_text(json.dumps({"attempt": folder.name}))


def audited(settings: Settings) -> dict[str, Any]:
    return audit(settings, "events", night(DAY), take(settings, "audit-events", str(DAY)))


def test_sound_reviews_of_both_languages_pass_without_a_warning(settings: Settings) -> None:
    staged(settings, [SOUND, CHINESE])
    verdict = audited(settings)
    assert (verdict["success"], verdict["warnings"]) == (True, [])


@pytest.mark.parametrize(
    ("planted", "warning"),
    [
        ({"body": None}, "reviews.body is given"),
        ({"body": "fine <script>alert(1)</script>"}, "reviews.body holds no markup"),
        ({"title": "a \x07 bell"}, "reviews.title holds no control characters"),
        ({"body": "long " * 1_001}, "reviews.body is not very long"),
        ({"body": "质量很好，颜色也好看"}, "reviews.language fits the text"),
        ({"language": "zh"}, "reviews.language fits the text"),
    ],
)
def test_an_odd_text_is_a_warning_by_name(settings: Settings, planted: dict[str, Any], warning: str) -> None:
    staged(settings, [SOUND, {**SOUND, "review_id": "r3", "line": 3, **planted}])
    verdict = audited(settings)
    assert (verdict["success"], verdict["warnings"]) == (True, [warning])
    pages = "".join(page.read_text() for page in settings.reports.rglob("*.html"))
    assert warning in pages
    assert not [said for said in planted.values() if said and len(said) > 2 and said in pages]


def test_an_email_address_that_was_not_masked_stops_the_night(settings: Settings, tmp_path: Path) -> None:
    staged(settings, [SOUND, {**SOUND, "review_id": "r3", "line": 3, "body": "write to a@example.org"}])
    with pytest.raises(AuditFailed, match=r"reviews.body holds no e-mail address.*1 of 2 rows"):
        audited(settings)
