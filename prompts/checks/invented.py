"""What the brief did not give, and the copy therefore must not say: numbers, prices, dates, codes, offers."""

import re
from collections.abc import Callable, Iterator

from prompts.checks import personal
from prompts.checks.links import addresses
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
    r"(?:double|triple|extra|loyalty)\s+points|money[\s-]back|price\s+match|"
    r"(?:we(?:'ll|\s+will|\s+also)?\s+)throw\s+in|(?:get|earn|receive|claim)\s+(?:an?\s+|your\s+|the\s+)?rewards?|"
    r"we\s+(?:pay|cover)\s+(?:the\s+|your\s+)?(?:postage|delivery|shipping|returns?)|"
    r"(?:delivery|postage|shipping|returns?)\s+(?:is|are)\s+(?:free|on\s+us)|(?:prize\s+draw|giveaway)s?|"
    r"bonus\s+(?:gifts?|items?|packs?|bags?|months?|points?|class|downloads?|maps?|samples?|bottles?|credit|prizes?)|(?:welcome|sign-up|joining)\s+bonus|surprise\s+(?:present|gift|treat)|"
    r"(?:present|gift|surprise)\s+in\s+every|"
    r"first\s+(?:class|lesson|visit|month|session|order|delivery|year|week)\s+(?:is|are|comes)\s+free|"
    r"(?:gift|treat|present)\s+with\s+(?:every|each|your)|trade[\s-]in)\b",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"\b(?:discounts?|discounted|on\s+sale|sale\s+prices?|special\s+(?:offer|price)s?|money\s+off|price\s+drops?|"
    r"reduced\s+prices?|promotions?|vouchers?|coupons?|bargains?|(?:the|our|a|summer|winter|spring|autumn)\s+sale|save\s+(?:big|money|up\s+to))\b",
    re.IGNORECASE,
)
_CODE_WORD = re.compile(
    r"\b(?:(?:promo|discount|voucher|coupon)\s+codes?|(?:use|enter|with|apply)\s+(?:the\s+|this\s+)?code)\b",
    re.IGNORECASE,
)
_NAMED_CODE = re.compile(
    r"\b[Cc]ode:?\s+['\"“]?([A-Z][A-Z0-9-]{2,})\b|"
    r"\b(?:[Uu]se|[Ee]nter|[Tt]ype|[Qq]uote|[Aa]pply)\s+['\"“]?([A-Z][A-Z0-9-]{3,})['\"”]?(?=\s+(?:at|when|in|as)\b)"
)


def _quantity(kind: Kind) -> Callable[[Reading], Iterator[Hit]]:
    def check(reading: Reading) -> Iterator[Hit]:
        given = find(reading.given, bare_words=True)
        for line in reading.lines:
            # A telephone number is one fault, which `personal` finds, and so is a code in parts.
            taken = list(personal.spans(line))
            taken += addresses(line)
            if kind != "code":
                taken += [match.span() for match in _NAMED_CODE.finditer(line.own)]
            for quantity in find(line.own):
                if any(_overlap(quantity.span, span) for span in taken):
                    continue
                if quantity.kind == kind and not is_given(quantity, given):
                    quoted = line.text[slice(*quantity.span)]
                    yield Hit(line=line, span=quantity.span, reason=f"says {quoted!r}: {_WANTS[kind]}")

    return check


def _overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] < second[1] and second[0] < first[1]


def _codes(reading: Reading) -> Iterator[Hit]:
    yield from _quantity("code")(reading)
    known = re.findall(r"[\w-]+", reading.given)
    has_code = bool(reading.brief.offer and re.search(r"\bcode\b", normalise(reading.given))) or bool(
        reading.brief.offer and reading.brief.offer.code
    )
    for line in reading.lines:
        for match in _NAMED_CODE.finditer(line.own):
            name = match[1] or match[2]
            mixed = name.isalnum() and re.search(r"\d", name)  # found by its digits already
            if name not in known and not mixed:
                span = match.span(match.lastindex or 0)
                yield Hit(line=line, span=span, reason=f"says {name!r}: {_WANTS['code']}")
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
