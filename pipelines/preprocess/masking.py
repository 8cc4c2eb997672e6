"""Personal data in free text: found by its form, replaced by a mark, counted.

The expressions do without looking around, which Sail's regular expressions lack; what stands before or after a match is
put back by number instead. Where in doubt they take too much: a long number in a review is worth less than a card. What
they miss is measured in `tests/pipelines/preprocess/test_masking.py` and told in docs/language.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.contracts import MASKS, Entity

_DIGIT = "[0-9０-９]"
_BEFORE = "(^|[^0-9０-９A-Za-z])"  # a number inside a word is an article number
NEEDED = "[@＠0-9０-９]"
"""Without one of these there is nothing to mask; most texts are done with after this."""
_STREET = (
    "Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Square|Sq|Terrace|Crescent"
)
_TOWN = (  # after the street, where a code of the United States or the United Kingdom follows
    r"(?:,? [A-Z][A-Za-z]{1,20}(?:[ -][A-Z][A-Za-z]{1,20}){0,2},?"
    r" (?:[A-Z]{2} [0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}))?"
)


@dataclass(frozen=True)
class Form:
    """`kind` of `MASKS`; `pattern` reads alike in Java, Rust and Python; `left`, `right`: groups that are put back."""

    kind: str
    pattern: str
    left: str = ""
    right: str = ""

    @property
    def mark(self) -> str:
        return f"[{self.kind}]"

    @property
    def replacement(self) -> str:
        return f"{self.left}{self.mark}{self.right}"


FORMS = (
    Form("email", r"[A-Za-z0-9._%+-]{1,64}[@＠][A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
    # 13 to 19 digits, alone or in groups: cards, and the numbers of Chinese identity cards
    Form("card", rf"{_BEFORE}{_DIGIT}(?:[ -]?{_DIGIT}){{12,18}}", left="$1"),
    Form("phone", rf"{_BEFORE}(?:\+|00){_DIGIT}{{1,3}}(?:[ .()/-]{{0,2}}{_DIGIT}){{6,12}}", left="$1"),
    Form("phone", rf"{_BEFORE}\(?{_DIGIT}{{3}}\)?[ .-]{{1,2}}{_DIGIT}{{3}}[ .-]{_DIGIT}{{4}}", left="$1"),
    Form("phone", rf"{_BEFORE}\(?[0０]{_DIGIT}{{2,4}}\)?[ -]?{_DIGIT}{{3,4}}[ -]?{_DIGIT}{{3,4}}", left="$1"),
    Form("phone", rf"{_BEFORE}[1１][3-9３-９]{_DIGIT}[ -]?{_DIGIT}{{4}}[ -]?{_DIGIT}{{4}}", left="$1"),
    Form(
        "address",
        rf"{_BEFORE}[0-9]{{1,5}}[A-Za-z]?,? (?:[A-Z][A-Za-z']{{1,20}} ){{1,4}}(?:{_STREET}){_TOWN}([^A-Za-z]|$)",
        left="$1",
        right="$2",
    ),
    Form(
        "address",
        rf"[一-龥]{{1,10}}(?:路|街|道|巷|弄|胡同|村|镇)[一-龥]{{0,4}}{_DIGIT}{{1,5}}(?:号|弄|栋|幢)"
        rf"(?:[0-9０-９A-Za-z一二三四五六七八九十-]{{1,6}}(?:号楼|栋|幢|单元|楼|层|室|座))*",
    ),
)


def masked(text: Column) -> Column:
    """`text` with a mark such as [email] in place of whatever looks like personal data."""
    replaced = reduce(lambda value, form: F.regexp_replace(value, form.pattern, form.replacement), FORMS, text)
    return F.when(text.rlike(NEEDED), replaced).otherwise(text)


def mask_counts(entity: Entity) -> Iterator[tuple[str, Column]]:
    """Of each kind the name of a column, and how many marks the masked columns of a row gained. Reads `x`, `text_x`."""
    names = [column.name for column in entity.columns if column.masked]
    for kind in MASKS if names else ():
        gained = [_marks(F.col(name), kind) - _marks(F.col(f"text_{name}"), kind) for name in names]
        yield count_name(kind), reduce(Column.__add__, [F.coalesce(count, F.lit(0)) for count in gained])


def count_name(kind: str) -> str:
    return f"masked_{kind}"


def _marks(text: Column, kind: str) -> Column:
    mark = f"[{kind}]"
    return ((F.length(text) - F.length(F.replace(text, F.lit(mark), F.lit("")))) / len(mark)).cast("int")
