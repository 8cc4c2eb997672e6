"""How much personal data in free text is masked before the lake, and how much else is taken with it.

    .venv/bin/python -m benchmarks.masking --users 5000

A simulated shop is made in a temporary folder, its reviews and support messages go through the real preprocess, and
what came out is compared with the truth of where personal data stood. All of it is made-up text, written beside the
expressions that look for it: real people write numbers and addresses in more ways, and names, which nothing looks for,
are not in it at all. So the figure says what the expressions do with forms that are known; a low one would be a defect,
a high one is no promise.

`recall`: of the pieces of personal data, the share of which no four characters in a row are left; `in_part`: how many
of the others lost something. `named`: of those masked, the share marked as what it is. `precision`: of the marks, the
share that stands for personal data. `missed` and `taken_wrongly`: how many, by their shape (9 a digit, a a letter, 字 a
Chinese character; of a longer run the first three), never the text itself. Intervals are 95 %, by bootstrap over pieces
(recall) and marks (precision).
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks._measure import watching
from models.metrics import bootstrap_interval
from pipelines import fence, landing
from pipelines.contracts import ENTITIES, MASKS, REVIEWS, SUPPORT_MESSAGES
from pipelines.land import land
from pipelines.preprocess.job import preprocess
from pipelines.preprocess.masking import FORMS, NEEDED
from pipelines.settings import Batch, Settings

SEED = 20_180_101
LEFT = 4
"""Characters in a row from which on a piece counts as left standing."""
SHAPES = 5
Key = tuple[str, str, str, str]  # entity, id, day, column
Span = tuple[str, int, int]  # kind, start, end (exclusive)


@dataclass(frozen=True)
class Text:
    """One text as it landed: its language, the truth, and what preprocess put marks in the place of."""

    text: str
    language: str
    personal: Sequence[Span]
    marked: Sequence[Span]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.masking", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=SEED, help="of the simulated shop")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, tempfile.TemporaryDirectory(prefix="masking-") as folder:
        texts = preprocessed(Path(folder), asked.users, asked.days, asked.seed)
    answer = {"benchmark": "masking", "users": asked.users, "days": asked.days, "seed": asked.seed, **measures(texts)}
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps(answer, ensure_ascii=False), flush=True)


# ---- the texts -------------------------------------------------------------------------------------------------


def preprocessed(folder: Path, users: int, days: int, seed: int) -> list[Text]:
    """Make the shop below `folder` and read back its texts. Raises RuntimeError where preprocess did not mask as the
    expressions say, since then it is not known what stood where.
    """
    settings, truth = Settings(home=folder / "home"), folder / "truth"
    shop = {"users": users, "products": max(12, users // 3), "days": days, "seed": seed, "truth": str(truth)}
    (folder / "shop.json").write_text(json.dumps(shop))
    land(settings, "simulated_shop", folder / "shop.json", None, None)
    batch = Batch(*landing.landed_dates(settings))
    landed = dict(_landed(settings, batch))
    for entity in ENTITIES:
        if entity not in (REVIEWS.name, SUPPORT_MESSAGES.name):
            shutil.rmtree(settings.landing / settings.shop / entity, ignore_errors=True)
    attempt = fence.take(settings, "preprocess", batch.key)
    preprocess(settings, batch, attempt)
    staged = dict(_staged(settings.staging / batch.key / attempt.id))
    personal, languages = _truth(truth)
    found = []
    for key, after in staged.items():
        before, marked = landed[key], marks(landed[key])
        if after.strip() != with_marks(before, marked).strip():  # preprocess takes blanks off the ends
            raise RuntimeError(f"a text of {key[0]} came out of preprocess otherwise than its expressions say")
        found.append(Text(before, languages[key[:3]], personal.get(key, ()), marked))
    return found


def _landed(settings: Settings, batch: Batch) -> Iterator[tuple[Key, str]]:
    for entity in (REVIEWS, SUPPORT_MESSAGES):
        for file in landing.landing_files(settings, batch, entity.name):
            yield from _texts(entity.name, str(file.landing_date), file.path)


def _staged(folder: Path) -> Iterator[tuple[Key, str]]:
    for entity in (REVIEWS, SUPPORT_MESSAGES):
        for path in sorted((folder / entity.name).glob("*/*.parquet")):
            yield from _texts(entity.name, path.parent.name.partition("=")[2], path)


def _texts(entity: str, day: str, path: Path) -> Iterator[tuple[Key, str]]:
    key, columns = ENTITIES[entity].key[0], [column.name for column in ENTITIES[entity].columns if column.masked]
    held = [name for name in columns if name in pq.read_schema(path).names]
    for row in pq.read_table(path, columns=[key, *held], partitioning=None).to_pylist():
        yield from (((entity, row[key], day, name), row[name]) for name in held if row[name] is not None)


def _truth(folder: Path) -> tuple[Mapping[Key, list[Span]], Mapping[tuple[str, str, str], str]]:
    def rows(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(folder.glob(f"{name}/*.parquet")):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                yield path.stem.partition("=")[2], row

    personal = defaultdict(list)
    for day, row in rows("personal_data"):
        personal[row["entity"], row["id"], day, row["column"]].append((row["kind"], row["start"], row["end"]))
    languages = {}
    for entity in (REVIEWS, SUPPORT_MESSAGES):
        languages |= {(entity.name, row[entity.key[0]], day): row["language"] for day, row in rows(entity.name)}
    return personal, languages


def marks(text: str) -> list[Span]:
    """What the expressions of `masking` put a mark in the place of, in characters of the text itself, in order."""
    if not re.search(NEEDED, text):
        return []
    current, where = text, [(n, n + 1) for n in range(len(text))]
    for form in FORMS:
        parts, places, last = [], [], 0
        for match in re.finditer(form.pattern, current):
            start = match.end(1) if form.left else match.start()
            end = match.start(2) if form.right else match.end()
            whole = (where[start][0], where[end - 1][1])
            parts += [current[last:start], form.mark]
            places += [*where[last:start], *([whole] * len(form.mark))]
            last = end
        current, where = "".join([*parts, current[last:]]), [*places, *where[last:]]
    found = {}
    for kind in MASKS:
        for match in re.finditer(re.escape(f"[{kind}]"), current):
            start, end = where[match.start()][0], where[match.end() - 1][1]
            if where[match.start()] == where[match.end() - 1]:  # else it was typed by hand
                found[start] = kind, start, end
    return [found[start] for start in sorted(found)]


def with_marks(text: str, marked: Iterable[Span]) -> str:
    parts, last = [], 0
    for kind, start, end in marked:
        parts += [text[last:start], f"[{kind}]"]
        last = end
    return "".join([*parts, text[last:]])


# ---- the figures -----------------------------------------------------------------------------------------------


def measures(texts: Sequence[Text]) -> dict[str, Any]:
    kinds = {"all": shares(texts)}
    for kind in MASKS:
        for language in sorted({text.language for text in texts}):
            kinds[f"{kind} {language}"] = shares([text for text in texts if text.language == language], kind)
    missed, wrong = Counter[str](), Counter[str]()
    for text in texts:
        for kind, start, end in text.personal:
            if not is_masked(text, start, end):
                missed[f"{kind} {text.language}: {shape(text.text[start:end])}"] += 1
        for kind, start, end in text.marked:
            if not _meeting(text.personal, start, end):
                wrong[f"{kind} {text.language}: {shape(text.text[start:end])}"] += 1
    more = {"missed": dict(missed.most_common(SHAPES)), "taken_wrongly": dict(wrong.most_common(SHAPES))}
    return {"texts": len(texts), "kinds": kinds, **more}


def shares(texts: Sequence[Text], kind: str | None = None) -> dict[str, Any]:
    """Of personal data, and of marks, of one kind; of every kind where None."""
    caught, named, right, in_part = [], [], [], 0
    for text in texts:
        for own, start, end in text.personal:
            if kind in (None, own):
                caught.append(is_masked(text, start, end))
                met = _meeting(text.marked, start, end)
                if caught[-1]:
                    named.append(any(mark == own for mark, *_ in met))
                in_part += bool(met) and not caught[-1]
        right += [bool(_meeting(text.personal, *place)) for own, *place in text.marked if kind in (None, own)]
    return {
        "personal": len(caught), "recall": _share(caught), "in_part": in_part,
        "named": round(float(np.mean(named)), 4) if named else None, "marks": len(right), "precision": _share(right),
    }  # fmt: skip


def is_masked(text: Text, start: int, end: int) -> bool:
    """Whether fewer than `LEFT` characters in a row are left of this piece."""
    left = np.ones(end - start, dtype=bool)
    for _, first, last in text.marked:
        left[max(0, first - start) : max(0, last - start)] = False
    return not any(left[n : n + LEFT].all() for n in range(len(left) - LEFT + 1)) and not left.all()


def _meeting(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    return [span for span in spans if span[1] < end and start < span[2]]


def _share(values: Sequence[bool]) -> list[float]:
    """The share and the ends of its interval; empty of nothing."""
    if not values:
        return []
    found = np.array(values, dtype=np.float64)
    return [round(float(end), 4) for end in (found.mean(), *bootstrap_interval(found, SEED))]


def shape(text: str) -> str:
    """9 for a digit, a and A for a letter, 字 for a Chinese character; of a longer run the first three."""
    folded = re.sub(r"\d", "9", text)
    folded = re.sub(r"[一-龥]", "字", folded)
    folded = re.sub(r"[^\W\d_字]", lambda found: "A" if found[0].isupper() else "a", folded)
    return re.sub(r"(.)\1{3,}", r"\1\1\1…", folded)


if __name__ == "__main__":
    main()
