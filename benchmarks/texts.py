"""How fast reviews are read, and in how much memory: sentiment, aspects and keywords of N reviews and of four times N.

    .venv/bin/python -m benchmarks.texts --data womens_clothing_reviews.parquet --text "Review Text" --label Rating \\
        --positive-from 4 --negative-to 2

The readers are learned from the file first, which is not counted; then its texts are read as often as it takes, in
batches as a file of Parquet gives them. `parts`: seconds of one core for a thousand reviews. The linear reader reads,
as in a night: a transformer would be asked for a third of the texts again.
"""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from benchmarks._measure import watching
from benchmarks.sentiment import arguments, read, spoken_in
from models.nlp import keywords
from models.nlp.aspects import mentions
from models.nlp.learning import learn
from models.nlp.lexicon import shipped
from models.nlp.reviews import Readers, stream
from models.nlp.text import clean, languages

BATCH = 10_000
TIMED = 4_000


def main() -> None:
    parser = arguments("benchmarks.texts", __doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="N")
    asked = parser.parse_args()
    texts, positive = read(asked.data, asked.text, asked.label, asked.positive_from, asked.negative_to)
    cleaned = [clean(text) for text in texts]
    spoken = spoken_in(cleaned)
    model = learn(cleaned, positive, spoken).model
    readers = Readers({spoken: model}, {spoken: keywords.learn(cleaned, spoken)}, shipped())
    list(stream(batches(texts, BATCH), readers))  # compiled once
    answer: dict[str, Any] = {
        "benchmark": "texts", "language": spoken, "reader": model.name,
        "characters": round(sum(map(len, texts)) / len(texts)), "parts": parts(texts, readers, spoken),
    }  # fmt: skip
    for rows in (asked.rows, 4 * asked.rows):
        with watching(os.getpid()) as watch:
            started, busy = time.monotonic(), time.process_time()
            found = sum(read.reviews.num_rows for read in stream(batches(texts, rows), readers))
            seconds, cpu = time.monotonic() - started, time.process_time() - busy
        answer[str(found)] = {
            "rows_per_second": round(found / seconds), "rows_per_cpu_second": round(found / cpu),
            "peak_mib": watch.peak >> 20,
        }  # fmt: skip
        print(answer[str(found)], flush=True)
    print(json.dumps(answer), flush=True)


def batches(texts: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, BATCH):
        places = range(start, min(start + BATCH, rows))
        yield pa.record_batch(
            {
                "review_id": [str(place) for place in places],
                "item_id": [str(place % 5_000) for place in places],
                "body": [texts[place % len(texts)] for place in places],
            }
        )


def parts(texts: list[str], readers: Readers, spoken: str) -> dict[str, float]:
    some = [texts[n % len(texts)] for n in range(TIMED)]
    cleaned = [clean(text) for text in some]
    aspects = readers.lexicon.of(None)
    work = {
        "clean": lambda: [clean(text) for text in some],
        "language": lambda: languages(cleaned),
        "sentiment": lambda: readers.sentiment[spoken].chance(cleaned),
        "aspects": lambda: [mentions(text, spoken, readers.lexicon, aspects) for text in cleaned],
        "keywords": lambda: [readers.phrases[spoken].keywords(text) for text in cleaned],
    }
    found = {}
    for name, one in work.items():
        started = time.process_time()
        one()
        found[name] = round((time.process_time() - started) * 1000 / TIMED, 4)
    return found


if __name__ == "__main__":
    main()
