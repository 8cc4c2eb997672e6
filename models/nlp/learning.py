"""How a reader of sentiment is learned and chosen: everything is decided on texts that what is judged has not seen.

    all texts ─▶ 5 folds ─▶ margins of each linear reader without the text's own fold ─▶ which one, its calibration
    the unsure third ─▶ 3/4 tune the transformer | 1/4 judge it, and weigh it against the linear reader
    margins, and both readings of that quarter (each row standing for four) ─▶ one threshold

A later candidate takes over only where it lowers the log loss beyond doubt (`models.choice`).
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.calibration import fit_logistic, log_loss, sigmoid
from models.choice import simplest_unbeaten
from models.nlp import linear
from models.nlp.decision import threshold
from models.nlp.grams import RECIPES, counted
from models.nlp.sentiment import Second, Sentiment
from models.sample import drawn

FOLDS = 5
UNSURE = 0.35
"""Share of the texts that are read again."""
HELD_OUT = 4
"""One in so many of those is for judging."""
LEAST_UNSURE = 800
"""With fewer the transformer is not tuned: it would have nothing to learn from, nor be told from luck."""
MOST_TEXTS = 60_000
MOST_CHARACTERS = 12_000_000
"""Of all texts that are learned from; more are drawn from. Both bound memory and time."""


@dataclass(frozen=True)
class Learned:
    """`floor`: the usual machine, which calls positive what lies above its margin of 0. `note`: why this one."""

    model: Sentiment
    floor: Sentiment
    losses: dict[str, float]
    note: str


Observer = Callable[[dict[str, float]], None]


def learn(
    texts: Sequence[str],
    positive: np.ndarray,
    language: str,
    encoder: str | None = None,
    device: str = "auto",
    folder: Path | None = None,
    observe: Observer = lambda row: None,
    tokens: int | None = None,
) -> Learned:
    """A reader of cleaned texts; `positive` bool [n], at least `FOLDS` of each class.

    `encoder`: a folder or hub name of what is tuned by `models.nlp.reader`, on about `tokens` tokens where that is not
    the plan's number; without one only linear readers compete.
    `folder` keeps the checkpoints, so that a killed run goes on. Raises ValueError where a class is too rare.
    """
    rows = _enough(texts)
    texts, positive = [texts[row] for row in rows], np.asarray(positive, dtype=bool)[rows]
    if min(positive.sum(), (~positive).sum()) < FOLDS:
        raise ValueError(f"fewer than {FOLDS} texts are positive, or negative: nothing can be learned")
    counts, fold = counted(texts, RECIPES[language]), linear.folds(positive, FOLDS)
    names = (linear.FLOOR, linear.BETTER)
    margin = {name: linear.out_of_fold(counts, positive, fold, name, language) for name in names}
    losses = {name: log_loss(_cross_calibrated(margin[name][:, None], positive, fold), positive) for name in names}
    chosen = simplest_unbeaten(losses)
    models = {
        name: _calibrated(linear.fit(counts, positive, name, language), margin[name], positive)
        for name in {linear.FLOOR, chosen}
    }
    floor = models[linear.FLOOR]
    learned = Learned(
        models[chosen], replace(floor, cut=float(sigmoid(np.array(floor.shift)))),
        {name: float(values.mean()) for name, values in losses.items()},
        f"{chosen} by the log loss of {len(texts)} texts, each read without its fold",
    )  # fmt: skip
    if encoder is None:
        return learned
    return _second(learned, texts, positive, margin[chosen], encoder, device, folder, observe, tokens)


def _enough(texts: Sequence[str]) -> np.ndarray:
    rows = drawn(np.arange(len(texts)), MOST_TEXTS)
    total = sum(len(texts[row]) for row in rows)
    return drawn(rows, int(len(rows) * min(1.0, MOST_CHARACTERS / max(total, 1))))


def _cross_calibrated(columns: np.ndarray, positive: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Probabilities of each fold, by a logistic map fitted on the others."""
    found = np.empty(len(positive))
    for part in np.unique(fold):
        inside = fold == part
        weights = fit_logistic(columns[~inside], positive[~inside])
        found[inside] = sigmoid(columns[inside] @ weights[:-1] + weights[-1])
    return found


def _calibrated(model: linear.Linear, margin: np.ndarray, positive: np.ndarray) -> Sentiment:
    scale, shift = (float(weight) for weight in fit_logistic(margin[:, None], positive))
    return Sentiment(model, scale, shift, threshold(sigmoid(scale * margin + shift), positive))


def _second(
    learned: Learned,
    texts: Sequence[str],
    positive: np.ndarray,
    margin: np.ndarray,
    encoder: str,
    device: str,
    folder: Path | None,
    observe: Observer,
    tokens: int | None,
) -> Learned:
    """The same with a second reading where that is better beyond doubt."""
    from models.nlp.reader import PLAN, NoEncoder, Reader, tune

    model = learned.model
    odds = np.log(model.cut / (1 - model.cut))
    centre = float((odds - model.shift) / model.scale)
    reach = float(np.quantile(np.abs(margin - centre), UNSURE))
    unsure = np.flatnonzero(np.abs(margin - centre) <= reach)
    turn = linear.folds(positive[unsure], HELD_OUT)
    held_out, rest = unsure[turn == 0], unsure[turn > 0]
    if len(unsure) < LEAST_UNSURE or positive[unsure].all() or not positive[unsure].any():
        return replace(learned, note=f"{learned.note}; too few unsure texts for a transformer")
    try:
        reader = Reader(encoder, PLAN if tokens is None else replace(PLAN, tokens=tokens), device)
    except NoEncoder as error:
        return replace(learned, note=f"{learned.note}; {error}")
    with tempfile.TemporaryDirectory(prefix="reader-") as own:
        tune(reader, [texts[row] for row in rest], positive[rest], folder or Path(own), observe)
    columns = np.column_stack([margin[held_out], reader.log_odds([texts[row] for row in held_out])])
    outcome, fold = positive[held_out], linear.folds(positive[held_out], FOLDS)
    name = f"{model.name}+transformer"
    losses = {
        model.name: log_loss(_cross_calibrated(columns[:, :1], outcome, fold), outcome),
        name: log_loss(_cross_calibrated(columns, outcome, fold), outcome),
    }
    chosen = simplest_unbeaten(losses)
    said: dict[str, Any] = {f"unsure {key}": float(values.mean()) for key, values in losses.items()}
    note = f"{chosen} by the log loss of {len(held_out)} unsure texts that the transformer had not read"
    if chosen == name:
        weights = fit_logistic(columns, outcome)
        chance = sigmoid(model.scale * margin + model.shift)
        chance[held_out] = sigmoid(columns @ weights[:-1] + weights[-1])
        weight = np.ones(len(chance))
        weight[held_out], weight[rest] = len(unsure) / len(held_out), 0
        model = replace(model, cut=threshold(chance, positive, weight), second=Second(reader, centre, reach, weights))
    return Learned(model, learned.floor, learned.losses | said, f"{learned.note}; {note}")
