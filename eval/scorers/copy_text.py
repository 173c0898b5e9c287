"""The text of a variant as scorers read it: whole, or without the facts every variant of a brief states."""

import re

from prompts.brief import Brief
from prompts.checks.reading import HIDDEN, read
from prompts.variant import Variant

_HIDDEN = re.compile(rf"{HIDDEN}+")
_LETTERS = re.compile(r"[^\W\d_]{2}")


def parts(variant: Variant) -> list[str]:
    """List every non-empty text of the variant's fields, in the channel's order; empty when malformed."""
    texts: list[str] = []
    for value in variant.fields.values():
        texts.extend([value] if isinstance(value, str) else value)
    return [text.strip() for text in texts if text.strip()]


def whole(variant: Variant) -> str:
    """Join the variant's copy into one text, one line per part; empty when malformed."""
    return "\n".join(parts(variant))


def as_read(brief: Brief, variant: Variant) -> str:
    """Join the copy as it reads, one line per part, stand-ins for merge tags; empty when malformed."""
    return "\n".join(line.shown for line in read(brief, variant.fields).lines if line.shown.strip())


def own_words(brief: Brief, variant: Variant) -> str:
    """Join what the copy says on its own account, without the brief's facts; empty when nothing is left.

    Title, benefits, offer and the like stand in every variant whoever it is for; left out, copy for two
    audiences can be compared at one product.
    """
    lines = (" ".join(_HIDDEN.sub(" ", line.own).split()) for line in read(brief, variant.fields).lines)
    return "\n".join(line for line in lines if _LETTERS.search(line))
