"""What the shop sells and in which words: departments, categories, colours, brands. All names are invented.

A language is a number everywhere in this package: 0 English, 1 Chinese; a word is a pair (English, Chinese).
"""

from dataclasses import dataclass

Word = tuple[str, str]

LANGUAGES = ("en", "zh")
ASPECTS = ("quality", "price", "delivery", "service", "look", "fit", "use")
_COMMON = ("quality", "price", "delivery", "service", "look")


@dataclass(frozen=True)
class Category:
    department: Word
    name: Word
    noun: Word  # as a shopper writes it
    low: float  # usual prices
    high: float
    aspects: tuple[str, ...]  # what its reviews speak of
    materials: tuple[Word, ...]
    sizes: tuple[str, ...]


_CLOTHING = ("Clothing", "服饰")
_KITCHEN = ("Kitchen", "厨房")
_ELECTRONICS = ("Electronics", "数码")
_HOME = ("Home", "家居")
_LETTERS = ("S", "M", "L", "XL")
_WORN = (*_COMMON, "fit")
_USED = (*_COMMON, "use")

CATEGORIES = (
    Category(_CLOTHING, ("Dresses", "连衣裙"), ("dress", "连衣裙"), 25, 90, _WORN,
             (("linen", "亚麻"), ("cotton", "纯棉"), ("silk", "真丝")), _LETTERS),
    Category(_CLOTHING, ("Jackets", "外套"), ("jacket", "外套"), 40, 160, _WORN,
             (("wool", "羊毛"), ("denim", "牛仔"), ("nylon", "尼龙")), _LETTERS),
    Category(_CLOTHING, ("Running shoes", "跑鞋"), ("running shoes", "跑鞋"), 45, 150, _WORN,
             (("mesh", "网面"), ("knit", "飞织"), ("leather", "皮面")), ("38", "40", "42", "44")),
    Category(_KITCHEN, ("Kettles", "水壶"), ("kettle", "电热水壶"), 18, 80, _USED,
             (("steel", "不锈钢"), ("glass", "玻璃"), ("enamel", "搪瓷")), ("1.0 L", "1.7 L")),
    Category(_KITCHEN, ("Frying pans", "煎锅"), ("frying pan", "平底锅"), 15, 95, _USED,
             (("iron", "铸铁"), ("ceramic", "陶瓷"), ("steel", "不锈钢")), ("20 cm", "24 cm", "28 cm")),
    Category(_KITCHEN, ("Mugs", "杯子"), ("mug", "马克杯"), 6, 25, _USED,
             (("stoneware", "粗陶"), ("porcelain", "骨瓷"), ("glass", "玻璃")), ("300 ml", "450 ml")),
    Category(_ELECTRONICS, ("Headphones", "耳机"), ("headphones", "耳机"), 20, 250, _USED,
             (("foam", "海绵"), ("plastic", "塑料"), ("metal", "金属")), ("on-ear", "in-ear")),
    Category(_ELECTRONICS, ("Chargers", "充电器"), ("phone charger", "手机充电器"), 9, 60, _USED,
             (("plastic", "塑料"), ("braided", "编织"), ("metal", "金属")), ("20 W", "65 W")),
    Category(_ELECTRONICS, ("Desk lamps", "台灯"), ("desk lamp", "台灯"), 15, 110, _USED,
             (("metal", "金属"), ("wood", "木质"), ("plastic", "塑料")), ("small", "large")),
    Category(_HOME, ("Blankets", "毯子"), ("blanket", "毛毯"), 20, 120, _COMMON,
             (("wool", "羊毛"), ("fleece", "摇粒绒"), ("cotton", "纯棉")), ("140 cm", "200 cm")),
    Category(_HOME, ("Pillows", "枕头"), ("pillow", "枕头"), 12, 70, _COMMON,
             (("down", "羽绒"), ("latex", "乳胶"), ("memory foam", "记忆棉")), ("40 cm", "50 cm")),
    Category(_HOME, ("Backpacks", "背包"), ("backpack", "双肩包"), 25, 140, _COMMON,
             (("canvas", "帆布"), ("nylon", "尼龙"), ("leather", "皮面")), ("15 L", "25 L", "40 L")),
)  # fmt: skip

COLOURS: tuple[Word, ...] = (
    ("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("black", "黑色"), ("white", "白色"), ("grey", "灰色"),
    ("yellow", "黄色"), ("pink", "粉色"),
)  # fmt: skip

PATTERNS: tuple[Word, ...] = (("plain", "纯色"), ("striped", "条纹"), ("checked", "格纹"), ("dotted", "波点"))

BRANDS = (  # six for each department, in the order of the departments
    "Aldervane", "Brisko", "Calyra", "Dunmere", "Elowick", "Fennora",
    "Gravik", "Hollowen", "Istrel", "Jorvane", "Kelpwood", "Lumora",
    "Mirasko", "Norvelle", "Ombrel", "Pellwick", "Quillon", "Rivento",
    "Solvane", "Tarrowen", "Umbrik", "Velmora", "Wexholm", "Yarrowen",
)  # fmt: skip
BRANDS_PER_DEPARTMENT = 6

COUNTRIES = ("Germany", "United Kingdom", "France", "United States")  # of those who write English
CHINESE_COUNTRIES = ("China", "Singapore")

USES: tuple[Word, ...] = (
    ("everyday use", "日常使用"), ("a gift", "送礼"), ("travel", "旅行"), ("a small flat", "小户型"),
)  # fmt: skip

DEPARTMENTS = tuple(dict.fromkeys(c.department for c in CATEGORIES))
DEPARTMENT_OF = tuple(DEPARTMENTS.index(c.department) for c in CATEGORIES)
