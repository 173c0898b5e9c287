"""Channels as data: their fields and every limit, each dated and with its source.

A **hard** limit is one the medium refuses or cuts at; copy over it never passes. A **soft** limit is the
field's practice: what is shown before a device shortens it, or what fits one message part. Copy over it
passes with a warning, after the copywriter has spent its remaining attempts on a shorter one.
How a limit counts is its `counting`; see `prompts.counting`.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from prompts.errors import BriefError

Value = TypeVar("Value")

Counting = Literal["characters", "bytes", "sms", "weighted"]
"""`characters` are grapheme clusters; `bytes` UTF-8 octets; `sms` septets of one GSM message, where UCS-2
text costs 16/7 each; `weighted` as X counts (a URL 23, emoji and CJK 2)."""

CHECKED_ON = "2026-11-22"

_GOOGLE = "developers.google.com/google-ads/api/docs/responsive-search-ads/create-responsive-search-ads"
_GOOGLE_90 = (
    "coreyhaines31/marketingskills, platform-specs.md (third party; the official page names the count)"
)
_SUBJECT = "typecount.com/blog/email-subject-line-length (third party)"
_PUSH = "mojicnt.click/en/blog/notification-text-design.html (third party)"
_X = "docs.x.com/fundamentals/counting-characters"
_TWILIO = "twilio.com/docs/glossary/what-sms-character-limit"
_HOUSE = "house practice"


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """The most a field may hold, in the unit of its counting."""

    value: int
    kind: Literal["hard", "soft"]
    source: str
    counting: Counting = "characters"
    checked_on: str = CHECKED_ON


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a channel: a text, or a list of texts when `items` gives the least and the most."""

    name: str
    about: str
    """What a good one does, for the prompt."""
    limits: tuple[Limit, ...]
    items: tuple[int, int] | None = None
    unique: bool = False
    """Whether the medium refuses a list that repeats a text."""
    multiline: bool = False
    tag: bool = False
    """Whether each text is a hashtag."""

    @property
    def target(self) -> Limit:
        """The tightest limit: what a writer should aim for."""
        return min(self.limits, key=lambda limit: limit.value)


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A medium with its fields, in the order in which they are written."""

    name: str
    title: str
    fields: tuple[Field, ...]
    personal: bool
    """Whether copy reaches one known profile, so that merge tags can be filled."""
    shows_link: bool
    """Whether the link stands in the text itself rather than behind a button."""
    max_tokens: int
    """Room for one answer."""

    def field(self, name: str) -> Field:
        """Find the field of this name; `KeyError` when the channel has none."""
        return {field.name: field for field in self.fields}[name]

    def ordered(self, copy: Mapping[str, Value]) -> dict[str, Value]:
        """Put values by field into the channel's order; names it does not have stay, at the end."""
        known = [field.name for field in self.fields if field.name in copy]
        return {name: copy[name] for name in dict.fromkeys((*known, *copy))}


def _hard(value: int, source: str, counting: Counting = "characters") -> Limit:
    return Limit(value=value, kind="hard", source=source, counting=counting)


def _soft(value: int, source: str, counting: Counting = "characters") -> Limit:
    return Limit(value=value, kind="soft", source=source, counting=counting)


_CTA = "two to four words that name the action"

CHANNELS: Mapping[str, Channel] = {
    channel.name: channel
    for channel in (
        Channel(
            name="email",
            title="e-mail",
            personal=True,
            shows_link=False,
            max_tokens=600,
            fields=(
                Field(
                    name="subject",
                    about="the one reason to open, the strongest word first",
                    limits=(_soft(60, _SUBJECT), _hard(998, "RFC 5322, section 2.1.1", "bytes")),
                ),
                Field(
                    name="preheader",
                    about="adds a second reason; never repeats the subject",
                    limits=(_soft(100, _SUBJECT),),
                ),
                Field(
                    name="body",
                    about="two to four short paragraphs, separated by a blank line: why now, what it does for"
                    " this reader, the offer, one step to take",
                    limits=(_soft(700, _HOUSE),),
                    multiline=True,
                ),
                Field(name="cta", about=_CTA, limits=(_soft(25, _HOUSE),)),
            ),
        ),
        Channel(
            name="push",
            title="push notification",
            personal=True,
            shows_link=False,
            max_tokens=250,
            fields=(
                Field(
                    name="title",
                    about="readable at a glance on a lock screen",
                    limits=(_soft(50, _PUSH), _hard(4000, _PUSH, "bytes")),
                ),
                Field(
                    name="body",
                    about="one or two sentences that finish what the title starts",
                    limits=(_soft(178, _PUSH), _hard(4000, _PUSH, "bytes")),
                ),
            ),
        ),
        Channel(
            name="sms",
            title="SMS",
            personal=True,
            shows_link=True,
            max_tokens=250,
            fields=(
                Field(
                    name="text",
                    about="one message part: plain letters without emoji or curly quotes, the link last",
                    limits=(_soft(160, _TWILIO, "sms"), _hard(1600, _TWILIO)),
                    multiline=True,
                ),
            ),
        ),
        Channel(
            name="search",
            title="responsive search ad",
            personal=False,
            shows_link=False,
            max_tokens=800,
            fields=(
                Field(
                    name="headlines",
                    about="each stands alone and pairs with any other: the product, the benefit, the offer,"
                    " the reader's search",
                    limits=(_hard(30, _GOOGLE),),
                    items=(3, 15),
                    unique=True,
                ),
                Field(
                    name="descriptions",
                    about="one full sentence or two, each with another reason",
                    limits=(_hard(90, _GOOGLE_90),),
                    items=(2, 4),
                    unique=True,
                ),
            ),
        ),
        Channel(
            name="social",
            title="social post",
            personal=False,
            shows_link=True,
            max_tokens=300,
            fields=(
                Field(
                    name="text",
                    about="opens with something worth stopping for; reads like a person, not a banner",
                    limits=(_hard(280, _X, "weighted"),),
                    multiline=True,
                ),
                Field(
                    name="hashtags",
                    about="`#` and one word or joined words; few and specific",
                    limits=(_soft(40, _HOUSE),),
                    items=(0, 5),
                    unique=True,
                    tag=True,
                ),
            ),
        ),
        Channel(
            name="banner",
            title="display banner",
            personal=False,
            shows_link=False,
            max_tokens=250,
            fields=(
                Field(
                    name="headline",
                    about="legible in one second",
                    limits=(_hard(40, f"{_HOUSE}: the room of a 300 x 250 banner"),),
                ),
                Field(
                    name="body",
                    about="one line that earns the click",
                    limits=(_hard(90, f"{_HOUSE}: the room of a 300 x 250 banner"),),
                ),
                Field(name="cta", about=_CTA, limits=(_hard(25, f"{_HOUSE}: the room of a button"),)),
            ),
        ),
    )
}

PLAIN = Channel(
    name="text",
    title="plain text",
    personal=True,
    shows_link=False,
    max_tokens=0,
    fields=(
        Field(name="text", about="a text of no channel", limits=(_hard(20_000, _HOUSE),), multiline=True),
    ),
)
"""A text that a person brings without saying where it will be read. Nothing is written for it."""


def find_channel(name: str) -> Channel:
    """Find the channel of this name; raises `BriefError` naming the known ones."""
    if name not in CHANNELS:
        raise BriefError(f"unknown channel {name[:80]!r}: choose one of {', '.join(CHANNELS)}")
    return CHANNELS[name]


def channel_read(name: str) -> Channel:
    """Find what copy may be read as: a channel, or `PLAIN`. Raises as `find_channel`."""
    return PLAIN if name == PLAIN.name else find_channel(name)
