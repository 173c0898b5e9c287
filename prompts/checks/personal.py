"""People's data: nobody's e-mail address, telephone number, card, bank account or identity number."""

import functools
import re
from collections.abc import Callable, Iterator, Mapping

from prompts.checks.reading import Hit, Line, Reading, Rule

Span = tuple[int, int]

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w/])\+?\(?\d[\d\s().-]{6,}\d(?!\w)")
_CARD = re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_ACCOUNT = re.compile(
    r"\b\d{2}-\d{2}-\d{2},?\s+(?:(?:account|acct?\.?)\s*(?:no\.?|number)?:?\s*)?\d{8}\b", re.IGNORECASE
)
_INSURANCE = re.compile(
    r"\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ]?\d{2}[ ]?\d{2}[ ]?\d{2}[ ]?[A-D]\b"
)
"""A National Insurance number of the United Kingdom."""
_SOCIAL_SECURITY = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of a payment card (ISO/IEC 7812, Luhn)."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _mod_97(iban: str) -> bool:
    """Whether the check digits of an account number hold (ISO 13616)."""
    return (
        15 <= len(iban) <= 34 and int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1
    )


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    return (match.span() for match in pattern.finditer(text))


def _cards(text: str) -> Iterator[Span]:
    for start, end in _matches(_CARD, text):
        digits = re.sub(r"\D", "", text[start:end])
        if len(set(digits)) > 1 and _luhn(digits):
            yield start, end


def _accounts(text: str) -> Iterator[Span]:
    for start, end in _matches(_IBAN, text):
        if _mod_97(text[start:end].replace(" ", "")):
            yield start, end
    yield from _matches(_ACCOUNT, text)


def _identities(text: str) -> Iterator[Span]:
    yield from _matches(_INSURANCE, text)
    yield from _matches(_SOCIAL_SECURITY, text)


def _phones(text: str) -> Iterator[Span]:
    taken = [*_cards(text), *_accounts(text), *_identities(text)]
    for start, end in _matches(_PHONE, text):
        digits = sum(char.isdigit() for char in text[start:end])
        if 8 <= digits <= 15 and not any(start < other[1] and other[0] < end for other in taken):
            yield start, end


def _emails(text: str) -> Iterator[Span]:
    # Before the @ of `https://shop.example@evil.example` stands no mailbox; `links` finds the address.
    return ((start, end) for start, end in _matches(_EMAIL, text) if text[max(0, start - 3) : start] != "://")


_FINDERS: Mapping[str, tuple[str, Callable[[str], Iterator[Span]]]] = {
    "email": ("an e-mail address", _emails),
    "phone": ("a telephone number", _phones),
    "card": ("a payment card number", _cards),
    "account": ("a bank account number", _accounts),
    "identity": ("a person's identity number", _identities),
}


def spans(line: Line) -> tuple[Span, ...]:
    """Where a line gives personal data, of whatever kind."""
    return tuple(span for found in _found(line.plain).values() for span in found)


@functools.lru_cache(maxsize=2048)  # ten rules read the same few texts
def _found(text: str) -> Mapping[str, tuple[Span, ...]]:
    return {kind: tuple(find(text)) for kind, (_, find) in _FINDERS.items()}


def _personal(kind: str) -> Callable[[Reading], Iterator[Hit]]:
    what, _ = _FINDERS[kind]

    def check(reading: Reading) -> Iterator[Hit]:
        for line in reading.lines:
            for start, end in _found(line.plain)[kind]:
                quoted = line.plain[start:end]
                if quoted not in reading.given:
                    yield Hit(line=line, span=(start, end), reason=f"gives {what}, {quoted!r}: leave it out")

    return check


RULES = (
    Rule(
        id="personal.email",
        severity="error",
        wants="No e-mail address the brief did not give.",
        check=_personal("email"),
    ),
    Rule(
        id="personal.phone",
        severity="error",
        wants="No telephone number the brief did not give.",
        check=_personal("phone"),
    ),
    Rule(
        id="personal.card",
        severity="error",
        wants="No payment card number: 13 to 19 digits whose check digit holds.",
        check=_personal("card"),
    ),
    Rule(
        id="personal.account",
        severity="error",
        wants="No bank account: an IBAN whose check digits hold, or a UK sort code with its account.",
        check=_personal("account"),
    ),
    Rule(
        id="personal.identity",
        severity="error",
        wants="No National Insurance number (UK) and no social security number (US).",
        check=_personal("identity"),
    ),
)
