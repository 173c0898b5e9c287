"""Addresses: the brief's link, and what lies on the brand's own domains."""

import functools
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

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
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_TAIL = re.compile(r"[.,;:!?'\"’”)\]]+$")


def addresses(line: Line) -> tuple[tuple[int, int], ...]:
    """Where a line holds addresses, whose words are nobody's choice."""
    return _addresses(line.plain)


@functools.lru_cache(maxsize=2048)  # rules read the same few texts
def _addresses(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(match.span() for match in _ADDRESS.finditer(text))


def _foreign(reading: Reading) -> Iterator[Hit]:
    link, domains = clean(reading.brief.product.link or ""), reading.brief.brand.allowed_domains
    for line in reading.lines:
        for start, end in addresses(line):
            address = line.plain[start:end]
            found = _TAIL.sub("", address)
            known = link in {found, address} or _allowed(found, domains)
            if not known and not _within_fact(line, (start, end)):
                wanted = " or ".join([*([repr(link)] if link else []), *(f"pages of {d}" for d in domains)])
                wanted = f"only {wanted} may stand here" if wanted else "the brief gives no link"
                yield Hit(
                    line=line,
                    span=(start, start + len(found)),
                    reason=f"links {found!r}: {wanted}",
                )


def _within_fact(line: Line, span: tuple[int, int]) -> bool:
    """Whether a domain-like word is part of a fact that is no link, such as a brand called `tea.com`."""
    return "://" not in line.plain[slice(*span)] and not any(
        char.isalnum() for char in line.own[slice(*span)]
    )


def _allowed(found: str, domains: tuple[str, ...]) -> bool:
    """Whether an address is one of the web on one of these domains or below it, and names nobody."""
    if _SCHEME.match(found) and not found.lower().startswith(("http://", "https://")):
        return False
    try:
        parts = urlsplit(found if "://" in found else f"https://{found}")
        host = (parts.hostname or "").rstrip(".")
    except ValueError:  # no address at all, such as an unclosed bracket
        return False
    return "@" not in parts.netloc and any(
        host == domain or host.endswith(f".{domain}") for domain in map(str.lower, domains)
    )


RULES = (
    Rule(
        id="links.foreign",
        severity="error",
        wants="No address but the brief's link and those on the brand's domains.",
        check=_foreign,
    ),
)
