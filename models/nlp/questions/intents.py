"""What a message is about, or an open "I don't know".

The floor reads words and letters (TF-IDF) into a logistic regression; the challenger also reads a sentence encoder's
vector. Which of them answers is decided on held-out folds, and so is the confidence below which nobody answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from models.calibration import log_loss
from models.choice import SEED, simplest_unbeaten
from models.nlp.questions.grams import Grams
from models.nlp.search.encoders import Encoder

FLOOR, ENCODED = "tfidf_logistic", "tfidf_and_encoder_logistic"
UNKNOWN = ""
"""The class of messages that people filed under no intent; such an answer is always "I don't know"."""
WANTED_PRECISION = 0.9
FOLDS = 5
LEAST = 20
"""Labelled messages below which nothing is learned."""
C = 10.0
VECTOR_WEIGHT = 2.0
"""Length of the encoder's vector beside that of the TF-IDF row, which is 1."""
_NEVER = 2.0


class TooFew(ValueError):
    """There are too few labelled messages, or of one intent only; the text says how many."""


@dataclass(frozen=True)
class Guess:
    """`intent` None means "I don't know"; `confidence` is the probability of the most likely intent either way."""

    intent: str | None
    confidence: float


@dataclass(frozen=True)
class Intents:
    """`weights` float64 [classes, columns], `bias` [classes]; `encoder` None where the floor answers."""

    classes: list[str]
    grams: Grams
    weights: np.ndarray
    bias: np.ndarray
    threshold: float
    encoder: Encoder | None

    def chances(self, texts: Sequence[str | None]) -> np.ndarray:
        """float64 [n, classes], rows sum to 1; a message is read by itself, whatever stands beside it."""
        return _softmax(_design(texts, self.grams, self.encoder) @ self.weights.T + self.bias)

    def guess(self, texts: Sequence[str | None]) -> list[Guess]:
        if not len(texts):
            return []
        chances = self.chances(texts)
        best = chances.argmax(axis=1)
        sure = chances[np.arange(len(texts)), best]
        return [
            Guess(self.classes[b] if self.classes[b] != UNKNOWN and c >= self.threshold else None, float(c))
            for b, c in zip(best.tolist(), sure.tolist(), strict=True)
        ]

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            **self.grams.arrays(),
            "weights": self.weights,
            "bias": self.bias,
            "threshold": np.array([self.threshold]),
        }

    def meta(self) -> dict[str, object]:
        """What belongs beside the arrays, for JSON."""
        return {"classes": self.classes, "encoder": self.encoder.name if self.encoder else None}


def restore(arrays: Mapping[str, np.ndarray], classes: list[str], encoder: Encoder | None) -> Intents:
    """The inverse of `Intents.arrays`; `encoder` is the one that `meta` names."""
    grams = Grams.restore(arrays)
    return Intents(classes, grams, arrays["weights"], arrays["bias"], float(arrays["threshold"][0]), encoder)


def learn(
    texts: Sequence[str | None],
    intents: Sequence[str | None],
    encoder: Encoder | None,
    wanted: float = WANTED_PRECISION,
) -> Intents:
    """From messages that a person filed under an intent, or under none of them (None).

    Each of the candidates is judged on held-out folds by log loss; the encoder is used only where it is better beyond
    doubt. The threshold is the lowest at which, on the same folds, at least `wanted` of the answers were right.
    Raises `TooFew` for fewer than 20 messages or fewer than two intents.
    """
    labels = np.array([intent or UNKNOWN for intent in intents])
    classes = sorted(set(labels.tolist()))
    if len(labels) < LEAST or len(set(classes) - {UNKNOWN}) < 2:
        raise TooFew(f"{len(labels)} messages of {len(set(classes) - {UNKNOWN})} intents; {LEAST} of 2 are needed")
    target = np.searchsorted(np.array(classes), labels)
    candidates: dict[str, Encoder | None] = {FLOOR: None} | ({ENCODED: encoder} if encoder else {})
    held_out = {name: _held_out(texts, target, len(classes), one) for name, one in candidates.items()}
    everywhere = np.ones(len(target), dtype=bool)
    losses = {name: log_loss(c[np.arange(len(target)), target], everywhere) for name, c in held_out.items()}
    name = simplest_unbeaten(losses)
    threshold = _threshold(held_out[name], target, classes, wanted)
    grams = Grams.of(texts)
    weights, bias = _fit(_design(texts, grams, candidates[name]), target, len(classes))
    return Intents(classes, grams, weights, bias, threshold, candidates[name])


def lowest_threshold(sure: np.ndarray, right: np.ndarray, wanted: float) -> float:
    """The lowest confidence from which on at least `wanted` of the answers are right; above 1 where there is none.

    `sure` float [n], `right` bool [n], of answers that could be given. One wrong answer is added to those seen
    (Laplace's rule of succession, from the cautious side): ten right of ten are no proof of ninety-five in a hundred.
    """
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    precision = np.cumsum(right) / (np.arange(len(right)) + 2)
    last_of_equal = np.append(np.diff(sure) != 0, True) if len(sure) else np.zeros(0, dtype=bool)
    enough = np.flatnonzero((precision >= wanted) & last_of_equal)
    return float(sure[enough[-1]]) if len(enough) else _NEVER


def _threshold(chances: np.ndarray, target: np.ndarray, classes: list[str], wanted: float) -> float:
    best = chances.argmax(axis=1)
    known = np.array([name != UNKNOWN for name in classes])[best]
    return lowest_threshold(chances.max(axis=1)[known], (best == target)[known], wanted)


def _held_out(texts: Sequence[str | None], target: np.ndarray, classes: int, encoder: Encoder | None) -> np.ndarray:
    """float64 [n, classes]: each message by a model that saw only the other folds."""
    fold = folds(target)
    chances = np.full((len(target), classes), 1e-6)
    for n in range(FOLDS):
        inside, outside = (np.flatnonzero(chosen).tolist() for chosen in (fold != n, fold == n))
        grams = Grams.of([texts[i] for i in inside])
        present, where = np.unique(target[inside], return_inverse=True)
        if len(present) < 2 or not outside:
            continue
        weights, bias = _fit(_design([texts[i] for i in inside], grams, encoder), where, len(present))
        found = _softmax(_design([texts[i] for i in outside], grams, encoder) @ weights.T + bias)
        chances[np.ix_(np.array(outside), present)] = found
    return chances


def folds(target: np.ndarray, count: int = FOLDS) -> np.ndarray:
    """int64 [n]: a fold for each row, every class spread evenly, drawn with a fixed seed."""
    drawn = np.random.default_rng(SEED).permutation(len(target))
    fold = np.empty(len(target), dtype=np.int64)
    order = drawn[np.argsort(target[drawn], kind="stable")]
    fold[order] = np.arange(len(target)) % count
    return fold


def _fit(design: sparse.csr_array, target: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression, every class of equal weight."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=C, class_weight="balanced", max_iter=500, tol=1e-6).fit(design, target)
    weights, bias = fitted.coef_, fitted.intercept_
    if classes == 2:  # one row of log-odds of the second class
        weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)


def _design(texts: Sequence[str | None], grams: Grams, encoder: Encoder | None) -> sparse.csr_array:
    counted = grams.rows(texts)
    if encoder is None:
        return counted
    vectors = sparse.csr_array(VECTOR_WEIGHT * encoder.encode(texts).astype(np.float64))
    return sparse.csr_array(sparse.hstack([counted, vectors], format="csr"))


def _softmax(log_odds: np.ndarray) -> np.ndarray:
    raised = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
