"""Sentiment of reviews: what ships, its floor, and what both cost, on a fifth of the texts that nothing has seen.

    .venv/bin/python -m benchmarks.sentiment --data womens_clothing_reviews.parquet --text "Review Text" \\
        --label Rating --positive-from 4 --negative-to 2
    .venv/bin/python -m benchmarks.sentiment --data waimai_10k.csv --text review --label label

CSV or Parquet. Labels at or above `--positive-from` are positive, at or below `--negative-to` negative, the rest is
dropped; then texts that repeat, but for the first; then a stratified split, 80 to 20, seed 42. Everything is decided on
the 80: which reader ships, its calibration, its one threshold (`models/nlp/learning.py`). `gained` is what ships minus
the floor; intervals are 95 %, by bootstrap over texts; `ece` is in ten groups of equal size.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import watching
from models.calibration import auc, calibration_error, resampled
from models.nlp.decision import MEASURES, SEED, intervals
from models.nlp.learning import Learned, learn
from models.nlp.reader import packaged
from models.nlp.sentiment import Sentiment
from models.nlp.text import CHINESE, ENGLISH, clean, language

SPLIT_SEED, TEST_SHARE = 42, 0.2


def main() -> None:
    parser = arguments("benchmarks.sentiment", __doc__)
    parser.add_argument("--encoder", default="auto", help="folder or hub name; auto: the packaged one; none: linear")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch:
        texts, positive = read(asked.data, asked.text, asked.label, asked.positive_from, asked.negative_to)
        train, test = split(positive)
        answer = judged(texts, positive, train, test, asked.encoder, asked.device)
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps(answer, ensure_ascii=False), flush=True)


def arguments(name: str, words: str | None) -> argparse.ArgumentParser:
    """What names a file of texts with labels."""
    parser = argparse.ArgumentParser(name, description=words)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="CSV or Parquet")
    parser.add_argument("--text", required=True, help="column of the text")
    parser.add_argument("--label", required=True, help="column of the label, a number")
    parser.add_argument("--positive-from", type=float, default=1)
    parser.add_argument("--negative-to", type=float, default=0)
    return parser


def read(path: Path, text: str, label: str, positive_from: float, negative_to: float) -> tuple[list[str], np.ndarray]:
    """Distinct texts and whether each is positive, bool [n]."""
    import pandas as pd

    read_one = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
    rows = read_one(path)[[text, label]].dropna()
    value = pd.to_numeric(rows[label], errors="coerce")
    rows = rows[(value >= positive_from) | (value <= negative_to)].drop_duplicates(text)
    return rows[text].astype(str).tolist(), np.asarray(value[rows.index] >= positive_from, dtype=bool)


def split(positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(positive))
    train, test = train_test_split(rows, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=positive)
    return np.asarray(train), np.asarray(test)


def judged(
    texts: list[str], positive: np.ndarray, train: np.ndarray, test: np.ndarray, encoder: str, device: str
) -> dict[str, Any]:
    cleaned = [clean(text) for text in texts]
    spoken = spoken_in([cleaned[row] for row in train])
    source = str(packaged(spoken) or "") if encoder == "auto" else encoder
    learned = learn(
        [cleaned[row] for row in train], positive[train], spoken,
        encoder=None if source in ("", "none") else source, device=device,
        observe=lambda row: print(f"transformer: {row}", flush=True),
    )  # fmt: skip
    print(learned.note, learned.losses, flush=True)
    answer = compared(learned, [cleaned[row] for row in test], positive[test])
    return {
        "benchmark": "sentiment", "language": spoken, "train": len(train), "test": len(test),
        "positive": round(float(positive.mean()), 4), **answer, "note": learned.note,
    }  # fmt: skip


def spoken_in(texts: list[str]) -> str:
    """The language most of them are in; what is neither is read as English is, by its letters."""
    chinese = sum(language(text) == CHINESE for text in texts)
    return CHINESE if 2 * chinese > len(texts) else ENGLISH


def compared(learned: Learned, texts: list[str], positive: np.ndarray) -> dict[str, Any]:
    started = time.monotonic()
    chance = learned.model.chance(texts)
    seconds = time.monotonic() - started
    before = learned.floor.chance(texts)
    said, floor = chance >= learned.model.cut, before >= learned.floor.cut
    return {
        **measures(learned.model, chance, positive),
        "intervals": rounded(intervals(positive, said)),
        "gained": rounded(intervals(positive, said, floor)),
        "floor": {"name": learned.floor.name, **measures(learned.floor, before, positive)},
        "shipped": learned.model.name,
        "texts_per_second": round(len(texts) / max(seconds, 1e-9)),
    }


def measures(model: Sentiment, chance: np.ndarray, positive: np.ndarray) -> dict[str, Any]:
    said = chance >= model.cut
    found: dict[str, Any] = {name: round(measure(positive, said), 4) for name, measure in MEASURES.items()}
    low, high = resampled(calibration_error, chance, positive, SEED)
    return found | {
        "ece": round(calibration_error(chance, positive), 4), "ece_interval": [round(low, 4), round(high, 4)],
        "auc": round(auc(chance, positive), 4), "threshold": round(model.cut, 4),
    }  # fmt: skip


def rounded(found: dict[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: [round(end, 4) for end in ends] for name, ends in found.items()}


if __name__ == "__main__":
    main()
