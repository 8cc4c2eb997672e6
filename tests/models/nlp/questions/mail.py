"""Messages of a shop in two languages, the answers that people gave, and an encoder that needs no weights."""

import pyarrow as pa

from models.nlp.search.encoders import Letters

ENCODER = Letters()
ASKED = {
    "delivery": (
        ["where is my parcel", "my parcel has not arrived", "when does the parcel come", "tracking of my parcel"],
        "Your parcel is on its way; the link in our mail shows where it is.",
    ),
    "refund": (
        ["when do I get my refund", "refund not on my card yet", "is my refund on its way", "refund still missing"],
        "A refund takes five working days after the goods are back with us.",
    ),
    "发货": (["什么时候发货", "今天能发货吗", "怎么还不发货", "请问发货了吗"], "一般当天下午发货，请耐心等待。"),
    "退款": (["退款什么时候到", "退款没有收到", "请问退款到账了吗", "怎么还没有退款"], "退款会在五个工作日内到账。"),
}
OTHER = [
    "what is the weather",
    "hello there",
    "sing a song",
    "good morning",
    "天气怎么样",
    "讲个笑话",
    "你好呀",
    "唱首歌",
]
COPIES = 4


def labelled() -> tuple[list[str], list[str | None]]:
    ways = ["{}", "please tell me: {}", "{} ??", "hi, {}"]
    texts: list[str] = []
    intents: list[str | None] = []
    for intent, (asked, _) in ASKED.items():
        for text in asked:
            texts += [way.format(text) for way in ways]
            intents += [intent] * len(ways)
    return texts + OTHER * 2, intents + [None] * (2 * len(OTHER))


def answered() -> pa.Table:
    texts, intents = labelled()
    rows = [
        {"message_id": f"m{n}", "subject": None, "body": text, "reply": ASKED[intent][1] if intent else None}
        for n, (text, intent) in enumerate(zip(texts, intents, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([(c, pa.string()) for c in rows[0]]))


def messages(*texts: str | None) -> pa.Table:
    rows = {"message_id": [f"q{n}" for n in range(len(texts))], "body": list(texts)}
    return pa.table({name: pa.array(values, pa.string()) for name, values in rows.items()})
