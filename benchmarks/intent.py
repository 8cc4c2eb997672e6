"""What shop messages are about, in English and Chinese, and whether the model knows when it does not know.

    .venv/bin/python -m benchmarks.intent --data benchmarks/intents_en_zh.jsonl

JSON-lines of `text`, `language`, `intent` (null: none of them). The file here was written and labelled by hand for this
benchmark: it is small, and kinder than real mail. Five outer folds; all that is learned or chosen (model, threshold) is
learned inside the other four. `accuracy`: of the messages with an intent, by the most likely class, as if the model had
to answer. `coverage`: of those, the share answered; `precision`: of all answers, the share that is right, those to
messages without an intent being wrong; `out_of_scope_recall`: of messages without an intent, the share not answered.
Intervals are 95 %, by bootstrap over messages.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import watching
from models.calibration import resampled
from models.choice import SEED
from models.metrics import bootstrap_interval
from models.nlp.questions import intents
from models.nlp.search.encoders import Encoder, encoder_for


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.intent", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("intents_en_zh.jsonl"))
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch:
        rows = [json.loads(line) for line in asked.data.read_text(encoding="utf-8").splitlines() if line.strip()]
        texts, labels = [row["text"] for row in rows], [row["intent"] for row in rows]
        languages = np.array([row["language"] for row in rows])
        encoder = Remembering(encoder_for(texts))
        found = {"shipped": judged(texts, labels, encoder), "floor": judged(texts, labels, None)}
    answer: dict[str, Any] = {"benchmark": "intent", "data": asked.data.name, "messages": len(rows)}
    answer |= {"intents": len({label for label in labels if label}), "encoder": encoder.name}
    for name, answers in found.items():
        part = measures(answers)
        part["languages"] = {one: measures(answers.only(languages == one)) for one in sorted(set(languages.tolist()))}
        part["models"] = answers.models
        answer[name] = part
    gained = found["shipped"].forced.astype(float) - found["floor"].forced
    gained = gained[found["shipped"].inside]
    answer["accuracy_shipped_minus_floor"] = with_ends(gained)
    answer |= {"seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20}
    print(json.dumps(answer), flush=True)


class Remembering:
    """Each text is read by the encoder once, though the folds ask for it many times."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self._encoder = encoder.name, encoder
        self._known: dict[str | None, np.ndarray] = {}

    def encode(self, texts: Sequence[str | None]) -> np.ndarray:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known |= dict(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])


class Answers:
    """bool [n] each: has an intent; the forced guess was right; was answered; the answer was right."""

    def __init__(self, *columns: np.ndarray, models: list[str]) -> None:
        self.inside, self.forced, self.answered, self.right = self.columns = columns
        self.models = models

    def only(self, rows: np.ndarray) -> "Answers":
        return Answers(*(column[rows] for column in self.columns), models=self.models)


def judged(texts: list[str], labels: list[str | None], encoder: Encoder | None) -> Answers:
    """Every message by a model that has seen the other outer folds only."""
    named = np.array([label or intents.UNKNOWN for label in labels])
    fold = intents.folds(np.unique(named, return_inverse=True)[1])
    forced, answered, right = (np.zeros(len(texts), dtype=bool) for _ in range(3))
    models = []
    for n in range(intents.FOLDS):
        inside, outside = np.flatnonzero(fold != n), np.flatnonzero(fold == n)
        made = intents.learn([texts[i] for i in inside], [labels[i] for i in inside], encoder)
        models.append(intents.FLOOR if made.encoder is None else intents.ENCODED)
        asked = [texts[i] for i in outside]
        chances = made.chances(asked)
        chances[:, [name == intents.UNKNOWN for name in made.classes]] = 0
        forced[outside] = np.array(made.classes)[chances.argmax(axis=1)] == named[outside]
        said = np.array([guess.intent or "" for guess in made.guess(asked)])
        answered[outside] = said != ""
        right[outside] = (said == named[outside]) & (said != "")
    return Answers(named != intents.UNKNOWN, forced, answered, right, models=models)


def measures(answers: Answers) -> dict[str, Any]:
    inside, answered = answers.inside, answers.answered
    return {
        "accuracy": with_ends(answers.forced[inside]), "coverage": with_ends(answered[inside]),
        "precision": [
            round(float(_precision(answered, answers.right)), 4),
            *(round(end, 4) for end in resampled(_precision, answered.astype(float), answers.right, SEED)),
        ],
        "out_of_scope_recall": with_ends(~answered[~inside]),
    }  # fmt: skip


def _precision(answered: np.ndarray, right: np.ndarray) -> float:
    return float(right[answered > 0].mean()) if (answered > 0).any() else float("nan")


def with_ends(values: np.ndarray) -> list[float]:
    values = values.astype(float)
    return [round(float(values.mean()), 4), *(round(end, 4) for end in bootstrap_interval(values, SEED))]


if __name__ == "__main__":
    main()
