"""A request to score texts, and what is said of them."""

import msgspec

from eval.proxies.headline.similar import Tested
from prompts.brief import Audience, Brand, Brief, Offer, Product
from prompts.revision import Gap
from prompts.variant import Fields, Variant

MOST_TEXTS = 20
MOST_SIMILAR = 10
LONGEST_TEXT = 20_000
"""Characters of one text, all its fields together."""


class ScoreRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Texts to score, and what to hold them against; all but the texts may be left out."""

    texts: tuple[str | Fields, ...]
    """1 to 20, each the channel's fields by name, or some of them; or a plain text, where the channel has one
    text, or none is named."""
    channel: str | None = None
    """Where they will be read; left out, they are plain texts without limits of a medium."""
    item_id: str | None = None
    """An item of the catalogue, whose facts they are held against."""
    product: Product | None = None
    segment: str | None = None
    """A segment's name or id."""
    profile_id: str | None = None
    audience: Audience | str | None = None
    offer: Offer | str | None = None
    language: str = "en"
    brand: Brand | None = None
    """The workspace's own when left out."""
    must_say: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    personalise: bool = False
    control: str | Fields | None = None
    """The text in use today, to be compared with: scored as one of them."""
    judge: int = 0
    """How often an instruct model is asked about each text, 0 (not at all) to 5; the embedded one cannot."""
    seed: int = 0
    """Of the judge."""
    similar: int = 0
    """How many tested headlines to show that are most like each text's first line, 0 to 10, where the server
    has the tests."""


class ScoredText(msgspec.Struct, frozen=True, kw_only=True):
    """One text with everything that is said of it."""

    number: int
    """Its place in the request, from 1; 0 is the control."""
    merit: float
    """The weighted sum of its scores that ordered it, after whether it passed."""
    copy: Variant
    left_out: tuple[Gap, ...] = ()
    """Rules that could not be run on it, and why."""
    similar: tuple[Tested, ...] = ()
    """Tested headlines like its first line, the most similar first, if asked for."""


class ScoreAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The texts, the best first."""

    brief: Brief
    """What they were held against; a product without a title is none."""
    texts: tuple[ScoredText, ...]
    control: ScoredText | None = None
    similar_missing: str = ""
    """Why there are no similar headlines although they were asked for."""
