"""The text of a variant as scorers read it: whole, or without the facts every variant of a brief states."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from prompts.brief import Brief
from prompts.checks.reading import HIDDEN, read
from prompts.variant import Variant

MOST_SENTENCES = 12
"""Sentences of one variant that are looked at one by one; copy has fewer, a pasted article has not."""

_SENTENCE = re.compile(r"[^.!?…\n]+(?:[.!?…]+|\n|\Z)")
_HIDDEN = re.compile(rf"{HIDDEN}+")
_LETTERS = re.compile(r"[^\W\d_]{2}")


class Sentence(NamedTuple):
    """A sentence as it stands in the copy, and what is left of it without the brief's facts."""

    text: str
    own: str


def parts(variant: Variant) -> list[str]:
    """List every non-empty text of the variant's fields, in the channel's order; empty when malformed."""
    texts: list[str] = []
    for value in variant.fields.values():
        texts.extend([value] if isinstance(value, str) else value)
    return [text.strip() for text in texts if text.strip()]


def whole(variant: Variant) -> str:
    """Join the variant's copy into one text, one line per part; empty when malformed."""
    return "\n".join(parts(variant))


def sentences(brief: Brief, variant: Variant) -> list[Sentence]:
    """Cut the copy into sentences that say something beyond the brief's facts; the first twelve."""
    return list(_sentences(brief, variant))[:MOST_SENTENCES]


def _sentences(brief: Brief, variant: Variant) -> Iterator[Sentence]:
    for line in read(brief, variant.fields).lines:
        for match in _SENTENCE.finditer(line.own):
            if own := _told(match.group()):
                yield Sentence(text=line.text[slice(*match.span())].strip(), own=own)


def _told(text: str) -> str:
    told = " ".join(_HIDDEN.sub(" ", text).split())
    return told if _LETTERS.search(told) else ""
