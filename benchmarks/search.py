"""Search on judged pairs: fielded BM25, embeddings, their fusion, and the ranking that ships, which learns from folds.

    .venv/bin/python -m benchmarks.search --data PAIRS.parquet --query COL --title COL [--description COL] --grade COL

CSV or Parquet, a judged pair a row, grades from 0 (no answer) up. Five folds grouped by query: what ranks a query has
seen no grade of it. Each ranks the judged products of the query; NDCG@10 with gain 2^grade − 1, the ideal list over all
judged products of the query; equal scores count as on average over their orders. `intervals`: 95 %, by bootstrap over
queries, of each ranking and of shipped minus each, query by query. Nothing is set per file.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks._measure import watching
from benchmarks._tables import read_columns
from models.metrics import bootstrap_interval
from models.nlp.search import features, index, relevance
from models.nlp.search.catalogue import Catalogue
from models.nlp.search.encoders import encoder_for
from models.nlp.search.judging import SEED, folds, ndcg

K = 10
METHODS = ("bm25", "cosine", "fusion")
SAID = {"bm25": "bm25", "cosine": "embedding", "fusion": "fusion"}
SHIPPED = "shipped"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.search", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV or Parquet")
    for name in ("query", "title", "grade"):
        parser.add_argument(f"--{name}", required=True, help="its column")
    parser.add_argument("--description", help="its column, if any")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch:
        wanted = {name: getattr(asked, name) for name in ("query", "title", "description", "grade")}
        table = read_columns(asked.data, {name: column for name, column in wanted.items() if column})
        answer = measured(table, say)
    answer = {
        "benchmark": "search", "data": asked.data.name, **answer,
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


def measured(table: pa.Table, tell: Any) -> dict[str, Any]:
    """Of `table` (query, title, grade, description?) what the last line says, without time and memory."""
    table = table.filter(pc.and_(table["query"].is_valid(), table["grade"].is_valid()))
    texts = [str(q) for q in table["query"].to_pylist()]
    names = sorted(set(texts))
    query = np.searchsorted(np.array(names), np.array(texts))
    gain = relevance.gains(np.asarray(table["grade"].cast(pa.float64())))
    catalogue, item = products(table)
    encoder = encoder_for([*names, *catalogue.spoken()])
    tell(f"{len(texts):,} pairs, {len(names):,} queries, {len(catalogue):,} products; encoder {encoder.name}")
    built = index.build(catalogue, encoder.encode(catalogue.spoken()))
    tell("products are indexed and embedded")
    columns = features.columns(built, index.read(built, encoder, names), query, item)
    scores = {SAID[name]: columns[:, features.NAMES.index(name)].astype(np.float64) for name in METHODS}
    scores[SHIPPED] = held_out(columns, np.log2(gain + 1), query, tell)
    values = {name: ndcg(score, gain, query, K) for name, score in scores.items()}
    judged = np.isfinite(values[SHIPPED])
    values = {name: value[judged] for name, value in values.items()}
    return {
        "pairs": len(texts), "queries": len(names), "queries_with_an_answer": int(judged.sum()),
        "products": len(catalogue), "encoder": encoder.name, "gain": "2^grade - 1",
        "ideal": "all judged products of the query",
        f"ndcg@{K}": {name: round(float(value.mean()), 5) for name, value in values.items()},
        "intervals": intervals(values),
    }  # fmt: skip


def products(table: pa.Table) -> tuple[Catalogue, np.ndarray]:
    """Each different product once, and int [P]: which of them each row is about."""
    titles = [None if t is None else str(t) for t in table["title"].to_pylist()]
    given = table["description"].to_pylist() if "description" in table.column_names else [None] * len(titles)
    place: dict[tuple[str | None, str | None], int] = {}
    item = np.array([place.setdefault(pair, len(place)) for pair in zip(titles, given, strict=True)])
    title, description = (pa.array([pair[n] for pair in place], pa.string()) for n in (0, 1))
    item_id = pa.array([str(n) for n in range(len(place))])
    return Catalogue.of(pa.table({"item_id": item_id, "title": title, "description": description})), item


def held_out(columns: np.ndarray, grade: np.ndarray, query: np.ndarray, tell: Any) -> np.ndarray:
    """float64 [P]: each pair scored by a model that learned from the other folds."""
    fold = folds(int(query.max()) + 1)[query]
    scores = np.zeros(len(query))
    for n in np.unique(fold).tolist():
        learned = relevance.learn(columns[fold != n], grade[fold != n], query[fold != n])
        scores[fold == n] = learned.score(columns[fold == n])
        tell(f"fold {n + 1}: learned from {int((fold != n).sum()):,} pairs")
    return scores


def intervals(values: dict[str, np.ndarray]) -> dict[str, list[float]]:
    found = {name: ends(value) for name, value in values.items()}
    for name, value in values.items():
        if name != SHIPPED:
            found[f"{SHIPPED}_minus_{name}"] = ends(values[SHIPPED] - value)
    return found


def ends(values: np.ndarray) -> list[float]:
    return [round(end, 5) for end in bootstrap_interval(values, SEED)]


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
