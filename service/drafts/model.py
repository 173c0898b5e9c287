"""A request for copy, and the draft that answers it: one brief, ranked variants."""

from datetime import datetime

import msgspec

from prompts.brief import Audience, Brand, Brief, Goal, Offer, Product, RewriteRequest, Tone
from prompts.variant import Fields, Variant
from service.drafts.decision import Standing

MAX_VARIANTS = 20


class DraftRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to write. A full brief is one of these, and so is the short form that names stored things.

    Exactly one of `item_id` and `product` says what about; at most one of `segment`, `profile_id` and
    `audience` says for whom (none is everyone).
    """

    channel: str
    item_id: str | None = None
    """An item of the catalogue, whose facts are looked up."""
    product: Product | None = None
    """The facts themselves, of something that is in no catalogue."""
    segment: str | None = None
    """A segment's name or id."""
    profile_id: str | None = None
    """One customer, who is described by interests and never by personal data."""
    audience: Audience | str | None = None
    """A description, or just a few words."""
    offer: Offer | str | None = None
    """What is promised; a text alone is an offer without code or end."""
    tone: Tone | None = None
    """Left out, the first of the brand's range, or `friendly` where it has none."""
    goal: Goal = "shop"
    language: str = "en"
    brand: Brand | None = None
    """The workspace's own when left out."""
    must_say: tuple[str, ...] = ()
    """Said word for word in the piece, and true: what they state counts as given."""
    must_not_say: tuple[str, ...] = ()
    """Never said in it, in any inflection."""
    keywords: tuple[str, ...] = ()
    """Words to work in where they fit; a missing one is a warning."""
    personalise: bool = False
    rewrite: RewriteRequest | None = None
    control: Fields | None = None
    """The text in use today, in the channel's fields or some of them: it is checked and scored beside the
    draft, and no prompt is told of it."""
    examples: int | None = None
    """Accepted variants of this brand and channel to show an instruct model, 0..5; left out, the setting
    decides. The embedded engine is shown none."""
    n: int = 3
    """Variants wanted, 1..20."""
    seed: int = 0


class RewriteOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a stored variant is to be written again; at least one of `instruction` and `fields`."""

    instruction: str = ""
    """`shorter`, `warmer` or `bolder`; or free text, such as `drop the exclamation mark`, which needs an
    instruct model. Left out, the fields are written anew."""
    fields: tuple[str, ...] = ()
    """Fields to write again, the others staying byte for byte; all of them when left out."""
    n: int = 1
    """Variants wanted, 1..20."""
    seed: int = 0
    """The same order with the same seed gives the same text; another seed another."""


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """The variant a draft was rewritten from; what was asked is in the brief's `rewrite`."""

    draft_id: str
    variant_id: str


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A draft that rewrote one of this draft's variants."""

    draft_id: str
    variant_id: str
    """Of this draft."""
    created_at: datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one brief: variants that passed their checks first, then by score."""

    id: str
    created_at: datetime
    brief: Brief
    """What the prompt was made of, with every fact looked up."""
    variants: tuple[Variant, ...]
    item_id: str | None = None
    segment: str | None = None
    """Id of the segment it was written for."""
    profile_id: str | None = None
    as_of: datetime | None = None
    """The reference time of the snapshot the audience was described from."""
    snapshot: str | None = None
    """That snapshot's version."""
    standings: tuple[Standing, ...] = ()
    """Of the variants somebody has decided about, in the order of `variants`."""
    parent: Parent | None = None
    """What it is a rewrite of."""
    children: tuple[Child, ...] = ()
    """Its rewrites, oldest first."""
    control: Variant | None = None
    """The text in use today, checked and scored as one of the variants; its id is `control`."""
