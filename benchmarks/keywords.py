"""Keywords of reviews against the titles that their writers gave them.

    .venv/bin/python -m benchmarks.keywords --data womens_clothing_reviews.parquet --text "Review Text" --title Title

A title is the writer's own choice of what matters, so five keywords of the body are held against the words of the title
that carry meaning. Phrases are learned from four fifths of the reviews, the rest is judged, seed 42. `partial`: F1 of
words, those of a phrase one by one; `exact`: F1 of whole terms, the title read with the same phrases. Baselines: the
five most frequent words that carry meaning, the first five, and single words by the same weight. Intervals are 95 %, by
bootstrap over reviews. The words of a title need not stand in the body: `reachable` is the F1 of a reader that names
just those that do.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.metrics import bootstrap_interval
from models.nlp import keywords
from models.nlp.keywords import PER_TEXT, Phrases
from models.nlp.text import clean, language

SPLIT_SEED, TEST_SHARE, SEED = 42, 0.2, 20_180_101
MOST = 5_000


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.keywords", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="CSV or Parquet")
    parser.add_argument("--text", required=True)
    parser.add_argument("--title", required=True)
    asked = parser.parse_args()
    started = time.monotonic()
    pairs = read(asked.data, asked.text, asked.title)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pairs))
    cut = int(TEST_SHARE * len(pairs))
    learned, judged = [pairs[n] for n in order[cut:]], [pairs[n] for n in order[: min(cut, MOST)]]
    phrases = keywords.learn([body for body, _ in learned], language(" ".join(b for b, _ in learned[:20])))
    answer = {"benchmark": "keywords", "reviews": len(judged), **compared(judged, phrases)}
    print(json.dumps(answer | {"seconds": round(time.monotonic() - started, 1)}), flush=True)


def read(path: Path, text: str, title: str) -> list[tuple[str, str]]:
    import pandas as pd

    rows = (pd.read_parquet if path.suffix == ".parquet" else pd.read_csv)(path)[[text, title]].dropna()
    rows = rows.drop_duplicates(text)
    return [(clean(body), clean(head)) for body, head in rows.itertuples(index=False)]


def compared(pairs: Sequence[tuple[str, str]], phrases: Phrases) -> dict[str, Any]:
    single = replace(phrases, texts={term: n for term, n in phrases.texts.items() if " " not in term}, _begins={})
    readers: dict[str, Callable[[str], list[str]]] = {
        "phrases": lambda body: [term for term, _ in phrases.keywords(body)],
        "single_words": lambda body: [term for term, _ in single.keywords(body)],
        "frequent": lambda body: [term for term, _ in Counter(single.terms(body)).most_common(PER_TEXT)],
        "first": lambda body: list(dict.fromkeys(single.terms(body)))[:PER_TEXT],
    }
    told = [(body, set(single.terms(head)), set(phrases.terms(head))) for body, head in pairs]
    told = [row for row in told if row[1]]
    answer: dict[str, Any] = {}
    partial = {}
    for name, reader in readers.items():
        found = [reader(body) for body, _, _ in told]
        words = [{word for term in terms for word in single.terms(term)} for terms in found]
        partial[name] = np.array([f1(own, head) for own, (_, head, _) in zip(words, told, strict=True)])
        exact = np.array([f1(set(own), head) for own, (_, _, head) in zip(found, told, strict=True)])
        answer[name] = {"partial": mean(partial[name]), "exact": mean(exact)}
    for name in list(readers)[1:]:
        answer[name]["phrases_minus"] = mean(partial["phrases"] - partial[name])
    answer["reachable"] = mean(np.array([f1(head & set(single.terms(body)), head) for body, head, _ in told]))
    return answer


def f1(found: set[str], there: set[str]) -> float:
    return 2 * len(found & there) / max(len(found) + len(there), 1)


def mean(values: np.ndarray) -> list[float]:
    low, high = bootstrap_interval(values, SEED)
    return [round(float(values.mean()), 4), round(low, 4), round(high, 4)]


if __name__ == "__main__":
    main()
