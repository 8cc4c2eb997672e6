"""What a challenger would have earned with the lists that were shown, before it is ever shown itself.

Impressions of nights after the challenger's cut-off, each with the click that followed and the propensity with which
its place was filled, are weighed by how likely the challenger would have filled it so: brought up to that night, under
that night's rules, with today's share of drawn places. See docs/feedback.md and `models.feedback.offpolicy`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.errors import NoSuchTable
from pipelines.rules.kept import rules_of
from pipelines.rules.tonight import Tonight
from pipelines.scoring.explored import explorer
from pipelines.scoring.known import Night, known_by
from pipelines.scoring.lists import ranked_lists
from pipelines.scoring.wanted import with_wanted
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER
from pipelines.warehouse import exists, open_warehouse

if TYPE_CHECKING:
    from models.feedback.offpolicy import Evaluation, Predicted
    from models.gate import Comparison
    from models.recommender.explored import Spare
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Ranked, Recommender
    from models.recommender.ruled import Ruled
    from models.recommender.saved import Saved

LEAST_CLICKS = 100
"""With fewer the upper end of an interval, by which a challenger is refused, is too low (docs/feedback.md)."""
NIGHTS, MOST = 14, 200_000
"""The newest nights are looked at, so many at most and until they hold so many impressions: each is ranked anew."""
IMPRESSIONS = "impressions"
_SHOWN = "intermediate.int_shown_place"


@dataclass(frozen=True)
class Judged:
    """`line`: of the gate's report, None where nothing can be said; `sentence`: what was found, or why nothing was."""

    line: "Comparison | None"
    sentence: str


@dataclass(frozen=True)
class Part:
    """A night's n impressions. `columns` float [n, F] describe what was shown; `row`, `chance` and `other` [P], [P, F]
    what the challenger might have put there instead, and how likely, in long form.
    """

    policy: np.ndarray
    columns: np.ndarray
    row: np.ndarray
    chance: np.ndarray
    other: np.ndarray


def judge(settings: Settings, name: str, version: str, cutoff: date) -> Judged | None:
    """The saved model against what was shown after its cut-off; None where no list came back as impressions at all."""
    from models.feedback.offpolicy import LEAST_EFFECTIVE, BadLogs
    from models.recommender.saved import load

    shown = _impressions(settings, cutoff)
    if not len(shown):
        return None
    clicks, users = pc.sum(shown["clicks"]).as_py(), pc.count_distinct(shown["listed_owner"]).as_py()
    since = f"{len(shown):,} impressions with {clicks:,} clicks of {users:,} users since {cutoff}"
    if clicks < LEAST_CLICKS or users < LEAST_EFFECTIVE:
        return Judged(None, f"{since}: fewer than {LEAST_CLICKS} clicks or {LEAST_EFFECTIVE} users, nothing is judged")
    if not pc.any(pc.less(shown["propensity"], 1.0)).as_py():
        return Judged(None, f"{since}, no place of them drawn: nothing is judged (setting exploration_share)")
    saved = load(settings.models / RECOMMENDER / version)
    try:
        found = _evaluated(settings, saved, shown)
    except BadLogs as reason:
        return Judged(None, f"{since} say nothing of it: {reason}")
    if found.chosen is None:
        return Judged(None, f"{since} say nothing of it: {found.sentence}")
    return _said(found, name, since)


def _said(found: "Evaluation", name: str, since: str) -> Judged:
    from models.gate import Comparison

    assert found.chosen is not None
    best, users = found.estimates[found.chosen], found.overlap.clusters
    surely_worse = best.gain_high < 0
    line = Comparison(
        IMPRESSIONS, "shown lists", "not below beyond doubt", users, best.value, best.value - best.gain, best.gain_low,
        best.gain_high, not surely_worse,
    )  # fmt: skip
    said = (
        f"{name} would have had {best.value:.3%} clicks an impression, {best.gain:+.3%}"
        f" [{best.gain_low:+.3%}, {best.gain_high:+.3%}] against what was shown, by {found.chosen} on {since}"
    )
    return Judged(line, f"not promoted: {said}" if surely_worse else said)


def _impressions(settings: Settings, cutoff: date) -> pa.Table:
    """One row per impression of a user's list, of the newest nights after the cut-off."""
    nothing = pa.table({"scored_for": pa.array([], pa.date32())})
    if not exists(settings):
        return nothing
    asked = (
        "select scored_for, listed_owner, rank, position, propensity, clicks"
        f" from {_SHOWN} where listed_kind = 'user' and scored_for > ?"
        " order by scored_for desc, listed_owner, rank, event_date, event_id"
    )
    try:
        with open_warehouse(settings) as connection:
            found = connection.reader(asked, [cutoff]).read_all()
    except NoSuchTable:
        return nothing
    nights, rows = np.unique(found["scored_for"].to_numpy(zero_copy_only=False), return_counts=True)
    before = np.concatenate([[0], np.cumsum(rows[::-1])[:-1]])
    kept = nights[::-1][:NIGHTS][before[:NIGHTS] < MOST]
    return found.filter(pc.is_in(found["scored_for"], value_set=pa.array(kept, pa.date32())))


def _evaluated(settings: Settings, saved: "Saved", shown: pa.Table) -> "Evaluation":
    """Raises BadLogs where the challenger cannot be held against what was shown."""
    from models.feedback.offpolicy import BadLogs, Logged, evaluate
    from models.recommender.floors import NotApplicable

    parts, tables = [], []
    for night in pc.unique(shown["scored_for"]).to_pylist():
        own = shown.filter(pc.equal(shown["scored_for"], night))
        try:
            parts.append(_part(settings, saved, night, own))
        except NotApplicable:
            continue  # a young night's data may be too little for this model
        tables.append(own)
    if not parts:
        raise BadLogs("it could be fitted on none of these nights")
    rows = pa.concat_tables(tables)
    reward, user = rows["clicks"].to_numpy().astype(np.float64), rows["listed_owner"].to_numpy(zero_copy_only=False)
    policy = np.minimum(np.concatenate([part.policy for part in parts]), 1.0)
    logged = Logged(reward, rows["propensity"].to_numpy(), policy, user.astype(str))
    return evaluate(logged, _predicted(parts, logged.reward, logged.cluster))


def _predicted(parts: list[Part], reward: np.ndarray, user: np.ndarray) -> "Predicted":
    """What a model of the clicks, learned from other users' rows, expects; 0 where the challenger shows nothing."""
    from models.feedback.offpolicy import Predicted
    from models.feedback.reward import cross_fit

    columns = np.concatenate([part.columns for part in parts])
    start = np.cumsum([0, *(len(part.policy) for part in parts)])
    row = np.concatenate([part.row + first for part, first in zip(parts, start, strict=False)])
    learned = cross_fit(columns, reward, user)
    chance, other = (np.concatenate([getattr(part, name) for part in parts]) for name in ("chance", "other"))
    return Predicted(learned.shown(columns), np.nan_to_num(learned.expected(row, chance, other)))


def _part(settings: Settings, saved: "Saved", night: date, impressions: pa.Table) -> Part:
    """The impressions of one night. Raises NotApplicable where the challenger cannot be fitted on its data."""
    from models.recommender import popular
    from models.recommender.configs import Popular
    from models.recommender.saved import refit

    rules = rules_of(settings, night)
    known = with_wanted(settings, known_by(settings, night, rules))[0]
    model, fill = refit(saved.config, saved.model, known.data)[1], popular.fit(known.data, Popular())
    owner = pc.index_in(impressions["listed_owner"].combine_chunks().cast(pa.string()), value_set=known.data.users)
    users, whose = np.unique(owner.to_numpy(zero_copy_only=False), return_inverse=True)
    shown = _shown(settings, known, users)
    made = _made(settings, known, model, fill, None if rules is None else Tonight(settings, rules, known), users)
    seen = np.log1p(impressions["position"].to_numpy().astype(np.float64))

    def described(row: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.column_stack([seen[row], np.log1p(fill.recent[items]), np.log1p(fill.overall[items])])

    place = impressions["rank"].to_numpy() - 1
    policy, item, parts = np.zeros(len(place)), np.zeros(len(place), np.int64), []
    for number, (items, chance) in enumerate(explorer(settings, known).choices(users, shown, *made)):
        row = np.flatnonzero(place == number)
        here = whose[row]
        item[row] = np.maximum(shown[here, number], 0)
        policy[row] = (chance * (items == shown[:, number, None]))[here].sum(axis=1)
        at, column = np.nonzero(chance[here])
        parts.append((row[at], chance[here[at], column], items[here[at], column]))
    row, chances, others = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Part(policy, described(np.arange(len(place)), item), row, chances, described(row, others))


def _shown(settings: Settings, known: Night, users: np.ndarray) -> np.ndarray:
    """int [B, top_k]: the published list of each of `users` int [B], ascending; -1 is padding, or no longer known."""
    asked = (
        f"select user_id, rank, item_id from {SCORES_RECOMMENDATIONS.name} where scored_for = ? and rank <= ?"
        " and user_id in (select listed_owner from intermediate.int_impression_day where listed_for = ?)"
    )
    with open_warehouse(settings) as connection:
        rows = connection.reader(asked, [known.day, settings.top_k, str(known.day)]).read_all()
    user, item = (
        pc.fill_null(pc.index_in(rows[name].combine_chunks().cast(pa.string()), value_set=values), -1).to_numpy()
        for name, values in (("user_id", known.data.users), ("item_id", known.data.items))
    )
    own = np.isin(user, users)
    found = np.full((len(users), settings.top_k), -1)
    found[np.searchsorted(users, user[own]), rows["rank"].to_numpy()[own] - 1] = item[own]
    return found


def _made(
    settings: Settings,
    known: Night,
    model: "Recommender",
    fill: "PopularModel",
    rules: Tonight | None,
    users: np.ndarray,
) -> "tuple[np.ndarray, np.ndarray, Spare]":
    """How the challenger makes the lists of `users` int [B], ascending: items int [B, k] before anything is drawn, what
    is held bool [B, k], and what may be drawn.
    """
    from models.recommender.explored import POOL, Spare

    shape, more = (len(users), settings.top_k), (len(users), POOL)
    lists, held = np.full(shape, -1), np.zeros(shape, dtype=bool)
    spare = Spare(np.full(more, -1), np.zeros(more))
    for block, kept, left in _blocks(settings, known, model, fill, rules, users):
        at = np.searchsorted(users, block.users)
        lists[at], held[at] = block.items, kept
        spare.items[at], spare.scores[at] = left.items, left.scores
    return lists, held, spare


def _blocks(
    settings: Settings,
    known: Night,
    model: "Recommender",
    fill: "PopularModel",
    rules: Tonight | None,
    users: np.ndarray,
) -> "Iterator[tuple[Ranked | Ruled, np.ndarray, Spare]]":
    draws = explorer(settings, known)
    if rules is None or not rules.rules:
        for block, new, spare in ranked_lists(settings, known, model, fill, users, draws):
            if spare is not None:
                yield block, np.zeros_like(new), spare
        return
    among = np.zeros(len(known.data.users), dtype=bool)
    among[users] = True
    for found in rules.customers(model, fill, settings.top_k, draws, among):
        if found.lists.spare is not None:
            yield found.lists, found.held, found.lists.spare
