"""How long a text is, as each medium counts it."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import regex

from prompts.channels import Counting

_regex: Any = regex
_GRAPHEME: Any = _regex.compile(r"\X")
_URL = re.compile(r"https?://[^\s]+[^\s.,;:!?'\")\]]")

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))


def characters(text: str) -> int:
    """Grapheme clusters (UAX 29): what a reader sees as one character."""
    return len(text) if text.isascii() else len(_GRAPHEME.findall(text))


def is_gsm(text: str) -> bool:
    """Whether every character is in GSM 03.38, so that a message holds 160 of them rather than 70."""
    return all(char in _GSM_BASIC or char in _GSM_EXTENDED for char in text)


def septets(text: str) -> int:
    """Measure the room a text takes in an SMS, in septets; one message holds 160.

    A GSM text costs 1 a character and 2 for an extended one. Anything else travels as UCS-2, 16 bits a
    UTF-16 unit, hence `ceil(16 * units / 7)`: 70 units fill the same 140 octets. Source: 3GPP TS 23.038.
    """
    if is_gsm(text):
        return sum(2 if char in _GSM_EXTENDED else 1 for char in text)
    return ceil(16 * (len(text.encode("utf-16-le")) // 2) / 7)


def segments(text: str) -> int:
    """SMS message parts: 160/153 GSM septets or 70/67 UCS-2 units in one part / in each of several."""
    gsm = is_gsm(text)
    units = septets(text) if gsm else len(text.encode("utf-16-le")) // 2
    one, many = (160, 153) if gsm else (70, 67)
    return 1 if units <= one else ceil(units / many)


def weighted(text: str) -> int:
    """Count as X does: NFC, a URL 23, an emoji 2, Latin and general punctuation 1, others (CJK) 2."""
    text = unicodedata.normalize("NFC", text)
    total = 23 * len(_URL.findall(text))
    for cluster in _GRAPHEME.findall(_URL.sub("", text)):
        emoji = len(cluster) > 1 and any(ord(char) > 0x203B and char != "\u20e3" for char in cluster)
        total += 2 if emoji else sum(_weight(char) for char in cluster)
    return total


def _weight(char: str) -> int:
    return 1 if any(low <= ord(char) <= high for low, high in _LIGHT) else 2


def octets(text: str) -> int:
    """UTF-8 bytes."""
    return len(text.encode("utf-8"))


_COUNTS: Mapping[Counting, Callable[[str], int]] = {
    "characters": characters,
    "bytes": octets,
    "sms": septets,
    "weighted": weighted,
}


def count(text: str, counting: Counting) -> int:
    """Measure a text in the unit of a limit."""
    return _COUNTS[counting](text)
