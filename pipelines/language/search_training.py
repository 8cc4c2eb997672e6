"""Learn to order search results from what people judged and clicked; judged on queries that nothing was learned from.

    queries in five folds ─▶ each ordered by a model of the other four, and by fused ranks ─▶ NDCG@10, query by query
    all queries ─▶ the version that may be promoted

Judgements are few and mostly old, so a time split would judge by a handful: folds by query ask what matters, an order
for queries nobody has judged. The champion has seen the old queries, so it is compared on those judged since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines import lake, staging
from pipelines.contracts import EVENTS, QUERIES
from pipelines.errors import NightmarketError, TooLittle
from pipelines.language.catalogue import embedded_catalogue
from pipelines.language.judged import Pairs, clicked_pairs, judged_pairs
from pipelines.language.trial import CHAMPION, FLOOR, LEARNED, NDCG, Metric, Trial, digest, interval, keep, standing
from pipelines.settings import Settings
from pipelines.training_run import SEARCH, Report

if TYPE_CHECKING:
    from models.nlp.search.encoders import Encoder
    from models.nlp.search.index import Index
    from models.registry import Promotion

LEAST_QUERIES = 20
"""Queries with an answer that are needed to learn from, and to hold a champion against."""
JUDGED, CLICKED, NEW = "judged", "clicked", "new_queries"
K = 10


@dataclass(frozen=True)
class Seen:
    """Pairs of products that are known, side by side with the columns that are learned from."""

    names: list[str]
    query: np.ndarray  # int64 [P], into names
    grade: np.ndarray  # float64 [P]
    columns: np.ndarray  # float32 [P, F]

    @property
    def answered(self) -> np.ndarray:
        """bool [queries]: those with a product that answers them."""
        return np.bincount(self.query, self.grade > 0, len(self.names)) > 0


def train_search(settings: Settings, until: date | None, say: Report, device: str = "auto") -> dict[str, Any]:
    """Fit and judge an order; nothing is promoted. `until`: the last day that is known, by default the newest one.

    Judged pairs decide where at least 20 queries have some, and clicks join them if that helps beyond doubt; else
    clicks alone. Raises TooLittle where there is too little of both.
    """
    until = until or _newest_day(settings)
    judged, first = judged_pairs(settings, until)
    clicked = clicked_pairs(settings, until)
    staging.require_whole(settings)
    champion = standing(settings, SEARCH, until)
    built = embedded_catalogue(settings, until, device)
    if built is None:
        raise TooLittle(f"cannot train {SEARCH}: no product is known on {until}")
    index, encoder = built
    pairs, clicks = _seen(index, encoder, judged), _seen(index, encoder, clicked)
    say(f"{_told(pairs)} judged, {_told(clicks)} clicked; encoder {encoder.name}")
    part, base = (JUDGED, pairs) if _enough(pairs) else (CLICKED, clicks)
    if not _enough(base):
        raise TooLittle(
            f"cannot train {SEARCH}: {_told(pairs)} are judged and {_told(clicks)} clicked up to {until}, and"
            f" {LEAST_QUERIES} with an answer are needed; land more judged pairs, or impressions with their query and"
            " position"
        )
    found, learned, note = _learn(base, clicks if part == JUDGED else None)
    say(note)
    scores = {FLOOR: _fused(base), LEARNED: found}
    judged_by = {name: {part: _ndcg(base, score, base.answered)} for name, score in scores.items()}
    if champion is not None:
        since = np.array([first.get(name, until) > date.fromisoformat(champion.known_until) for name in base.names])
        _beside_champion(settings, champion, encoder, base, since & base.answered, scores, judged_by)
    trial = _trial(settings, learned, encoder.name, judged_by, note, base, until)
    return {**keep(settings, trial, champion), "note": note}


def _newest_day(settings: Settings) -> date:
    days = [*lake.active_files(settings, QUERIES.name), *lake.active_files(settings, EVENTS.name)]
    if not days:
        raise TooLittle(f"the lake holds nothing to train {SEARCH} on; run `nightmarket history` first")
    return max(days)


def _seen(index: "Index", encoder: "Encoder", pairs: Pairs) -> Seen:
    from models.nlp.search import features
    from models.nlp.search.index import read

    place = {item: n for n, item in enumerate(index.catalogue.item_id)}
    kept = [n for n, item in enumerate(pairs.item_id) if item in place]
    names = sorted({pairs.query[n] for n in kept})
    number = {name: n for n, name in enumerate(names)}
    query = np.array([number[pairs.query[n]] for n in kept], dtype=np.int64)
    item = np.array([place[pairs.item_id[n]] for n in kept], dtype=np.int64)
    columns = features.columns(index, read(index, encoder, names), query, item)
    return Seen(names, query, pairs.grade[kept], columns)


def _enough(seen: Seen) -> bool:
    return int(seen.answered.sum()) >= LEAST_QUERIES


def _told(seen: Seen) -> str:
    return f"{len(seen.query):,} pairs of {int(seen.answered.sum()):,} answered queries"


def _learn(base: Seen, clicks: Seen | None) -> tuple[np.ndarray, Any, str]:
    """Each pair's score by a model that has not seen its query; the model of all; what was learned from, and why."""
    from models.choice import simplest_unbeaten
    from models.nlp.search import relevance

    learned_from: dict[str, Seen | None] = {"judged pairs" if clicks is not None else "clicks": None}
    if clicks is not None and len(clicks.query):
        learned_from["judged pairs and clicks"] = _scaled(clicks, float(base.grade.max()))
    scores = {name: _held_out(base, more) for name, more in learned_from.items()}
    losses = {name: 1 - _ndcg(base, score, base.answered) for name, score in scores.items()}
    chosen = simplest_unbeaten(losses)
    columns, grade, query = _with(base, learned_from[chosen], np.ones(len(base.query), dtype=bool))
    level = ", ".join(f"{name} {1 - float(loss.mean()):.4f}" for name, loss in losses.items())
    note = f"learned from {chosen}, by NDCG@{K} on queries left out ({level})"
    return scores[chosen], relevance.learn(columns, grade, query), note


def _scaled(clicks: Seen, best: float) -> Seen:
    """Grades of clicks brought to the range of judged ones, so that no kind outweighs the other by its scale."""
    return Seen(clicks.names, clicks.query, clicks.grade * best / max(float(clicks.grade.max()), 1.0), clicks.columns)


def _held_out(base: Seen, more: Seen | None) -> np.ndarray:
    from models.nlp.search import relevance
    from models.nlp.search.judging import folds

    fold = folds(len(base.names))[base.query]
    scores = np.zeros(len(base.query))
    for n in np.unique(fold).tolist():
        learned = relevance.learn(*_with(base, more, fold != n))
        scores[fold == n] = learned.score(base.columns[fold == n])
    return scores


def _with(base: Seen, more: Seen | None, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The chosen pairs, and those of `more` whose query is none of the pairs that were not chosen."""
    if more is None:
        return base.columns[chosen], base.grade[chosen], base.query[chosen]
    hidden = {base.names[q] for q in np.unique(base.query[~chosen]).tolist()}
    open_to = np.array([name not in hidden for name in more.names], dtype=bool)[more.query]
    return (
        np.concatenate([base.columns[chosen], more.columns[open_to]]),
        np.concatenate([base.grade[chosen], more.grade[open_to]]),
        # Two lists even where the query is the same: a judged grade and a clicked one are not compared.
        np.concatenate([base.query[chosen], len(base.names) + more.query[open_to]]),
    )


def _fused(seen: Seen) -> np.ndarray:
    from models.nlp.search.night import softened

    return softened(seen.columns, seen.query)


def _ndcg(seen: Seen, score: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    from models.nlp.search.judging import ndcg
    from models.nlp.search.relevance import gains

    return ndcg(score, gains(seen.grade), seen.query, K)[chosen]


def _beside_champion(
    settings: Settings,
    champion: "Promotion",
    encoder: "Encoder",
    base: Seen,
    new: np.ndarray,
    scores: dict[str, np.ndarray],
    judged_by: dict[str, dict[str, np.ndarray]],
) -> None:
    """The slice of queries judged first after the champion learned, where there are enough of them."""
    from models.artefact import ArtefactError
    from models.nlp.search.saved import load

    try:
        order = load(settings.models / SEARCH / champion.version)
    except ArtefactError as error:
        raise NightmarketError(f"champion of {SEARCH}: {error}") from error
    if new.sum() < LEAST_QUERIES or order.encoder != encoder.name:
        return
    own = order.model.score(base.columns) if order.model is not None else _fused(base)
    for name, score in {**scores, CHAMPION: own}.items():
        judged_by.setdefault(name, {})[NEW] = _ndcg(base, score, new)


def _trial(
    settings: Settings,
    learned: Any,
    encoder: str,
    judged_by: dict[str, dict[str, np.ndarray]],
    note: str,
    base: Seen,
    until: date,
) -> Trial:
    from models.nlp.search.card import card
    from models.nlp.search.saved import Order, save

    folder = settings.models / SEARCH
    versions = {name: save(folder, Order(model, encoder)) for name, model in ((FLOOR, None), (LEARNED, learned))}
    metrics: dict[tuple[str, str], dict[str, Metric]] = {
        (name, part): {NDCG: interval(values)} for name, parts in judged_by.items() for part, values in parts.items()
    }
    text = card(versions[LEARNED], until, note, metrics, learned.gain(), encoder)
    said: Sequence[str] = [
        f"{base.names[q]}\t{g}" for q, g in zip(base.query.tolist(), base.grade.tolist(), strict=True)
    ]
    return Trial(
        SEARCH, until, until, NDCG, versions, judged_by, metrics, text, "queries", digest(said), len(base.query),
        {"encoder": encoder, "queries": len(base.names)},
    )  # fmt: skip
