"""Pictures of a space: what is near what, and all products on a plane."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

MOST_SHOWN = 3_000
"""Products on a plane; more hide each other."""
MOST_COLOURS = 10
SEED = 20_180_101


def grid(
    queries: Sequence[str | np.ndarray], found: np.ndarray, pixels: np.ndarray, titles: Sequence[str | None]
) -> Figure:
    """A query a row, and beside it the products it finds.

    `queries`: texts, or pictures uint8 [S, S, 3]; `found` int [queries, k], rows of the products, -1 for none; `pixels`
    uint8 [n, S, S, 3] and `titles` of the products.
    """
    rows, k = found.shape
    figure = Figure(figsize=(1.3 * (k + 1), 1.6 * rows), layout="constrained")
    axes = figure.subplots(rows, k + 1, squeeze=False)
    for query, row, line in zip(queries, found, axes, strict=True):
        for axis in line:
            axis.set_axis_off()
        if isinstance(query, str):
            line[0].text(0.5, 0.5, _folded(query), ha="center", va="center", fontsize=8)
        else:
            line[0].imshow(query)
        for product, axis in zip(row, line[1:], strict=True):
            if product >= 0:
                axis.imshow(pixels[product])
                axis.set_title(_folded(titles[product] or ""), fontsize=5)
    axes[0][0].set_title("query", fontsize=7)
    return figure


def plane(vectors: np.ndarray) -> np.ndarray:
    """float64 [n, 2]: the two directions in which vectors [n, d] differ most (Hotelling 1933), signs fixed."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(centred.T @ centred)
    first = directions[:, np.argsort(-values, kind="stable")[:2]]
    first = first * np.where(first[np.abs(first).argmax(axis=0), np.arange(first.shape[1])] < 0, -1, 1)
    return np.asarray(centred @ first)


def embedding(vectors: np.ndarray, labels: Sequence[str | None], title: str) -> Figure:
    """Products [n, d] on a plane by t-SNE (van der Maaten and Hinton 2008), started from `plane` and so the same every
    time; coloured by the most frequent labels. At most `MOST_SHOWN`, drawn at random.
    """
    from sklearn.manifold import TSNE

    chosen = np.arange(len(vectors))
    if len(chosen) > MOST_SHOWN:
        chosen = np.sort(np.random.default_rng(SEED).choice(chosen, MOST_SHOWN, replace=False))
    start = plane(vectors[chosen])
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4
    perplexity = float(min(30, max(2, (len(chosen) - 1) // 3)))
    at = TSNE(init=start, perplexity=perplexity, random_state=SEED).fit_transform(vectors[chosen].astype(np.float64))
    given = np.array([labels[row] or "unknown" for row in chosen.tolist()])
    names, counts = np.unique(given, return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")[:MOST_COLOURS]]
    figure = Figure(figsize=(8, 6), layout="constrained")
    axis = figure.subplots()
    other = ~np.isin(given, frequent)
    axis.scatter(at[other, 0], at[other, 1], s=6, color="lightgrey", label="other" if other.any() else None)
    for number, name in enumerate(frequent):
        axis.scatter(at[given == name, 0], at[given == name, 1], s=6, color=f"C{number}", label=str(name))
    axis.set(title=title, xticks=[], yticks=[])
    axis.legend(fontsize=7, markerscale=2, loc="best")
    return figure


def _folded(text: str, width: int = 18, lines: int = 3) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width)[:lines]).replace("$", r"\$")
