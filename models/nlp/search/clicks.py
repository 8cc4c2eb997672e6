"""What clicks say of relevance once it is known how often people look at each place of a list.

The position-based model (Richardson, Dominowska and Ragno 2007): P(click) = P(the place is looked at) · P(the product
is wanted for the query). A click far down weighs more, because few looked there.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

LEAST_SHOWN = 2
"""A product shown once at a place says little of it; in pairs of places each side needs as many impressions."""
PRIOR = 5.0
"""Looks with the mean attraction of all products that every product is given: one lucky click is no proof."""
GRADES = 5
_LEAST_LOOK = 0.01


class NoInterventions(ValueError):
    """No product was seen at different places, so what people look at cannot be told from what they want."""


@dataclass(frozen=True)
class Log:
    """N impressions: `pair` int [N] a query with a product, `place` int [N] from 1, `clicked` bool [N]."""

    pair: np.ndarray
    place: np.ndarray
    clicked: np.ndarray


def looks(log: Log) -> np.ndarray:
    """float64 [deepest place]: how often each place is looked at, the first taken as 1.

    Intervention harvesting (Agarwal et al. 2019): where one product was shown for one query at two places, what it is
    worth is the same at both, so the ratio of its clicks there is the ratio of the looks. Every two places give one
    equation, log θ_a − log θ_b = log clicks_a − log clicks_b, of click rates over the products seen at both, each as
    often as at the place where it was shown less; least squares, weighted by clicks, over all of them. A slice of
    traffic whose order was shuffled needs nothing else: it is where such products abound.
    Raises `NoInterventions` where the places do not hang together by such products.
    """
    pair, place = np.unique(log.pair, return_inverse=True)[1], log.place - 1
    deepest = int(place.max(initial=-1)) + 1
    cell = pair * deepest + place
    held, where = np.unique(cell, return_inverse=True)
    shown = np.bincount(where, minlength=len(held))
    rate = np.bincount(where, log.clicked, len(held)) / np.maximum(shown, 1)
    enough = shown >= LEAST_SHOWN
    equations = _equations(held[enough] // deepest, held[enough] % deepest, shown[enough], rate[enough], deepest)
    return _solve(equations, deepest)


def judged(log: pa.Table) -> pa.Table:
    """Pairs with grades, in the form of judged ones: query, item_id, grade, by query and item.

    `log`: query, item_id, place (from 1), clicked; an impression a row. Raises `NoInterventions`, as `looks` does.
    """
    shown = list(zip(log["query"].to_pylist(), log["item_id"].to_pylist(), strict=True))
    pairs = sorted(set(shown))
    number = {pair: n for n, pair in enumerate(pairs)}
    place, clicked = (np.asarray(log[name].to_numpy()) for name in ("place", "clicked"))
    counted = Log(np.array([number[pair] for pair in shown]), place.astype(np.int64), clicked.astype(bool))
    query = np.unique(np.array([query for query, _ in pairs]), return_inverse=True)[1]
    grade = grades(wanted(counted, looks(counted), len(pairs)), query)
    texts = (pa.array([pair[n] for pair in pairs], pa.string()) for n in (0, 1))
    return pa.table(dict(zip(("query", "item_id", "grade"), (*texts, pa.array(grade, pa.int64())), strict=True)))


Equation = tuple[int, int, float, float]


def _equations(
    pair: np.ndarray, place: np.ndarray, shown: np.ndarray, rate: np.ndarray, deepest: int
) -> list[Equation]:
    """(place a, place b, log ratio, weight) of every two places with clicks at both."""
    pairs = int(pair.max(initial=-1)) + 1
    times, rates = (np.zeros((deepest, pairs)) for _ in range(2))
    times[place, pair], rates[place, pair] = shown, rate
    found = []
    for a in range(deepest):
        for b in range(a + 1, deepest):
            both = np.minimum(times[a], times[b])
            upper, lower = float(both @ rates[a]), float(both @ rates[b])
            if upper > 0 and lower > 0:
                found.append((a, b, float(np.log(upper / lower)), upper * lower / (upper + lower)))
    return found


def _solve(equations: list[Equation], deepest: int) -> np.ndarray:
    reached = {0}
    for _ in range(deepest):
        reached |= {end for a, b, *_ in equations if a in reached or b in reached for end in (a, b)}
    if len(reached) < deepest or not equations:
        raise NoInterventions("too few products were shown for one query at different places to tell looks from wishes")
    design, target, weight = np.zeros((len(equations), deepest)), np.empty(len(equations)), np.empty(len(equations))
    for row, (a, b, ratio, sure) in enumerate(equations):
        design[row, a], design[row, b], target[row], weight[row] = 1.0, -1.0, ratio, np.sqrt(sure)
    solution = np.linalg.lstsq(design[:, 1:] * weight[:, None], target * weight, rcond=None)[0]
    return np.concatenate([[1.0], np.clip(np.exp(solution), _LEAST_LOOK, None)])


def wanted(log: Log, look: np.ndarray, pairs: int) -> np.ndarray:
    """float64 [pairs]: how often each pair would be clicked by somebody who looks at it.

    (Σ clicks + prior · overall) / (Σ looks + prior). Inverse-propensity weights (Joachims et al. 2017)
    take the mean of click / look over impressions; both are right on average, since a click at a place has the chance
    look · wanted. Weighing that mean by the looks, as is done here, gives Σ clicks / Σ looks: without the outliers that
    a click at a place nobody looks at would be.
    """
    seen = np.bincount(log.pair, look[log.place - 1], pairs)
    clicks = np.bincount(log.pair, log.clicked, pairs)
    overall = clicks.sum() / max(seen.sum(), 1e-12)
    return np.asarray((clicks + PRIOR * overall) / (seen + PRIOR))


def grades(attraction: np.ndarray, query: np.ndarray) -> np.ndarray:
    """int32 [P] from 0 to 4: what LambdaRank learns from, each pair by its share of the most wanted of its query.

    The gain 2^grade − 1 follows the share: grade = round(log2(1 + 15 · share)). `query` int [P].
    """
    best = np.zeros(int(query.max(initial=-1)) + 1)
    np.maximum.at(best, query, attraction)
    share = attraction / np.maximum(best[query], 1e-12)
    return np.asarray(np.rint(np.log2(1 + (2 ** (GRADES - 1) - 1) * share)), dtype=np.int32)
