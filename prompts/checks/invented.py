"""What the brief did not give, and the copy therefore must not say: numbers, prices, dates, codes, offers."""

import re
from collections.abc import Callable, Iterator

from prompts.checks import personal
from prompts.checks.quantities import Kind, find, is_given
from prompts.checks.reading import Hit, Reading, Rule, normalise

_WANTS = {
    "number": "the brief gives no such number",
    "percent": "the brief gives no such percentage",
    "price": "the brief gives no such price",
    "date": "the brief gives no such date",
    "code": "the brief gives no such code or model number",
}

_FREE = (
    r"free\s+(?:next-day\s+|standard\s+|express\s+)?(?:shipping|delivery|postage|returns?|gifts?|samples?|trials?|"
    r"upgrades?|consultations?|access|months?|downloads?|class(?:es)?|lessons?|item|product|bag)|"
    r"for\s+free(?=\s*(?:[.!?,;:)]|$)|\s+(?:with|when|if|on|today|now|until|at|and)\b)|"
    r"(?:try|get|have|take|yours?|it's)\s+(?:it\s+|one\s+|yours\s+)?free(?=\s*(?:[.!?,]|$|today|now))|"
    r"free\s+of\s+charge|(?:at\s+)?no\s+(?:extra\s+)?(?:cost|charge)|complimentary|on\s+the\s+house"
)
SPECIFIC = re.compile(
    rf"\b(?:{_FREE}|cashback|gift\s+cards?|two\s+for\s+one|2\s+for\s+1|buy\s+one|bogo|early\s+access|"
    r"(?:double|triple)\s+points|money[\s-]back|price\s+match)\b",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"\b(?:discounts?|discounted|on\s+sale|sale\s+prices?|special\s+(?:offer|price)s?|money\s+off|price\s+drops?|"
    r"reduced\s+prices?|promotions?|vouchers?|coupons?|bargains?|save\s+(?:big|money|up\s+to))\b",
    re.IGNORECASE,
)
_CODE_WORD = re.compile(
    r"\b(?:(?:promo|discount|voucher|coupon)\s+codes?|(?:use|enter|with|apply)\s+(?:the\s+|this\s+)?code)\b",
    re.IGNORECASE,
)
_NAMED_CODE = re.compile(r"\bcode:?\s+['\"“]?([A-Z][A-Z0-9-]{2,})\b")


def _quantity(kind: Kind) -> Callable[[Reading], Iterator[Hit]]:
    def check(reading: Reading) -> Iterator[Hit]:
        given = find(reading.given, bare_words=True)
        for line in reading.lines:
            numbers = personal.spans(line)  # a telephone number is one fault, and `personal` finds it
            for quantity in find(line.own):
                if any(start < quantity.span[1] and quantity.span[0] < end for start, end in numbers):
                    continue
                if quantity.kind == kind and not is_given(quantity, given):
                    quoted = line.text[slice(*quantity.span)]
                    yield Hit(line=line, span=quantity.span, reason=f"says {quoted!r}: {_WANTS[kind]}")

    return check


def _codes(reading: Reading) -> Iterator[Hit]:
    yield from _quantity("code")(reading)
    known = re.findall(r"[\w-]+", reading.given)
    has_code = bool(reading.brief.offer and re.search(r"\bcode\b", normalise(reading.given))) or bool(
        reading.brief.offer and reading.brief.offer.code
    )
    for line in reading.lines:
        for match in _NAMED_CODE.finditer(line.own):
            if match[1] not in known and not re.search(r"\d", match[1]):
                yield Hit(line=line, span=match.span(1), reason=f"says {match[1]!r}: {_WANTS['code']}")
        for match in () if has_code else _CODE_WORD.finditer(line.own):
            yield Hit(line=line, span=match.span(), reason=f"says {match.group()!r}: the brief gives no code")


def _offer(reading: Reading) -> Iterator[Hit]:
    given = normalise(reading.given)
    patterns = (SPECIFIC,) if reading.brief.offer else (SPECIFIC, _GENERIC)
    for line in reading.lines:
        for pattern in patterns:
            for match in pattern.finditer(line.own):
                if normalise(match.group()) not in given:
                    yield Hit(
                        line=line,
                        span=match.span(),
                        reason=f"promises {match.group()!r}: the brief offers no such thing",
                    )


RULES = (
    Rule(
        id="invented.number",
        severity="error",
        wants="No number, in digits or in words with a unit, that the brief did not give in that unit.",
        check=_quantity("number"),
    ),
    Rule(
        id="invented.percent",
        severity="error",
        wants="No percentage that the brief did not give.",
        check=_quantity("percent"),
    ),
    Rule(
        id="invented.price",
        severity="error",
        wants="No sum of money that the brief did not give in that currency.",
        check=_quantity("price"),
    ),
    Rule(
        id="invented.date",
        severity="error",
        wants="No weekday, month or deadline that the brief did not give.",
        check=_quantity("date"),
    ),
    Rule(
        id="invented.code",
        severity="error",
        wants="No code or model number that the brief did not give.",
        check=_codes,
    ),
    Rule(
        id="invented.offer",
        severity="error",
        wants="No gift, discount, trial or other promise that the brief did not make.",
        check=_offer,
    ),
)
