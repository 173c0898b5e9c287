"""Addresses and people: only the brief's link, and nobody's e-mail or telephone number."""

import re
from collections.abc import Iterator

from prompts.checks.reading import Hit, Line, Reading, Rule
from prompts.slots import clean

_TOPS = (
    "com|net|org|io|co|uk|de|fr|es|it|nl|eu|us|ca|au|shop|store|online|site|app|dev|ai|info|biz|me|ly|to|link|gg|ru|cn|"
    "top|xyz|mple|example|test"
)
_ADDRESS = re.compile(
    rf"(?:https?|ftp)://[^\s<>\"]+|\bwww\.[^\s<>\"]+|(?<![@\w.])(?:[a-z0-9-]+\.)+(?:{_TOPS})\b(?:/[^\s<>\"]*)?|"
    r"\b(?:javascript|data|mailto|tel):\S+",
    re.IGNORECASE,
)
_TAIL = re.compile(r"[.,;:!?'\"’”)\]]+$")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w/])\+?\(?\d[\d\s().-]{6,}\d(?!\w)")


def _foreign(reading: Reading) -> Iterator[Hit]:
    link = clean(reading.brief.product.link or "")
    for line in reading.lines:
        for match in _ADDRESS.finditer(line.plain):
            found = _TAIL.sub("", match.group())
            if (found != link and match.group() != link) and not _within_fact(line, match.span()):
                wanted = f"only {link!r} may stand here" if link else "the brief gives no link"
                yield Hit(
                    line=line,
                    span=(match.start(), match.start() + len(found)),
                    reason=f"links {found!r}: {wanted}",
                )


def _within_fact(line: Line, span: tuple[int, int]) -> bool:
    """Whether a domain-like word is part of a fact that is no link, such as a brand called `tea.com`."""
    return "://" not in line.plain[slice(*span)] and not any(
        char.isalnum() for char in line.own[slice(*span)]
    )


def _email(reading: Reading) -> Iterator[Hit]:
    return _personal(_EMAIL, "an e-mail address", reading)


def _phone(reading: Reading) -> Iterator[Hit]:
    return _personal(_PHONE, "a telephone number", reading)


def _personal(pattern: re.Pattern[str], what: str, reading: Reading) -> Iterator[Hit]:
    for line in reading.lines:
        for match in pattern.finditer(line.plain):
            if match.group() in reading.given:
                continue
            digits = sum(char.isdigit() for char in match.group())
            if "@" in match.group() or 8 <= digits <= 15:
                yield Hit(
                    line=line, span=match.span(), reason=f"gives {what}, {match.group()!r}: leave it out"
                )


RULES = (
    Rule(id="links.foreign", severity="error", wants="No address but the brief's link.", check=_foreign),
    Rule(
        id="personal.email", severity="error", wants="No e-mail address the brief did not give.", check=_email
    ),
    Rule(
        id="personal.phone",
        severity="error",
        wants="No telephone number the brief did not give.",
        check=_phone,
    ),
)
