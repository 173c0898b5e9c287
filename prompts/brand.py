"""A brand: how it sounds, what it calls things, what it may claim.

The same value enters prompts and checks.
"""

import hashlib
from typing import Literal

import msgspec

Tone = Literal["friendly", "playful", "urgent", "luxury", "professional", "inspiring"]
"""Voices every template and every engine understands."""

Policy = Literal["allow", "warn", "forbid"]
"""What becomes of a claim the brief does not make: nothing, a warning, or an error."""


class Trait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One adjective of the voice, with lines that have it and lines that overdo or miss it."""

    adjective: str
    """E.g. `warm`."""
    do: tuple[str, ...] = ()
    dont: tuple[str, ...] = ()


class Term(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word of the glossary: what the brand says, and what it never says instead."""

    use: str
    """Spelt as the brand spells it, e.g. `rain jacket`, `iPhone`."""
    never: tuple[str, ...]
    """E.g. `mac`, `Iphone`; one that differs from `use` in case alone is meant letter by letter."""


class ClaimsPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How claims are taken that the brief does not make. What the brief says may always be repeated."""

    guarantees: Policy = "forbid"
    health: Policy = "forbid"
    finance: Policy = "forbid"
    superlatives: Policy = "warn"
    proof: Policy = "warn"
    """Customers, experts and studies."""
    urgency: Policy = "warn"
    free: Policy = "warn"
    """The word itself; a free thing the brief does not offer is an error whatever this says."""


class Disclaimer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sentence that must stand in the copy, word for word."""

    text: str
    channels: tuple[str, ...] = ()
    """Names of channels; none is all of them."""


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The workspace's voice and its rules. Every field may be left out."""

    name: str = ""
    voice: str = ""
    """In a few plain sentences."""
    banned_words: tuple[str, ...] = ()
    """Never said, in any inflection."""
    required_words: tuple[str, ...] = ()
    """Said in every piece."""
    traits: tuple[Trait, ...] = ()
    glossary: tuple[Term, ...] = ()
    claims: ClaimsPolicy = ClaimsPolicy()
    disclaimers: tuple[Disclaimer, ...] = ()
    tones: tuple[Tone, ...] = ()
    """The tones a brief may ask for; none is all of them."""
    allowed_domains: tuple[str, ...] = ()
    """Where addresses may lead beside the brief's link, e.g. `fernhill.example`; subdomains included."""


def version(brand: Brand) -> str:
    """Name a brand by what it says: sha256 of its canonical JSON, first 16 hex digits."""
    return hashlib.sha256(msgspec.json.encode(brand, order="deterministic")).hexdigest()[:16]


def disclaimers(brand: Brand, channel: str) -> tuple[str, ...]:
    """List the disclaimers copy for a channel must hold."""
    return tuple(entry.text for entry in brand.disclaimers if not entry.channels or channel in entry.channels)
