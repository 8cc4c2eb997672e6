"""Aspects and their polarity against labels set by hand: 132 sentences, English and Chinese.

    .venv/bin/python -m benchmarks.aspects
    .venv/bin/python -m benchmarks.aspects --data reviews.parquet --text "Review Text" --label Rating \\
        --positive-from 4 --negative-to 2

`aspects_en_zh.jsonl` was written before the lexicon; its half `tune` was looked at while the lexicon was mended, its
half `held_out` was not. With `--data` a sentiment model is learned from those reviews first and weighs in for its
language. `aspects`: an aspect of a sentence is found or not. `polarity`: found with the right sign. `floor`: the
lexicon's words alone – an aspect is there where one of its words is, good where more words of praise than of blame
stand in the sentence, else bad – without clauses, negation or contrast. `gained` is F1 above the floor's. Intervals are
95 %, by bootstrap over sentences.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sentiment import read, spoken_in
from models.nlp.aspects import log_odds, mentions
from models.nlp.learning import learn
from models.nlp.lexicon import Lexicon, shipped
from models.nlp.sentiment import Sentiment
from models.nlp.text import LANGUAGES, clean, tokens

SENTENCES = Path(__file__).with_name("aspects_en_zh.jsonl")
HALVES = ("held_out", "tune")
SEED = 20_180_101
RESAMPLES = 1000
GOOD, BAD = "positive", "negative"

Found = dict[str, str]
"""{aspect: polarity} of a sentence."""


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.aspects", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, help="CSV or Parquet of reviews, to learn sentiment from")
    parser.add_argument("--text")
    parser.add_argument("--label")
    parser.add_argument("--positive-from", type=float, default=1)
    parser.add_argument("--negative-to", type=float, default=0)
    asked = parser.parse_args()
    started = time.monotonic()
    models: dict[str, Sentiment] = {}
    if asked.data:
        texts, positive = read(asked.data, asked.text, asked.label, asked.positive_from, asked.negative_to)
        cleaned = [clean(text) for text in texts]
        models[spoken_in(cleaned)] = learn(cleaned, positive, spoken_in(cleaned)).model
    rows = [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    answer: dict[str, Any] = {"benchmark": "aspects", "sentiment_of": sorted(models)}
    for half in HALVES:
        for language in LANGUAGES:
            chosen = [row for row in rows if row["half"] == half and row["language"] == language]
            answer[f"{half}_{language}"] = judged(chosen, shipped(), models.get(language))
            print(half, language, answer[f"{half}_{language}"], flush=True)
    answer["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(answer, ensure_ascii=False), flush=True)


def judged(rows: Sequence[dict[str, Any]], lexicon: Lexicon, model: Sentiment | None) -> dict[str, Any]:
    truth = [dict(row["aspects"]) for row in rows]
    ours = [by_clauses(row["text"], row["language"], lexicon, model) for row in rows]
    floor = [by_words(row["text"], row["language"], lexicon) for row in rows]
    answer: dict[str, Any] = {"sentences": len(rows), "labels": sum(map(len, truth))}
    for name, pairs in (("aspects", set), ("polarity", lambda found: set(found.items()))):
        own, other = counts(ours, truth, pairs), counts(floor, truth, pairs)
        draws = np.random.default_rng(SEED).integers(0, len(rows), (RESAMPLES, len(rows)))
        resampled = [(f1(own[draw].sum(axis=0)), f1(other[draw].sum(axis=0))) for draw in draws]
        values = np.array(resampled)
        hits, said, there = own.sum(axis=0)
        answer[name] = {
            "precision": round(hits / max(said, 1), 3), "recall": round(hits / max(there, 1), 3),
            "f1": [round(f1(own.sum(axis=0)), 3), *ends(values[:, 0])],
            "floor": [round(f1(other.sum(axis=0)), 3), *ends(values[:, 1])],
            "gained": ends(values[:, 0] - values[:, 1]),
        }  # fmt: skip
    return answer


def by_clauses(text: str, language: str, lexicon: Lexicon, model: Sentiment | None) -> Found:
    text = clean(text)
    total: dict[str, float] = {}
    for mention in mentions(text, language, lexicon, lexicon.of(None)):
        felt = None if model is None else float(model.leaning([text[mention.start : mention.end]])[0])
        odds = log_odds(mention, felt)
        if odds is not None:
            total[mention.aspect] = total.get(mention.aspect, 0.0) + odds
    return {aspect: GOOD if value > 0 else BAD for aspect, value in total.items() if value}


def by_words(text: str, language: str, lexicon: Lexicon) -> Found:
    """The floor."""
    joined = "".join(tokens(text)) if language == "zh" else f" {' '.join(tokens(text))} "
    stand = [
        term for words, term in lexicon.terms[language].items()
        if (words if language == "zh" else f" {words} ") in joined
    ]  # fmt: skip
    balance = sum(term.opinion or sum(value for _, value in term.aspects) for term in stand)
    return {aspect: GOOD if balance > 0 else BAD for term in stand for aspect, _ in term.aspects}


def counts(found: Sequence[Found], truth: Sequence[Found], pairs: Callable[[Found], set[Any]]) -> np.ndarray:
    """int64 [sentences, 3]: right, found, there."""
    return np.array(
        [(len(pairs(a) & pairs(b)), len(pairs(a)), len(pairs(b))) for a, b in zip(found, truth, strict=True)]
    )


def f1(total: np.ndarray) -> float:
    """2 · right / (found + there)."""
    hits, said, there = (int(value) for value in total)
    return 2 * hits / max(said + there, 1)


def ends(values: np.ndarray) -> list[float]:
    return [round(float(end), 3) for end in np.percentile(values, [2.5, 97.5])]


if __name__ == "__main__":
    main()
