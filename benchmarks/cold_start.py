"""New users and new items, night by night as it would have gone: what their first lists were worth.

    .venv/bin/python -m benchmarks.cold_start --data FOLDER_OF_UCI_CSVS --from 2011-07-01 --nights 77
    .venv/bin/python -m benchmarks.cold_start --data complete_journey --from 2017-04-01 --nights 28 --config quick
    .venv/bin/python -m benchmarks.cold_start --data REES46_CSV

Trains once on what was known the day before `--from`, as `nightmarket train` does, and takes the blend as champion.
Then each night is scored as `nightmarket score` scores it. **Users**: those whose first event ever is of that day; what
they bought in the 28 days after it is relevant; NDCG@10 of each model's list, and its difference from the popular list.
**Items**: the purchases, in the 28 days after each night, of newcomers (`models.recommender.newcomers`) by users who
had a history and not yet the item; the share of them that stands in lists of 20 with and without places for newcomers,
and in the popular list; what the places cost all users in NDCG@10 and @20 and in hits; nights from an item's first day
until a list holds it. `ahead` is the same where the catalogue names each item a week before it first sells: UCI's feed
is made from receipts and cannot, other shops' can. Intervals are 95 %, by bootstrap over users (the mean over nights of
each), or over items.

Of a shop with a single day (the REES46 sample) there are no nights: see `benchmarks._cold_hours`.
"""

import json
import os
import time
from datetime import date, timedelta
from typing import Any

from benchmarks import _cold_hours, _cold_nights
from benchmarks._measure import watching
from benchmarks._shop import arguments, shop
from pipelines import lake

FEWEST_DAYS = 60


def main() -> None:
    parser = arguments("cold_start", __doc__)
    parser.add_argument(
        "--from", dest="first", type=date.fromisoformat, help="first night; by default 56 before the end"
    )
    parser.add_argument("--nights", type=int, default=28)
    parser.add_argument("--config", default="base", help="of the transformer")
    asked = parser.parse_args()
    started = time.monotonic()
    with watching(os.getpid()) as watch, shop(asked.data, asked.work) as settings:
        days = lake.landed_days(settings)
        if len(days) < FEWEST_DAYS:
            found: dict[str, Any] = _cold_hours.measure(settings, days[-1])
        else:
            first = asked.first or days[-1] - timedelta(56)
            found = _cold_nights.measure(settings, first, asked.nights, asked.config)
    answer = {
        "benchmark": "cold_start", "data": asked.data, **found,
        "seconds": round(time.monotonic() - started, 1), "peak_mib": watch.peak >> 20,
    }  # fmt: skip
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
