"""What is learned from judged pairs holds for queries that were not judged, and is saved whole."""

from pathlib import Path

import numpy as np
import pytest

from models.artefact import load_artefact, save_artefact
from models.nlp.search import features, relevance
from models.nlp.search.judging import ndcg

LIST = 20


def judged(queries: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs whose grade follows two columns together, each of which is a poor guide alone."""
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(queries * LIST, len(features.NAMES))).astype(np.float32)
    columns[:, features.NAMES.index("brand")] = np.nan
    one, other = (columns[:, features.NAMES.index(name)] for name in ("title_weight", "cosine"))
    grade = np.clip(np.rint(1.5 + one + other + 0.5 * draw.normal(size=len(one))), 0, 3).astype(int)
    return columns, grade, np.repeat(np.arange(queries), LIST)


def test_other_queries_are_ordered_better_than_by_any_single_column() -> None:
    learned = relevance.learn(*judged(60, 1))
    columns, grade, query = judged(40, 2)
    gain = relevance.gains(grade)
    found = ndcg(learned.score(columns), gain, query).mean()
    single = max(
        ndcg(columns[:, features.NAMES.index(n)].astype(float), gain, query).mean() for n in ("title_weight", "cosine")
    )
    assert found > single + 0.05
    share = learned.gain()
    assert sorted(share, key=share.__getitem__)[-2:] in (["title_weight", "cosine"], ["cosine", "title_weight"])
    assert sum(share.values()) == pytest.approx(1)


def test_more_evidence_never_lowers_a_score() -> None:
    learned = relevance.learn(*judged(40, 3))
    columns = judged(5, 4)[0]
    for name in ("cosine", "bm25_title"):
        more = columns.copy()
        more[:, features.NAMES.index(name)] += 1.0
        trees = [learned.order, learned.amount]
        assert all((one.predict(more) >= one.predict(columns) - 1e-9).all() for one in trees)


def test_equal_rows_in_another_order_teach_the_same_and_a_row_has_one_score() -> None:
    columns, grade, query = judged(30, 5)
    learned = relevance.learn(columns, grade, query)
    turned = np.concatenate([np.flatnonzero(query == q) for q in range(29, -1, -1)])
    again = relevance.learn(columns[turned], grade[turned], query[turned])
    assert np.array_equal(learned.score(columns), again.score(columns))
    assert np.array_equal(learned.score(columns[:1]), learned.score(columns)[:1])


def test_what_is_saved_scores_the_same(tmp_path: Path) -> None:
    columns, grade, query = judged(30, 6)
    learned = relevance.learn(columns, grade, query)
    version = save_artefact(tmp_path, learned.arrays(), {"columns": list(features.NAMES)})
    arrays, _ = load_artefact(tmp_path / version)
    assert np.array_equal(relevance.from_arrays(arrays).score(columns), learned.score(columns))


def test_grades_between_whole_numbers_count_and_wrong_ones_are_refused() -> None:
    assert relevance.gains(np.array([0, 1, 2.5])) == pytest.approx([0, 1, 2**2.5 - 1])
    for wrong in ([-1.0], [31.0], [np.nan], []):
        with pytest.raises(ValueError, match="grades"):
            relevance.gains(np.array(wrong))
    columns, _, query = judged(2, 7)
    with pytest.raises(ValueError, match="different grades"):
        relevance.learn(columns, np.arange(len(query)) / 10, query)
