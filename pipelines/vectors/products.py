"""What products read, look and sound like, as one vector each, by the champion of `multimodal` as of a night."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake
from pipelines.contracts import CONTENT_HASH
from pipelines.errors import NightmarketError
from pipelines.fence import Attempt
from pipelines.media.kinds import AUDIO, IMAGE
from pipelines.media.step import Tower, item_vectors, read_media
from pipelines.media.vectors import VECTOR, Vectors
from pipelines.scoring.foretold import DIGITS
from pipelines.scoring.rows import Stamp, stamped
from pipelines.settings import Settings
from pipelines.training_run import MULTIMODAL, availability
from pipelines.vectors.rows import PRODUCTS, vector_rows

if TYPE_CHECKING:
    from models.multimodal.space import Space
    from models.multimodal.titles import Titles

TEXT = "text"
ALIKE = 20


@dataclass(frozen=True)
class Goods:
    """Products on sale, in the order of their ids. `vectors` float32 [I, d] by modality; zeros where there is none."""

    items: pa.Array
    titles: list[str | None]
    vectors: dict[str, np.ndarray]
    digests: dict[str, list[str]]  # of what each was made of; empty where there is nothing
    space: "Space | Titles"

    @property
    def present(self) -> dict[str, np.ndarray]:
        return {kind: np.asarray(rows.any(axis=1)) for kind, rows in self.vectors.items()}

    def fused(self) -> np.ndarray:
        """float32 [I, d] of length 1."""
        return self.space.fused(self.vectors, self.present)


def space_as_of(settings: Settings, night: date, device: str = "auto") -> "Space | Titles | None":
    """The latest champion whose data ends before `night` (law 4): a space, or the floor; None without one."""
    from models.artefact import ArtefactError
    from models.multimodal.space import Space
    from models.multimodal.titles import Titles, is_titles
    from models.nlp.search.encoders import NoEncoder
    from models.registry import champion_as_of

    champion = champion_as_of(settings.models, MULTIMODAL, night)
    if champion is None:
        return None
    folder = settings.models / MULTIMODAL / champion.version
    try:
        return Titles.load(folder, device) if is_titles(folder) else Space.load(folder, device)
    except (ArtefactError, NoEncoder) as error:
        raise NightmarketError(f"night {night}: {error}") from error


def tower_of(space: "Space | Titles") -> Tower:
    from models.multimodal.titles import Titles

    if isinstance(space, Titles):  # looks at nothing
        return Tower(space.name)
    images = space.images if IMAGE in space.kinds else None
    sounds = space.sounds if AUDIO in space.kinds else None
    return Tower(space.name, images, sounds, space.config.pictures.size, space.config.sounds.seconds)


def goods_by(
    settings: Settings, night: date, space: "Space | Titles", attempt: Attempt
) -> tuple[Goods, dict[str, Any]]:
    """What is on sale, and what the reading of its media counted. New texts, pictures and sounds alone are read."""
    said = read_media(settings, night, tower_of(space), attempt)
    products = lake.products(settings, night)
    products = products.filter(pa.array(availability(products, products["item_id"].combine_chunks(), night)))
    return goods_of(settings, night, space, products), said


def goods_of(settings: Settings, night: date, space: "Space | Titles", products: pa.Table) -> Goods:
    """These products, by the media that have a vector; titles that nobody has read yet are read."""
    tower = tower_of(space)
    items = products["item_id"].combine_chunks().cast(pa.string())
    titles = products["title"].to_pylist()
    vectors, digests = {}, {}
    if TEXT in space.kinds:
        vectors[TEXT], digests[TEXT] = _texts(settings, space, titles)
    for kind, part in ((IMAGE, tower.images), (AUDIO, tower.sounds)):
        if part is not None:
            vectors[kind], digests[kind] = _first(item_vectors(settings, night, tower, kind), items, space.dimension)
    return Goods(items, titles, vectors, digests, space)


def product_rows(goods: Goods, stamp: Stamp) -> tuple[pa.Table, pa.Table]:
    """Rows of `scores.item_vectors` and of `scores.lookalike_products`."""
    from models.multimodal.lookalike import Model, product_rows

    fused = goods.fused()
    made_of = [
        hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        for parts in zip(*(goods.digests[kind] for kind in sorted(goods.digests)), strict=True)
    ]
    own = stamp.of(MULTIMODAL, goods.space.name)
    rows = product_rows(goods.items, fused, Model(MULTIMODAL, goods.space.name), ALIKE)
    columns = {name: rows[name].combine_chunks() for name in ("item_id", "rank", "lookalike_item_id")}
    columns["similarity"] = pc.round(rows["similarity"].combine_chunks(), DIGITS)
    return vector_rows(PRODUCTS, goods.items, made_of, fused, own), stamped(columns, own)


def duplicate_rows(goods: Goods, stamp: Stamp) -> pa.Table:
    """Rows of `scores.duplicate_products`."""
    from models.multimodal.duplicates import duplicates
    from models.multimodal.lookalike import Model

    model = Model(MULTIMODAL, goods.space.name)
    rows = duplicates(goods.items, goods.fused(), pa.array(goods.titles, pa.string()), model)
    columns = {name: rows[name].combine_chunks() for name in ("item_id", "duplicate_item_id")}
    columns |= {name: pc.round(rows[name].combine_chunks(), DIGITS) for name in ("similarity", "title_overlap")}
    return stamped(columns, stamp.of(model.name, model.version))


def _texts(settings: Settings, space: "Space | Titles", titles: list[str | None]) -> tuple[np.ndarray, list[str]]:
    """float32 [I, d] and digests; a title is read once by a space, whichever item bears it."""
    digests = [hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest() if title else "" for title in titles]
    text_of = {digest: title for digest, title in zip(digests, titles, strict=True) if digest}
    kept = Vectors(settings, space.name, TEXT)
    due = sorted(set(text_of) - kept.hashes())
    if due:
        kept.add(due, space.texts([text_of[digest] for digest in due]))
    known = kept.of(list(text_of))
    place = {digest: row for row, digest in enumerate(known[CONTENT_HASH].to_pylist())}
    found = np.zeros((len(titles), space.dimension), np.float32)
    rows = [n for n, digest in enumerate(digests) if digest]
    if rows:
        found[rows] = _matrix(known, space.dimension)[[place[digests[n]] for n in rows]]
    return found, digests


def _first(media: pa.Table, items: pa.Array, dimension: int) -> tuple[np.ndarray, list[str]]:
    """float32 [I, d] of each item's first picture or sound, and its content hash; zeros and '' without one."""
    found, digests = np.zeros((len(items), dimension), np.float32), [""] * len(items)
    place = {item: n for n, item in enumerate(items.to_pylist())}
    rows = _matrix(media, dimension)
    names, hashes = media["item_id"].to_pylist(), media[CONTENT_HASH].to_pylist()
    for row in reversed(range(media.num_rows)):  # in order of position: the first one stays
        if names[row] in place:
            found[place[names[row]]], digests[place[names[row]]] = rows[row], hashes[row]
    return found, digests


def _matrix(table: pa.Table, dimension: int) -> np.ndarray:
    flat = table[VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(-1, dimension)
