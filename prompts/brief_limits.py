"""What a brief may ask for, checked once before anything is written."""

import re
from collections.abc import Mapping

from prompts.brand import Brand
from prompts.brief import Brief
from prompts.channels import find_channel
from prompts.errors import BriefError
from prompts.kinds import KINDS
from prompts.rewriting import validate_rewrite
from prompts.slots import clean
from prompts.variant import texts

MOST_VARIANTS = 20
LONGEST: dict[str, int] = {
    "product.id": 200,
    "product.title": 200,
    "product.description": 100_000,
    "product.category": 200,
    "product.kind": 40,
    "product.brand": 200,
    "product.price": 40,
    "product.link": 500,
    "offer.text": 120,
    "offer.code": 40,
    "offer.ends": 60,
    "audience.name": 200,
    "audience.description": 5_000,
    "audience.interest": 200,
    "brand.name": 200,
    "brand.voice": 5_000,
    "language": 35,
}
"""The longest text each field of a brief may hold, in characters."""

MOST_BENEFITS, LONGEST_BENEFIT = 20, 120
MOST_WORDS, LONGEST_WORD = 500, 80
MOST_EXAMPLES, MOST_EXAMPLE_TEXTS, LONGEST_EXAMPLE = 5, 20, 2_000
MOST_WISHES, LONGEST_WISH = 20, 200
MOST_DRAFTED, LONGEST_DRAFTED = 20, 5_000
"""Texts in one field of a draft to rewrite, and the characters of each."""
MOST_TRAITS, MOST_TRAIT_LINES, LONGEST_TRAIT_LINE = 12, 10, 500
MOST_TERMS, MOST_DISCLAIMERS, LONGEST_DISCLAIMER, MOST_DOMAINS = 500, 20, 500, 100

_LINK = re.compile(r"https?://[^\s<>\"'{}|\\^`]+")
_DOMAIN = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def validate(brief: Brief) -> None:
    """Raise `BriefError`, quoting the value, for a brief that cannot be written."""
    find_channel(brief.channel)
    if not 1 <= brief.n <= MOST_VARIANTS:
        raise BriefError(f"n is {brief.n}: ask for 1 to {MOST_VARIANTS} variants")
    validate_facts(brief)
    if not clean(brief.product.title):
        raise BriefError(f"product {brief.product.id!r} has no title: copy must name what it advertises")
    if brief.brand.tones and brief.tone not in brief.brand.tones:
        raise BriefError(
            f"tone {brief.tone!r} is outside the brand's range: ask for {' or '.join(brief.brand.tones)}"
        )
    if brief.rewrite is not None:
        validate_rewrite(brief.channel, brief.rewrite)
        _draft(brief.channel, brief.rewrite.fields)


def validate_facts(brief: Brief) -> None:
    """Raise `BriefError`, quoting the value, for facts that no copy can be held against."""
    for path, value in _texts(brief).items():
        _text(path, value, LONGEST[path])
    if brief.offer is not None and not clean(brief.offer.text):
        raise BriefError(
            "the offer has no text: leave the offer out, or say what is promised, such as '20% off'"
        )
    if brief.product.kind is not None and brief.product.kind not in KINDS:
        raise BriefError(
            f"unknown kind of product {brief.product.kind[:40]!r}: leave it out, or choose one of "
            f"{', '.join(KINDS)}"
        )
    link = brief.product.link
    if link is not None and not (_LINK.fullmatch(link) and clean(link) == link):
        raise BriefError(
            f"link {link[:80]!r} must be an http or https address without spaces or invisible characters"
        )
    if not _LANGUAGE.fullmatch(brief.language):
        raise BriefError(
            f"language {brief.language[:40]!r} is no BCP 47 tag: write one such as 'en' or 'de-AT'"
        )
    _lists(brief)
    validate_brand(brief.brand)


def _lists(brief: Brief) -> None:
    _list("benefits", brief.product.benefits, MOST_BENEFITS, LONGEST_BENEFIT)
    for name in ("must_say", "must_not_say", "keywords"):
        _list(name, getattr(brief, name), MOST_WISHES, LONGEST_WISH, filled=True)
    if len(brief.examples) > MOST_EXAMPLES:
        raise BriefError(f"examples has {len(brief.examples)} entries: at most {MOST_EXAMPLES}")
    for example in brief.examples:
        shown = tuple(texts(example.fields))
        _list(f"example {example.source!r}", shown, MOST_EXAMPLE_TEXTS, LONGEST_EXAMPLE)


def validate_brand(brand: Brand) -> None:
    """Raise `BriefError`, quoting the value, for a brand that no copy could follow."""
    for path, value in (("brand.name", brand.name), ("brand.voice", brand.voice)):
        _text(path, value, LONGEST[path])
    _list("banned_words", brand.banned_words, MOST_WORDS, LONGEST_WORD)
    _list("required_words", brand.required_words, MOST_WORDS, LONGEST_WORD)
    _list("traits", tuple(trait.adjective for trait in brand.traits), MOST_TRAITS, LONGEST_WORD, filled=True)
    for trait in brand.traits:
        for name, examples in (("do", trait.do), ("dont", trait.dont)):
            _list(f"{name} of trait {trait.adjective!r}", examples, MOST_TRAIT_LINES, LONGEST_TRAIT_LINE)
    _list("glossary", tuple(term.use for term in brand.glossary), MOST_TERMS, LONGEST_WORD, filled=True)
    for term in brand.glossary:
        _list(f"never of {term.use!r}", term.never, MOST_TRAIT_LINES, LONGEST_WORD, filled=True)
        if not term.never or clean(term.use) in map(clean, term.never):
            raise BriefError(
                f"glossary: {term.use!r} needs words it stands for, other than itself, in `never`"
            )
    said = tuple(entry.text for entry in brand.disclaimers)
    _list("disclaimers", said, MOST_DISCLAIMERS, LONGEST_DISCLAIMER, filled=True)
    for entry in brand.disclaimers:
        for channel in entry.channels:
            find_channel(channel)
    _list("allowed_domains", brand.allowed_domains, MOST_DOMAINS, 253)
    for domain in brand.allowed_domains:
        if not _DOMAIN.fullmatch(domain):
            raise BriefError(
                f"allowed domain {domain!r} is none: write a bare name such as 'fernhill.example', without "
                "https:// and path"
            )


def _draft(channel: str, fields: Mapping[str, str | list[str]]) -> None:
    names = [field.name for field in find_channel(channel).fields]
    if not fields:
        raise BriefError(f"the draft to rewrite has no field: give one of {', '.join(names)}")
    for name, value in fields.items():
        if name not in names:
            raise BriefError(
                f"the draft to rewrite has a field {name[:40]!r}: {channel} has {', '.join(names)}"
            )
        drafted = (value,) if isinstance(value, str) else tuple(value)
        _list(f"the draft's {name}", drafted, MOST_DRAFTED, LONGEST_DRAFTED)


def _texts(brief: Brief) -> dict[str, str]:
    found: dict[str, str | None] = {"language": brief.language}
    for path in LONGEST:
        part, _, field = path.partition(".")
        holder = getattr(brief, part)
        if field and holder is not None:
            found[path] = getattr(holder, field)
    return {path: value for path, value in found.items() if value is not None}


def _text(path: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise BriefError(f"{path} has {len(value)} characters: at most {longest}; it begins {value[:40]!r}")


def _list(name: str, values: tuple[str, ...], most: int, longest: int, *, filled: bool = False) -> None:
    if len(values) > most:
        raise BriefError(f"{name} has {len(values)} entries: at most {most}")
    for value in values:
        if filled and not clean(value):
            raise BriefError(f"{name} holds the empty text {value!r}: fill it in or leave the entry out")
        if len(value) > longest:
            raise BriefError(
                f"{name} holds a text of {len(value)} characters: at most {longest}; {value[:40]!r}"
            )
