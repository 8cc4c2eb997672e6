"""What is known at the end of a night, encoded for the models."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import lake
from pipelines.catalogue import described, fresh, reviewed
from pipelines.rules.states import spare_items
from pipelines.settings import Settings
from pipelines.training_run import availability

if TYPE_CHECKING:
    from models.interactions import Interactions
    from models.recommender.newcomers import Newcomers, Wanted
    from pipelines.rules.file import RuleFile


@dataclass(frozen=True)
class Night:
    """All that is known at the end of the night, encoded."""

    day: date
    data: "Interactions"
    available: np.ndarray  # bool [I]
    seen: Any  # sparse bool [U, I], or None where purchases repeat
    newcomers: "Newcomers"  # new items that too few people had yet, and what they are like
    wanted: "Wanted"  # the same, as the lists of people are given them; by rule, until `scoring.wanted` says otherwise
    alike: "Newcomers"  # items whose own lists are filled with what they are like; likewise
    titles: pa.Array  # string [I]: the title, or the id where there is none
    segment: pa.Array  # string [U]: value of the segment attribute, null where unknown
    products: pa.Table  # as `lake.products` gives them
    people: pa.Table  # as `lake.users` gives them


def known_by(settings: Settings, night: date, rules: "RuleFile | None" = None) -> Night:
    """`rules`: the business rules that lists will be made by; they may speak of items nobody has bought."""
    return known_from(settings, night, lake.products(settings, night), rules)


def known_from(settings: Settings, night: date, products: pa.Table, rules: "RuleFile | None" = None) -> Night:
    """The night with this catalogue, which is that of `lake.products` (a benchmark asks what another would change)."""
    from models.recommender.newcomers import newcomers
    from models.split import bought

    users = lake.users(settings, night)
    data = _encoded(settings, night, products, users, rules)
    found = newcomers(data, fresh(products, data.items, night, settings.new_item_days))
    row = pc.index_in(data.items, value_set=products["item_id"].combine_chunks())
    titles = pc.coalesce(products["title"].take(row).combine_chunks(), data.items)
    holder = pc.index_in(data.users, value_set=users["user_id"].combine_chunks())
    attribute = pc.map_lookup(users["attributes"].combine_chunks(), settings.segment_attribute, "first").take(holder)
    seen = None if settings.repeat_purchases else bought(lake.interactions(settings, night, None), data)
    available = availability(products, data.items, night)
    return Night(night, data, available, seen, found, found, found, titles, attribute, products, users)


def _encoded(
    settings: Settings, night: date, products: pa.Table, users: pa.Table, rules: "RuleFile | None"
) -> "Interactions":
    """The window's events, everybody who was ever seen, and the items nobody bought in it that a list may need."""
    from models.interactions import encode

    table = lake.sequences(settings, night, settings.training_days)
    everybody = pa.array(lake.known_users(settings, night, users), pa.string())
    sold = table["item_id"].unique().cast(pa.string())
    unsold = products.filter(pc.invert(pc.is_in(products["item_id"], value_set=sold)))["item_id"]
    unsold = unsold.combine_chunks()
    unsold = unsold.filter(pa.array(availability(products, unsold, night)))
    # A list of top_k needs at most top_k items nobody has bought yet; more would only widen the matrices. What is new
    # enters lists by its content, so all of that is there.
    new = unsold.filter(pa.array(fresh(products, unsold, night, settings.new_item_days)))
    spare = unsold.take(pc.sort_indices(unsold))[: settings.top_k]
    if rules is not None and rules.rules:
        spare = spare_items(rules, night, products, users, unsold, settings.top_k)
    extra = pa.concat_arrays([spare, new])
    encoded = encode(table, night, extra_users=everybody, extra_items=extra)
    return reviewed(settings, described(encoded, products))
