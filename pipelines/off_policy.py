"""What a challenger would have earned with the lists that were shown, before it is ever shown itself.

A list says nothing of what could not have stood in it. So the question is: at a place that may be drawn, which of the
items that might have stood there, given those above, would the challenger have put there? That choice has a known
chance in the logs, and what followed can be weighed by it. Nights are ranked anew for that, by who scored them and by
the challenger brought up to them. See docs/feedback.md and `models.feedback.offpolicy`.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import SCORES_RECOMMENDATIONS
from pipelines.errors import NoSuchTable
from pipelines.rules.kept import rules_of
from pipelines.rules.tonight import Tonight
from pipelines.scoring.champion import fitted
from pipelines.scoring.explored import anybodys
from pipelines.scoring.known import Night, known_by
from pipelines.scoring.lists import ranked_lists
from pipelines.scoring.wanted import with_wanted
from pipelines.settings import Settings
from pipelines.training_run import RECOMMENDER
from pipelines.warehouse import exists, open_warehouse

if TYPE_CHECKING:
    from models.feedback.offpolicy import Evaluation
    from models.gate import Comparison
    from models.recommender.explored import Explorer, Spare
    from models.recommender.popular import PopularModel
    from models.recommender.ranking import Ranked, Recommender
    from models.recommender.ruled import Ruled
    from models.recommender.saved import Saved

LEAST_CLICKS = 100
"""With fewer the upper end of an interval, by which a challenger is refused, is too low (docs/feedback.md)."""
NIGHTS, MOST = 14, 200_000
"""The newest nights are looked at, so many at most and until they hold so many impressions: each is ranked anew."""
FORGOTTEN = 0.01
"""More impressions than this share of which the night would not show what it showed: settings or data have changed."""
WIDE = 200
"""What the challenger ranks lower is no choice of its own: the place stays with what was ranked there."""
IMPRESSIONS = "impressions"


@dataclass(frozen=True)
class Judged:
    """`line`: of the gate's report, None where nothing can be said; `sentence`: what was found, or why nothing was."""

    line: "Comparison | None"
    sentence: str


@dataclass(frozen=True)
class Choices:
    """Of n impressions: `same` bool [n], whether the challenger would have put there what was shown; `able` bool [n],
    whether the night as it is ranked anew might have shown it; `shown` and `chosen` float [n, F] describe both items.
    """

    same: np.ndarray
    able: np.ndarray
    shown: np.ndarray
    chosen: np.ndarray


def judge(settings: Settings, name: str, version: str, cutoff: date) -> Judged | None:
    """The saved model against what was shown after its cut-off; None where no list came back as impressions at all."""
    from models.feedback.offpolicy import LEAST_EFFECTIVE, BadLogs
    from models.recommender.saved import load

    everything = _impressions(settings, cutoff)
    if not len(everything):
        return None
    shown = everything.filter(pc.less(everything["propensity"], 1.0))
    if not len(shown):
        said = "none at a place that may be drawn: nothing is judged (setting exploration_share)"
        return Judged(None, f"{len(everything):,} impressions since {cutoff}, {said}")
    clicks, users = pc.sum(shown["clicks"]).as_py(), pc.count_distinct(shown["listed_owner"]).as_py()
    since = f"{len(shown):,} impressions with {clicks:,} clicks of {users:,} users since {cutoff}"
    if clicks < LEAST_CLICKS or users < LEAST_EFFECTIVE:
        return Judged(None, f"{since}: fewer than {LEAST_CLICKS} clicks or {LEAST_EFFECTIVE} users, nothing is judged")
    try:
        found = _evaluated(settings, load(settings.models / RECOMMENDER / version), shown)
    except BadLogs as reason:
        return Judged(None, f"{since} say nothing of it: {reason}")
    return _said(found, name, since)


def _said(found: "Evaluation", name: str, since: str) -> Judged:
    from models.gate import Comparison

    if found.chosen is None:
        return Judged(None, f"{since} say nothing of it: {found.sentence}")
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
        "select scored_for, model_version, listed_owner, rank, position, propensity, clicks"
        " from intermediate.int_shown_place where listed_kind = 'user' and scored_for > ?"
        " order by scored_for desc, listed_owner, rank, event_date, event_id"
    )
    try:
        with open_warehouse(settings) as connection:
            found = connection.reader(asked, [cutoff]).read_all()
    except NoSuchTable:
        return nothing
    if not len(found):
        return found
    nights, rows = np.unique(found["scored_for"].to_numpy(zero_copy_only=False), return_counts=True)
    before = np.concatenate([[0], np.cumsum(rows[::-1])[:-1]])
    kept = nights[::-1][:NIGHTS][before[:NIGHTS] < MOST]
    return found.filter(pc.is_in(found["scored_for"], value_set=pa.array(kept, pa.date32())))


def _evaluated(settings: Settings, saved: "Saved", shown: pa.Table) -> "Evaluation":
    """Raises BadLogs where the challenger cannot be held against what was shown."""
    from models.feedback.offpolicy import BadLogs, Logged, Predicted, evaluate
    from models.feedback.reward import cross_fit
    from models.recommender.floors import NotApplicable

    parts, tables, without = [], [], len(shown)
    for night in pc.unique(shown["scored_for"]).to_pylist():
        own = shown.filter(pc.equal(shown["scored_for"], night))
        try:
            found = _choices(settings, saved, night, own)
        except NotApplicable:
            without -= len(own)  # the challenger cannot be fitted on the data of so young a night
            continue
        parts.append(found)
        tables.append(own.filter(pa.array(found.able)))
    able = sum(len(table) for table in tables)
    if not able or without - able > FORGOTTEN * without:
        raise BadLogs(f"{without - able:,} of {without:,} could not be shown again: models, rules or settings changed")
    rows = pa.concat_tables(tables)
    same, before, after = (
        np.concatenate([getattr(part, name)[part.able] for part in parts]) for name in ("same", "shown", "chosen")
    )
    reward, user = rows["clicks"].to_numpy().astype(np.float64), rows["listed_owner"].to_numpy(zero_copy_only=False)
    logged = Logged(reward, rows["propensity"].to_numpy(), same.astype(np.float64), user.astype(str))
    learned = cross_fit(before, reward, logged.cluster)
    return evaluate(logged, Predicted(learned.shown(before), learned.shown(after)))


def _choices(settings: Settings, saved: "Saved", night: date, impressions: pa.Table) -> Choices:
    """The impressions of one night. Raises NotApplicable where the challenger cannot be fitted on its data."""
    from models.recommender import popular
    from models.recommender.configs import Popular
    from models.recommender.saved import refit

    rules = rules_of(settings, night)
    known = with_wanted(settings, known_by(settings, night, rules))[0]
    challenger, fill = refit(saved.config, saved.model, known.data)[1], popular.fit(known.data, Popular())
    settings.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shown-", dir=settings.run) as folder:
        champion, _, version, _ = fitted(settings, known, Path(folder))
    owner = pc.index_in(impressions["listed_owner"].combine_chunks().cast(pa.string()), value_set=known.data.users)
    owned = pc.fill_null(owner, -1).to_numpy()
    users = np.unique(owned[owned >= 0])
    whose = np.where(owned >= 0, np.searchsorted(users, owned), len(users))  # the last: nobody who is still known
    place, seen = impressions["rank"].to_numpy() - 1, np.log1p(impressions["position"].to_numpy().astype(np.float64))
    item, choice = np.zeros((2, len(place)), dtype=np.int64)
    able = np.zeros(len(place), dtype=bool)
    listed, made = _listed(settings, known, users), None if rules is None else Tonight(settings, rules, known)
    drawn = anybodys(known)
    for block, held, new, spare in _blocks(settings, known, champion, fill, made, users, drawn):
        at = np.searchsorted(users, block.users)
        order = _order(known, challenger, fill, block.users)
        asked = (block.users, listed[at], block.items, held, spare)
        of_block = np.full(len(users) + 1, -1)
        of_block[at] = np.arange(len(at))
        for number, (items, chance) in enumerate(drawn.choices(*asked)):
            row = np.flatnonzero((place == number) & (of_block[whose] >= 0))
            here = of_block[whose[row]]
            preferred = np.where(new[:, number], items[:, 0], _preferred(order, items, chance > 0))
            item[row], choice[row] = listed[at][here, number], preferred[here]
            able[row] = ((items == listed[at][:, number, None]) & (chance > 0)).any(axis=1)[here]

    def described(items: np.ndarray) -> np.ndarray:
        found = np.maximum(items, 0)
        return np.column_stack([seen, np.log1p(fill.recent[found]), np.log1p(fill.overall[found])])

    able &= impressions["model_version"].combine_chunks().to_numpy(zero_copy_only=False) == version
    return Choices(item == choice, able, described(item), described(choice))


def _preferred(order: np.ndarray, items: np.ndarray, able: np.ndarray) -> np.ndarray:
    """int [B]: of `items` [B, C] that are `able` bool [B, C], the one that comes first in `order` int [B, N]; where it
    has none of them, the first.
    """
    match = (items[:, :, None] == order[:, None, :]) & able[:, :, None]
    rank = np.where(match.any(axis=2), match.argmax(axis=2), order.shape[1])
    return np.take_along_axis(items, rank.argmin(axis=1)[:, None], 1)[:, 0]


def _order(known: Night, model: "Recommender", fill: "PopularModel", users: np.ndarray) -> np.ndarray:
    """int [B, N]: what the model ranks best for each of `users`, whatever rules say; -1 pads."""
    from models.recommender.ranking import rank_users

    asked = (known.data, users, min(WIDE, len(known.data.items)), fill.order, known.available, known.seen)
    return np.concatenate([block.items for block in rank_users(model, *asked)])


def _listed(settings: Settings, known: Night, users: np.ndarray) -> np.ndarray:
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


def _blocks(
    settings: Settings,
    known: Night,
    model: "Recommender",
    fill: "PopularModel",
    rules: Tonight | None,
    users: np.ndarray,
    explorer: "Explorer",
) -> "Iterator[tuple[Ranked | Ruled, np.ndarray, np.ndarray, Spare]]":
    """Lists of `users` block by block before anything is drawn, bool [B, k] what is held and what is a newcomer, which
    no model had a say in, and what may be drawn.
    """
    if rules is None or not rules.rules:
        for block, new, spare in ranked_lists(settings, known, model, fill, users, explorer):
            if spare is not None:
                yield block, np.zeros_like(new), new, spare
        return
    among = np.zeros(len(known.data.users), dtype=bool)
    among[users] = True
    for found in rules.customers(model, fill, settings.top_k, explorer, among):
        if found.lists.spare is not None:
            yield found.lists, found.held, found.lists.new, found.lists.spare
