"""A small catalogue in two languages, and an encoder that needs no weights."""

import pyarrow as pa

from models.nlp.search.catalogue import Catalogue
from models.nlp.search.encoders import Letters
from models.nlp.search.index import Index, build

ROWS = [
    ("a", "Red Running Shoes for Men", "Light shoes for the road.", "Velo", "Shoes > Running", {"color": "red"}),
    ("b", "Blue Running Shoes", "Cushioned.", "Stride", "Shoes > Running", {"colour": "blue"}),
    ("c", "Shoe Rack, Black", "Holds twelve running shoes.", "Homely", "Furniture > Storage", {"color": "black"}),
    ("d", "Espresso Machine 1.5 L", "With a steam wand.", "Bar Uno", "Kitchen > Coffee", {}),
    ("e", "USB Stick 16 GB", None, "Datafix", "Electronics > Storage", {}),
    ("f", "USB Stick 64GB", None, "Datafix", "Electronics > Storage", {}),
    ("g", "红色连衣裙 夏季", "轻薄面料", "花间", "女装 > 连衣裙", {"颜色": "红色"}),
    ("h", "蓝色牛仔裤", "修身", "花间", "女装 > 牛仔裤", {"颜色": "蓝色"}),
]
NAMES = ("item_id", "title", "description", "brand", "category", "attributes")
ENCODER = Letters()


def table(rows: list[tuple[object, ...]] | None = None) -> pa.Table:
    columns = dict(zip(NAMES, zip(*(ROWS if rows is None else rows), strict=True), strict=True))
    attributes = pa.array([list(a.items()) for a in columns.pop("attributes")], pa.map_(pa.string(), pa.string()))
    return pa.table({**{name: pa.array(v, pa.string()) for name, v in columns.items()}, "attributes": attributes})


def catalogue() -> Catalogue:
    return Catalogue.of(table())


def index() -> Index:
    made = catalogue()
    return build(made, ENCODER.encode(made.spoken()))
