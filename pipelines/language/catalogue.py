"""What a shop's search looks through in a night: the products on sale, their vectors, and who orders the results."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines import lake
from pipelines.errors import NightmarketError
from pipelines.settings import Settings
from pipelines.training_run import SEARCH, availability

if TYPE_CHECKING:
    import pyarrow as pa

    from models.nlp.search.catalogue import Catalogue
    from models.nlp.search.encoders import Encoder
    from models.nlp.search.index import Index
    from models.nlp.search.saved import Order

VECTORS = "vectors/text.parquet"
"""Below the models: those of the night before, to save time."""


@dataclass(frozen=True)
class Shop:
    """What can be searched in a night, and how its results are ordered. `version` names all that they depend on."""

    index: "Index"
    encoder: "Encoder"
    order: "Order"
    vectors: "pa.Table"
    version: str
    note: str


def searched(settings: Settings, night: date, device: str = "auto", keep: bool = True) -> Shop | None:
    """None where nothing is on sale. A champion whose encoder cannot be had here leaves its place to fused ranks.

    `keep`: leave the vectors to the next night.
    """
    products = on_sale(settings, night)
    if not products.num_rows:
        return None
    from models.nlp.search.catalogue import Catalogue
    from models.nlp.search.embedded import embedded, matrix
    from models.nlp.search.index import build

    catalogue = Catalogue.of(products)
    order, encoder, version, note = _chosen(settings, night, catalogue, device)
    known, _ = embedded(catalogue, encoder, _kept(settings))
    if keep:
        _keep(settings, known)
    said = "\n".join([version, encoder.name, *catalogue.spoken()])
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return Shop(build(catalogue, matrix(known)), encoder, order, known, digest, note)


def embedded_catalogue(settings: Settings, day: date, device: str) -> "tuple[Index, Encoder] | None":
    """Every product known on `day`, on sale or not: what may be learned from. None where there is none."""
    from models.nlp.search.catalogue import Catalogue
    from models.nlp.search.embedded import embedded, matrix
    from models.nlp.search.encoders import encoder_for
    from models.nlp.search.index import build

    products = named(lake.products(settings, day))
    if not products.num_rows:
        return None
    catalogue = Catalogue.of(products)
    encoder = encoder_for(catalogue.spoken(), device)
    known, _ = embedded(catalogue, encoder, _kept(settings))
    return build(catalogue, matrix(known)), encoder


def on_sale(settings: Settings, night: date) -> "pa.Table":
    """The catalogue as a search reads it."""
    import pyarrow as pa

    products = lake.products(settings, night)
    return named(products.filter(pa.array(availability(products, products["item_id"].combine_chunks(), night))))


def named(products: "pa.Table") -> "pa.Table":
    """Rows of the lake under the names that a search knows them by."""
    return products.rename_columns(["category" if n == "category_path" else n for n in products.column_names])


def _chosen(settings: Settings, night: date, catalogue: "Catalogue", device: str) -> "tuple[Order, Encoder, str, str]":
    """The order of the latest champion whose data ends before `night` (law 4), its encoder, its version, and a note."""
    from models.artefact import ArtefactError
    from models.nlp.search import saved
    from models.nlp.search.encoders import NoEncoder, by_name, encoder_for
    from models.registry import champion_as_of

    champion = champion_as_of(settings.models, SEARCH, night)
    if champion is None:
        encoder = encoder_for(catalogue.spoken(), device)
        note = f"no champion of {SEARCH} whose data ends before {night}: {saved.FUSED}"
        return saved.Order(None, encoder.name), encoder, "", note
    try:
        order = saved.load(settings.models / SEARCH / champion.version)
    except ArtefactError as error:
        raise NightmarketError(f"night {night}: {error}") from error
    try:
        encoder = by_name(order.encoder, device)
    except (NoEncoder, ImportError) as error:
        encoder = encoder_for(catalogue.spoken(), device)
        return saved.Order(None, encoder.name), encoder, "", f"{error}; {saved.FUSED} instead of {champion.version}"
    return order, encoder, champion.version, f"champion {order.name} {champion.version}"


def _kept(settings: Settings) -> "pa.Table | None":
    """The vectors of the night before; only to save time, so what cannot be read is made anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(settings.models / VECTORS)
    except (OSError, pa.ArrowInvalid):
        return None


def _keep(settings: Settings, vectors: "pa.Table") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.files import write_atomic

    sink = pa.BufferOutputStream()
    pq.write_table(vectors, sink)
    (settings.models / VECTORS).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(settings.models / VECTORS, sink.getvalue().to_pybytes())
