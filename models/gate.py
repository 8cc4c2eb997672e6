"""Who may become champion: a challenger's held-out results against the champion and the floors, and a sentence why.

Everything is compared user by user on the same held-out days under the same repeat policy, by the 95 % bootstrap
interval of the mean difference in NDCG@10. On all users the challenger's interval must lie above zero against every
floor, and must not reach below the champion by more than `MARGIN` of the champion's value. On the slices, which are
smaller and noisier, it must not reach below by more than `SLICE_MARGIN` (with fewer than `FEW` users: not lie below
zero), against the champion and against the best floor: those are the two that would score in its place. A margin has to
be wider than the noise of a slice, or a model could not even follow itself.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.metrics import paired_interval

ALL = "all"
MARGIN = 0.03
SLICE_MARGIN = 0.25
FEW = 50
"""Of a slice with fewer users no margin can be shown: there only harm beyond doubt, an interval below zero, counts."""
SEED = 20_180_101

Values = Mapping[str, np.ndarray]
"""{slice: per-user NDCG@10}, the same users in the same order for every model."""


@dataclass(frozen=True)
class Comparison:
    """One line of the report."""

    slice: str
    against: str
    rule: str
    users: int
    challenger: float
    reference: float
    low: float
    high: float
    passed: bool

    @property
    def said(self) -> str:
        where = "" if self.slice == ALL else f" on {self.slice}"
        gain = self.challenger - self.reference
        return f"{gain:+.4f} [{self.low:+.4f}, {self.high:+.4f}] against {self.against}{where}"


@dataclass(frozen=True)
class Verdict:
    promoted: bool
    sentence: str
    comparisons: list[Comparison]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(name: str, challenger: Values, floors: Mapping[str, Values], champion: tuple[str, Values] | None) -> Verdict:
    """Whether `name` is promoted. `champion` is left out where it is one of the floors, or nobody yet."""
    lines = [above(challenger, floor, values) for floor, values in floors.items()]
    if champion is not None:
        lines.append(_not_below(challenger, *champion))
    best = best_of(floors)
    references = {best: floors[best]} | ({champion[0]: champion[1]} if champion else {})
    for part in challenger:
        if part != ALL:
            lines += [_unharmed(part, challenger, other, values) for other, values in references.items()]
    failed = [line for line in lines if not line.passed]
    level = f"{name}: NDCG@10 {challenger[ALL].mean():.4f} over {len(challenger[ALL])} users"
    if failed:
        return Verdict(False, f"{level}; not promoted: {'; '.join(line.said for line in failed)}", lines)
    gains = "; ".join(line.said for line in lines if line.slice == ALL and line.against in references)
    return Verdict(True, f"{level}; it earned its place: {gains}; no slice is worse", lines)


def best_of(results: Mapping[str, Values]) -> str:
    """The model with the highest mean on all users; ties by order."""
    return max(results, key=lambda name: float(results[name][ALL].mean()))


def above(challenger: Values, other: str, values: Values) -> Comparison:
    """The challenger minus another model on all users; the rule is that the interval lies above zero."""
    return _compare(ALL, challenger, other, values, "above", None)


def _not_below(challenger: Values, other: str, values: Values) -> Comparison:
    return _compare(ALL, challenger, other, values, f"not below by more than {MARGIN:.0%}", MARGIN)


def _unharmed(part: str, challenger: Values, other: str, values: Values) -> Comparison:
    if len(challenger[part]) < FEW:
        return _compare(part, challenger, other, values, "not below beyond doubt", float("inf"))
    return _compare(part, challenger, other, values, f"not below by more than {SLICE_MARGIN:.0%}", SLICE_MARGIN)


def _compare(part: str, challenger: Values, other: str, values: Values, rule: str, margin: float | None) -> Comparison:
    """`margin`: the share of the reference that the interval may reach below zero; None: it must lie above zero."""
    own, reference = challenger[part], values[part]
    users = len(own)
    low, high = paired_interval(own, reference, SEED)
    mean, level = (float(own.mean()), float(reference.mean())) if users else (0.0, 0.0)
    if margin is None:
        passed = low > 0
    else:
        passed = not users or (high >= 0 if margin == float("inf") else low >= -margin * level)
    return Comparison(part, other, rule, users, mean, level, low, high, passed)
