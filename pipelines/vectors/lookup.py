"""`nightmarket search --pictures`: products whose picture shows what is asked for, whatever their title says."""

from datetime import date
from typing import Any

import pyarrow as pa

from pipelines import lake
from pipelines.errors import NightmarketError, UsageError
from pipelines.media.kinds import IMAGE
from pipelines.settings import Settings
from pipelines.training_run import MULTIMODAL, availability
from pipelines.vectors.products import goods_of, space_as_of


def look_up_pictures(settings: Settings, words: str, night: date | None, places: int) -> dict[str, Any]:
    """Rows with rank, item_id, title and score, the best first: the cosine of the words, as the champion of
    `multimodal` reads them, with the first picture of each product on sale. Exact, by the scoring engine.

    Raises UsageError without a word, NightmarketError where no champion as of the night has looked at pictures.
    """
    from models.recommender.engine.engine import Engine

    asked = words.strip()
    if not asked:
        raise UsageError("there is no word to search for")
    night = night or lake.newest_day(settings)
    space = space_as_of(settings, night)
    if space is None or IMAGE not in space.kinds:
        raise NightmarketError(
            f"no champion of {MULTIMODAL} whose data ends before {night} has looked at pictures; run `nightmarket"
            f" train {MULTIMODAL}`, promote it, and run a night"
        )
    products = lake.products(settings, night)
    on_sale = availability(products, products["item_id"].combine_chunks(), night)
    goods = goods_of(settings, night, space, products.filter(pa.array(on_sale)))
    engine = Engine(goods.vectors[IMAGE], available=goods.present[IMAGE])
    found = engine.rank(space.texts([asked]), min(places, len(goods.items)))
    rows = []
    for rank, (item, score) in enumerate(zip(found.items[0].tolist(), found.scores[0].tolist(), strict=True), start=1):
        if item >= 0:
            row = {"rank": rank, "item_id": goods.items[item].as_py(), "title": goods.titles[item]}
            rows.append({**row, "score": round(score, 6)})
    return {"query": asked, "date": night, "note": f"pictures, by champion {space.name}", "rows": rows}
