"""What every check reads: a variant's texts line by line, and the brief's facts to hold them against."""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import msgspec

from prompts import merge_tags
from prompts.brand import disclaimers
from prompts.brief import Brief
from prompts.channels import Channel, Field, channel_read
from prompts.errors import SlotError
from prompts.measure import label_texts, longest
from prompts.readers import ASSUMED, Readers
from prompts.slots import clean, escape, product_name
from prompts.variant import Fields, Severity

HIDDEN = "\ufffc"
"""Stands for every character a check is not to read, so that spans stay true."""

_QUOTES = str.maketrans("’‘‛“”„–—‑\u00a0\u202f", "'''\"\"\"---  ")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w")
_BEFORE_UNIT = re.compile(r"\s+(?=%)")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One text of a variant."""

    label: str
    """Field name, with an index for list fields: `headlines[1]`."""
    field: Field
    text: str
    """As stored, merge tags and all."""
    shown: str
    """As a reader sees it, each merge tag a stand-in."""
    tags: tuple[merge_tags.MergeTag, ...]
    """Its merge tags, in order; none when they cannot be read."""
    longest: tuple[str, ...]
    """As whoever makes it longest reads it, by each limit of its field. To be counted and never quoted: it
    holds what customers are called."""
    plain: str
    """As stored, with merge tags hidden character by character."""
    own: str
    """As `plain`, with the facts the brief gave hidden too: what the writer said on its own account."""
    problem: str | None
    """Why its merge tags cannot be read; none when they can."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found, before its rule's name is put to it."""

    reason: str
    line: Line | None = None
    span: tuple[int, int] | None = None
    severity: Severity | None = None
    """Overrides the rule's own."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A variant laid out for checking."""

    brief: Brief
    channel: Channel
    fields: Fields
    lines: tuple[Line, ...]
    given: str
    """Every text of the brief a writer may take facts from, one per line."""
    whole: str
    """All shown texts, normalised, one per line."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing copy must or should obey."""

    id: str
    severity: Severity
    wants: str
    """What it wants, in a sentence; the README's table holds the same."""
    check: Callable[[Reading], Iterable[Hit]]


@functools.lru_cache(maxsize=256)  # ten rules ask about the same brief
def normalise(text: str) -> str:
    """Bring a text to the form in which facts are compared: case, quotes, dashes and spaces made alike."""
    folded = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    return _BEFORE_UNIT.sub("", _SPACE.sub(" ", folded)).strip()


def says(whole: str, fact: str) -> bool:
    """Whether a normalised text holds a fact as words of its own; a final full stop does not count."""
    wanted = normalise(fact)
    wanted = wanted.rstrip(".") or wanted
    start = whole.find(wanted)
    while start >= 0:
        around = whole[start - 1 : start] + whole[start + len(wanted) : start + len(wanted) + 1]
        if not _WORD.search(around):
            return True
        start = whole.find(wanted, start + 1)
    return False


def read(brief: Brief, fields: Fields, readers: Readers = ASSUMED) -> Reading:
    """Lay out a variant's fields for those who might read it; unknown fields are not read.

    Raises `BriefError` for an unknown channel.
    """
    channel = channel_read(brief.channel)
    facts = _pattern(_facts(brief))
    lines = tuple(
        _line(field, label, text, facts, readers) for label, field, text in label_texts(channel, fields)
    )
    return Reading(
        brief=brief,
        channel=channel,
        fields=fields,
        lines=lines,
        given="\n".join(_given(brief)),
        whole="\n".join(normalise(line.shown) for line in lines),
    )


def _facts(brief: Brief) -> tuple[str, ...]:
    product, offer = brief.product, brief.offer
    texts = [
        product.title,
        product_name(product),
        product.brand,
        product.category,
        product.price,
        product.link,
        *product.benefits,
    ]
    texts += [brief.brand.name, *brief.brand.required_words, *disclaimers(brief.brand, brief.channel)]
    texts += [*brief.must_say, *brief.keywords]
    if offer is not None:
        texts += [offer.text, offer.code, offer.ends]
    return tuple(cleaned for text in texts if text and (cleaned := clean(text)))


def _given(brief: Brief) -> Iterator[str]:
    yield from _facts(brief)
    yield clean(brief.product.description)
    if brief.product.kind:
        yield brief.product.kind
    if brief.rewrite is not None and brief.rewrite.given:
        for value in brief.rewrite.fields.values():
            yield from [value] if isinstance(value, str) else value


@functools.lru_cache(maxsize=256)
def _pattern(facts: tuple[str, ...]) -> re.Pattern[str] | None:
    bare = {fact.rstrip(".") or fact for fact in facts}
    spelt = sorted(bare | set(map(escape, bare)), key=len, reverse=True)
    if not spelt:
        return None
    words = "|".join(r"\s+".join(map(re.escape, fact.split())) for fact in spelt)
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


def _hide(match: re.Match[str]) -> str:
    return HIDDEN * len(match.group())


def _line(field: Field, label: str, text: str, facts: re.Pattern[str] | None, readers: Readers) -> Line:
    pieces: tuple[merge_tags.Piece, ...] = (text,)
    problem = None
    try:
        pieces = merge_tags.parse(text, readers)
    except SlotError as error:
        problem = str(error)
    plain = "".join(p if isinstance(p, str) else HIDDEN * (p.span[1] - p.span[0]) for p in pieces)
    own = facts.sub(_hide, text) if facts else text
    own = "".join(HIDDEN if tag == HIDDEN else char for tag, char in zip(plain, own, strict=True))
    return Line(
        label=label,
        field=field,
        text=text,
        shown=merge_tags.stand_in(pieces),
        tags=tuple(piece for piece in pieces if isinstance(piece, merge_tags.MergeTag)),
        longest=longest(pieces, field.limits, readers),
        plain=plain,
        own=own,
        problem=problem,
    )
