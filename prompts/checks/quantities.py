"""Numbers, prices, percentages and dates in a text, in digits and in words, with their units.

Read the same way from a brief and from copy, so that `20%` is `twenty per cent`, `£1,000` is `1000 pounds`,
and 20 % is not 20 euros.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal

import msgspec

Kind = Literal["number", "percent", "price", "date", "code"]


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of number found in a text."""

    kind: Kind
    value: str
    """Canonical: `20`, `12.5`, `sunday`, or a code in lower case."""
    unit: str | None
    """Canonical unit of measure or currency, where one is named."""
    span: tuple[int, int]


def _spread(table: Mapping[str, str]) -> dict[str, str]:
    return {word: unit for unit, words in table.items() for word in words.split()}


_CURRENCIES = _spread(
    {
        "gbp": "£ gbp pound pounds quid",
        "usd": "$ usd dollar dollars bucks",
        "eur": "€ eur euro euros",
        "jpy": "¥ jpy yen",
        "inr": "₹ inr rupee rupees",
        "chf": "chf franc francs",
        "cent": "cent cents pence penny",
    }
)
_UNITS = _spread(
    {
        "second": "second seconds sec secs",
        "minute": "minute minutes min mins",
        "hour": "hour hours hr hrs",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years yr yrs",
        "gram": "g gram grams",
        "kilogram": "kg kilo kilos kilogram kilograms",
        "millilitre": "ml millilitre millilitres milliliter milliliters",
        "litre": "l litre litres liter liters",
        "millimetre": "mm millimetre millimetres",
        "centimetre": "cm centimetre centimetres",
        "metre": "m metre metres meter meters",
        "inch": "inch inches",
        "watt": "w watt watts",
        "times": "x times",
        "star": "star stars",
        "point": "point points",
        "review": "review reviews",
        "customer": "customer customers",
        "piece": "piece pieces",
        "clock": "am pm",
        "off": "off",
        "mile": "mile miles",
        "kilometre": "km kilometre kilometres kilometer kilometers",
        "foot": "foot feet",
        "ounce": "oz ounce ounces",
        "pint": "pint pints",
    }
)
_BASE: Mapping[str, tuple[str, Decimal]] = {
    "second": ("second", Decimal(1)),
    "minute": ("second", Decimal(60)),
    "hour": ("second", Decimal(3600)),
    "day": ("second", Decimal(86_400)),
    "week": ("second", Decimal(604_800)),
    "month": ("month", Decimal(1)),
    "year": ("month", Decimal(12)),
    "gram": ("gram", Decimal(1)),
    "kilogram": ("gram", Decimal(1000)),
    "millilitre": ("millilitre", Decimal(1)),
    "litre": ("millilitre", Decimal(1000)),
    "millimetre": ("millimetre", Decimal(1)),
    "centimetre": ("millimetre", Decimal(10)),
    "metre": ("millimetre", Decimal(1000)),
    "kilometre": ("millimetre", Decimal(1_000_000)),
    "inch": ("inch", Decimal(1)),
    "foot": ("inch", Decimal(12)),
    "mile": ("mile", Decimal(1)),
    "ounce": ("ounce", Decimal(1)),
    "pint": ("pint", Decimal(1)),
    "watt": ("watt", Decimal(1)),
}
"""Units that measure something, each in the smallest of its kind: 0.9 litres are 900 ml."""
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMERALS = {
    **{word: number for number, word in enumerate(_ONES)},
    **{word: 10 * number for number, word in enumerate(_TENS, 2)},
    "dozen": 12,
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}

_PER_CENT = r"%|per\s?cents?\b|pct\b"
_MEASURE = "|".join(sorted({*_UNITS, *_CURRENCIES} - {"£", "$", "€", "¥", "₹"}, key=len, reverse=True))
_NUMBER = re.compile(
    rf"""(?P<before>[£$€¥₹]|\b(?:gbp|usd|eur|chf)\s?)?\s?
    (?P<number>\d{{1,3}}(?:[,\u202f\u00a0]\d{{3}})+(?:\.\d+)?|\d+(?:[.,]\d+)?|[½¼¾])
    (?:(?P<percent>\s?-?(?:{_PER_CENT}))
      |\s?(?P<sign>[€£$¥₹])
      |[\s-]?(?P<unit>{_MEASURE})\b
      |(?:st|nd|rd|th)\b)?""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = "|".join(sorted({*_NUMERALS, *_SCALES}, key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b(?P<words>(?:{_WORD})(?:(?:\s|-|\sand\s)(?:{_WORD}))*)\b(?P<half>\s+and\s+a\s+half\b)?"
    rf"(?:(?=\s+out\s+of\s)(?P<share>)|[\s-]+(?:(?:whole|full|more|extra)\s+)?(?:(?P<percent>{_PER_CENT})|(?P<unit>{_MEASURE})\b))?",
    re.IGNORECASE,
)
_HALF_A = re.compile(rf"\bhalf\s+an?\s+(?P<unit>{_MEASURE})\b", re.IGNORECASE)
_AND_A_HALF = re.compile(rf"\b(?:an?|one)\s+(?P<unit>{_MEASURE})\s+and\s+a\s+half\b", re.IGNORECASE)
_LOOSE_HALVES = frozenset(
    {"second", "minute", "day", "off", "times", "star", "point", "customer", "piece", "clock"}
)
_LESS_THAN = re.compile(r"\b(?:under|below|less than|almost|nearly|about)\s+$", re.IGNORECASE)
_HALF = re.compile(r"\bhalf[\s-](?:(?:the\s+)?price|off)\b", re.IGNORECASE)
_RANKED = re.compile(r"(?:#|\bno\.?\s?|\bnumber\s)$", re.IGNORECASE)
_MIXED = re.compile(r"(?<![\w])(?=\w*\d)(?=\w*[^\W\d_])[^\W_]+(?!\w)")
_IDIOMS = frozenset(_UNITS.values()) - {"week", "month", "year"}
"""Units after which `one` promises nothing: one day, at one point, a one-off."""

_FRACTIONS = {"½": "0.5", "¼": "0.25", "¾": "0.75"}

_MONTH_NAME = (
    r"Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?"
)
_DAY_OF_MONTH = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_MONTH_NAME})"
    rf"|(?P<month2>{_MONTH_NAME})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)\b",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(r"\b(mon|tues|wednes|thurs|fri|satur|sun)days?\b", re.IGNORECASE)
_MONTH = re.compile(
    r"\b(january|february|april|june|july|august|september|october|november|december)\b", re.IGNORECASE
)
_SHORT_MONTH = re.compile(r"\b(?:in|by|until|till|before|on|this|from|of)\s+(May|March)\b")
_NUMERIC_DATE = re.compile(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(?:20)?\d{2}(?![\w/-])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HOLIDAY = (
    r"Christmas(?:\s+(?:Eve|Day))?|Easter|New\s+Year(?:'s\s+(?:Eve|Day))?|Valentine's(?:\s+Day)?|(?:Mother|Father)'s\s+Day|"
    r"Black\s+Friday|Halloween|Boxing\s+Day|Thanksgiving"
)
_DEADLINE = re.compile(
    r"\b(?:until|till|by|before|ends?|ending|expires?|closes?|only)\s+(?:at\s+)?"
    rf"(?P<a>{_HOLIDAY}|\d{{1,2}}(?:[:.]\d\d)?\s?[ap]\.?m\.?\s+(?:today|tonight|tomorrow)|midnight|noon|"
    r"tonight|today|tomorrow|(?:this|the)\s+weekend|(?:the\s+)?end\s+of\s+(?:the\s+)?\w+)\b"
    r"|\b(?P<b>today|tonight|tomorrow|this weekend|this week)\s+only\b",
    re.IGNORECASE,
)


@functools.lru_cache(
    maxsize=2048
)  # five rules read the same few texts, and a draft's variants the same brief
def find(text: str, bare_words: bool = False) -> tuple[Quantity, ...]:
    """List every quantity in a text, in reading order.

    A number in words counts when a unit follows it (`ten minutes`), since `one of those` promises nothing;
    `bare_words` takes it without a unit too, which is how a brief is read.
    """
    found = [*_dates(text), *_codes(text), *_digits(text), *_spelled(text, bare_words)]
    return tuple(sorted(found, key=lambda quantity: quantity.span))


def is_given(quantity: Quantity, given: tuple[Quantity, ...]) -> bool:
    """Whether the brief gave this quantity: the same kind, and the same amount in whatever unit measures it.

    A bare number may repeat any given value, and a month that of a given day; a number the brief gives
    without a unit (`four gardens`) gives no measure (`four minutes`).
    """
    if quantity.kind == "date" and any(known.value.startswith(f"{quantity.value} ") for known in given):
        return True
    for known in given:
        if quantity.kind == known.kind and _same(quantity, known):
            return True
        if quantity.kind == "number" and quantity.unit in {None, "off"} and quantity.value == known.value:
            return True
        if quantity.kind == known.kind == "code" and quantity.value == f"{known.value}s":
            return True
    return False


def _same(quantity: Quantity, known: Quantity) -> bool:
    if quantity.unit and known.unit:
        return _amount(quantity) == _amount(known)
    return quantity.value == known.value and quantity.unit not in _BASE


def _amount(quantity: Quantity) -> tuple[str, str | Decimal]:
    """Give the amount in the smallest unit of its kind, so that amounts compare across units."""
    unit, factor = _BASE.get(quantity.unit or "", ("", Decimal(0)))
    try:
        return (unit, Decimal(quantity.value) * factor) if unit else (quantity.unit or "", quantity.value)
    except InvalidOperation:
        return quantity.unit or "", quantity.value


def _canonical(number: str) -> str:
    plain = _FRACTIONS.get(number) or re.sub(r"[\u202f\u00a0]", "", number)
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", plain).replace(",", ".")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return plain
    return format(value.normalize(), "f") if value else "0"


def _digits(text: str) -> Iterator[Quantity]:
    days = [match.span() for dates in (_DAY_OF_MONTH, _NUMERIC_DATE) for match in dates.finditer(text)]
    for match in _NUMBER.finditer(text):
        in_date = any(start <= match.start("number") < end for start, end in days)
        ranked = _RANKED.search(
            _before(text, match.start("number"))
        )  # `#1` is a rank: claims.superlative reads it
        ranked = ranked is not None and match["number"] == "1"
        if in_date or ranked or _touches_letters(text, match):
            continue
        money = match["before"] or match["sign"]
        yield _quantity(_canonical(match["number"]), match["percent"], money, match["unit"], _tight(match))


def _before(text: str, place: int) -> str:
    """Take the few characters before a place; all of them would make long texts quadratic."""
    return text[max(0, place - 20) : place]


def _touches_letters(text: str, match: re.Match[str]) -> bool:
    """Whether the digits are part of a longer mixed word (`BREW20`), which `_codes` reads."""
    start, end = match.span("number")
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    own_unit = match["unit"] or match["percent"] or re.match(r"(?:st|nd|rd|th)\b", text[end:], re.IGNORECASE)
    return before.isalpha() or (after.isalpha() and not own_unit)


def _tight(match: re.Match[str]) -> tuple[int, int]:
    lead = len(match.group()) - len(match.group().lstrip())
    return match.start() + lead, match.end()


def _quantity(
    value: str, percent: str | None, money: str | None, unit: str | None, span: tuple[int, int]
) -> Quantity:
    named = (unit or "").lower()
    currency = _CURRENCIES.get((money or named).strip().lower())
    if percent:
        return Quantity(kind="percent", value=value, unit=None, span=span)
    if currency:
        return Quantity(kind="price", value=value, unit=currency, span=span)
    return Quantity(kind="number", value=value, unit=_UNITS.get(named), span=span)


def _spelled(text: str, bare: bool) -> Iterator[Quantity]:
    for match in _HALF.finditer(text):
        yield Quantity(kind="percent", value="50", unit=None, span=match.span())
    for match in _HALF_A.finditer(text):
        loose = _UNITS.get(match["unit"].lower()) in _LOOSE_HALVES or _LESS_THAN.search(
            _before(text, match.start())
        )
        if bare or not loose:
            yield _quantity("0.5", None, None, match["unit"], match.span())
    for match in _AND_A_HALF.finditer(text):
        yield _quantity("1.5", None, None, match["unit"], match.span())
    for match in _SPELLED.finditer(text):
        words, unit = match["words"].lower(), match["unit"]
        idiom = words == "one" and _UNITS.get((unit or "").lower()) in _IDIOMS
        counted = unit or match["percent"] or match["share"] is not None or words == "dozen"
        if not bare and (idiom or not counted):
            continue
        value = f"{_value(words)}.5" if match["half"] else str(_value(words))
        yield _quantity(value, match["percent"], None, unit, match.span())


def _value(words: str) -> int:
    """Compute the number that words such as `twenty-five` or `two hundred and ten` name."""
    total, current = 0, 0
    for word in re.findall(r"[a-z]+", words):
        if word in _SCALES:
            current = max(current, 1) * _SCALES[word]
            if _SCALES[word] > 100:
                total, current = total + current, 0
        elif word == "dozen":
            current = max(current, 1) * 12
        else:
            current += _NUMERALS.get(word, 0)
    return total + current


def _codes(text: str) -> Iterator[Quantity]:
    for match in _MIXED.finditer(text):
        word = match.group()
        if re.fullmatch(rf"\d+(?:st|nd|rd|th|{_MEASURE})", word, re.IGNORECASE):
            continue
        if re.fullmatch(r"\d+p", word):
            yield Quantity(kind="price", value=_canonical(word[:-1]), unit="cent", span=match.span())
            continue
        yield Quantity(kind="code", value=word.casefold(), unit=None, span=match.span())


def _dates(text: str) -> Iterator[Quantity]:
    for match in _WEEKDAY.finditer(text):
        yield Quantity(kind="date", value=match[1].lower() + "day", unit=None, span=match.span())
    days = list(_DAY_OF_MONTH.finditer(text))
    for match in days:
        month = (match["month"] or match["month2"]).lower()[:3]
        day = int(match["day"] or match["day2"])
        yield Quantity(kind="date", value=f"{month} {day}", unit=None, span=match.span())
    for match in _NUMERIC_DATE.finditer(text):
        first, second = int(match[1]), int(match[3])
        day, month = (second, first) if second > 12 else (first, second)  # day first, unless it cannot be
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield Quantity(kind="date", value=f"{_MONTHS[month - 1]} {day}", unit=None, span=match.span())
    for match in [*_MONTH.finditer(text), *_SHORT_MONTH.finditer(text)]:
        if not any(day.start() <= match.start(1) < day.end() for day in days):
            yield Quantity(kind="date", value=match[1].lower()[:3], unit=None, span=match.span(1))
    for match in _DEADLINE.finditer(text):
        value = re.sub(r"\s+", " ", match["a"] or match["b"]).lower()
        yield Quantity(kind="date", value=value, unit=None, span=match.span())
