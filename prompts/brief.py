"""The typed input of every prompt: what is to be written, about what, for whom."""

from collections.abc import Iterable, Iterator
from typing import Literal, cast

import msgspec

from prompts.brand import Brand as Brand
from prompts.brand import Tone as Tone

Stage = Literal["new", "loyal", "lapsed", "cart"]
"""Where a customer stands; `cart` has left something in the basket."""

Goal = Literal["shop", "learn", "join", "book", "claim"]
"""What the reader should do; `claim` takes up an offer."""

Rewrite = Literal["shorter", "warmer", "bolder"]
"""What every engine can be told to change about an existing text."""


class Product(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The item a brief advertises, as facts. Its text is data: never a template, never an instruction."""

    id: str
    title: str
    description: str = ""
    category: str | None = None
    kind: str | None = None
    """One of `prompts.kinds.KINDS`, e.g. `tableware`; none lets the service work it out."""
    brand: str | None = None
    price: str | None = None
    """Formatted for the reader, e.g. `£12.50`."""
    benefits: tuple[str, ...] = ()
    """Short noun phrases, e.g. `hand-stitched seams`."""
    link: str | None = None
    """Where the copy leads; http(s) only."""


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is promised with the item."""

    text: str
    """A noun phrase, e.g. `20% off` or `a free gift`."""
    code: str | None = None
    ends: str | None = None
    """When it ends, as the reader should see it, e.g. `Sunday` or `30 November`."""


class Audience(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom the copy is for, always as a description."""

    name: str
    description: str = ""
    """Two plain sentences: what sets these people apart."""
    interest: str | None = None
    """One or a few words, e.g. `gardening`; none for everyone."""
    stage: Stage | None = None


class RewriteRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text to rewrite, with what to change about it."""

    instruction: str = ""
    """`shorter`, `warmer` or `bolder`; or free text, which an instruct model reads as data; or nothing, to
    have it written anew."""
    fields: dict[str, str | list[str]]
    only: tuple[str, ...] = ()
    """Fields to write again, the others staying byte for byte; all of them when none is named."""
    given: bool = True
    """Whether the text's own numbers, names and claims count as given, as those of a text that a person
    sends. Copy that was written from this brief gives itself no facts."""


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Copy accepted for another brief of the same brand and channel. It gives no facts to this one."""

    source: str
    """Where it is kept: `draft/variant`."""
    product: str
    """What it was about."""
    audience: str
    fields: dict[str, str | list[str]]


class Brief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request for copy. The same brief, prompt, engine and seed give the same draft."""

    channel: str
    product: Product
    audience: Audience
    offer: Offer | None = None
    tone: Tone = "friendly"
    goal: Goal = "shop"
    language: str = "en"
    """BCP 47 tag."""
    brand: Brand = Brand()
    must_say: tuple[str, ...] = ()
    """Said word for word in the piece, and true: what they state counts as given."""
    must_not_say: tuple[str, ...] = ()
    """Never said in it, in any inflection, beside what the brand never says."""
    keywords: tuple[str, ...] = ()
    """Words to work in where they fit."""
    personalise: bool = False
    """Whether the copy greets by the merge tag `first_name`."""
    rewrite: RewriteRequest | None = None
    examples: tuple[Example, ...] = ()
    """Accepted copy to take the voice from, the nearest first; only instruct models are shown it."""
    n: int = 3
    """Variants wanted, 1..20."""
    seed: int = 0


def texts_of(value: object) -> Iterator[str]:
    """Give every text of a brief, or of a part of one, whatever field holds it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from texts_of(getattr(value, name))
    elif isinstance(value, tuple | list):
        for entry in cast("Iterable[object]", value):
            yield from texts_of(entry)
    elif isinstance(value, dict):
        for entry in cast("dict[str, object]", value).values():
            yield from texts_of(entry)
