"""A brief as the pocket model sees it: closed choices, and each fact as a slot with its length."""

import json
import random
import re
import zlib
from collections.abc import Mapping

import msgspec

from prompts.brief import Brief
from prompts.interests import ANYONE, INTERESTS
from prompts.kinds import KINDS, UNKNOWN, belongs
from prompts.slots import fact_slots, has_room, hint
from service.llm.pocket.lexicon import TONES
from service.llm.pocket.phrase_rules import GOALS, STAGES

CHANNELS = ("search", "email", "push", "sms", "social", "banner")
CHANNEL_WEIGHTS = (4, 4, 5, 8, 4, 6)
"""How often training draws each channel: short texts oftener, since each teaches little."""
PERSONAL = frozenset({"email", "push", "sms"})
"""Channels that reach one reader, who can be greeted by name."""
LINKED = frozenset({"sms", "social"})
"""Channels without a button, where a given link stands in the text."""
PUBLIC = frozenset({"social"})
"""Channels read by many, who do not stand in one place: no stage there."""

LIMITS: Mapping[str, Mapping[str, int]] = {
    "search": {"headlines": 30, "descriptions": 90},
    "email": {"subject": 60, "preheader": 100, "body": 700, "cta": 25},
    "push": {"title": 50, "body": 178},
    "sms": {"text": 160},
    "social": {"text": 280},
    "banner": {"headline": 40, "body": 90, "cta": 25},
}
"""Characters a filled field may have; the grammar keeps to fewer, see `forms.ROOM`."""

FIRST_NAME_LENGTH = 12
"""A name's assumed length: a merge tag is filled per reader, long after writing."""
POSTED_LINK = 23
"""What a post counts for a link of any length."""

# Lengths drawn for training, in characters: shortest, most frequent, longest.
DRAWN = {
    "product": (5, 22, 50),
    "benefit": (8, 20, 50),
    "offer": (5, 13, 50),
    "ends": (5, 9, 24),
    "link": (14, 26, 64),
}
LONG_PRODUCTS = 0.12
"""The share of products whose title is drawn evenly between 40 and 90 characters."""

GOAL_WEIGHTS = {"shop": 8, "learn": 4, "join": 2, "book": 2, "claim": 3}
PAIRED = 0.4
"""The share of sketches whose product belongs to the audience's interest, beyond those that do by chance."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")

HELD_OUT_IN = 10
PAIRS_HELD_OUT_IN = 20


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is told. `lengths` holds the slots that are given, in characters when filled."""

    channel: str
    tone: str
    goal: str
    kind: str
    """One of the kinds of products, or `goods`."""
    audience: str
    """One of the interests, or `anyone`."""
    stage: str | None = None
    name: bool = False
    lengths: dict[str, int]
    rewrite: str | None = None
    draft: str = ""
    """The text to rewrite, as compact JSON with slots."""

    @property
    def belongs(self) -> bool:
        """Whether such a product is a part of the audience's interest."""
        return belongs(self.kind, self.audience)

    def sizes(self) -> dict[str, int]:
        """Return each slot's length as the model knows it: rounded up to its hint."""
        sizes = {slot: hint(slot, "x" * length) for slot, length in self.lengths.items()}
        if self.channel == "social" and "link" in sizes:
            sizes["link"] = POSTED_LINK
        return {**sizes, "first_name": FIRST_NAME_LENGTH}

    def benefits(self) -> list[str]:
        """Return the names of the given benefit slots."""
        return [slot for slot in self.lengths if slot.startswith("benefit")]


def sketch_of(brief: Brief) -> Sketch:
    """Return what the corpus would hold of a brief that asks for no rewrite."""
    return Sketch(
        channel=brief.channel,
        tone=brief.tone,
        goal=brief.goal,
        kind=brief.product.kind or UNKNOWN,
        audience=brief.audience.interest or ANYONE,
        stage=None if brief.channel in PUBLIC else brief.audience.stage,
        name=brief.personalise and brief.channel in PERSONAL,
        lengths={slot: len(value) for slot, value in fact_slots(brief).items()},
    )


def write_prompt(sketch: Sketch) -> str:
    """Return the prompt's text. The templates `<channel>/pocket.v2.md.j2` render the same from a brief."""

    def slot(name: str) -> str:
        if name not in sketch.lengths:
            return "none"
        return f"{{{{{name}}}}} ({hint(name, 'x' * sketch.lengths[name])})"

    lines = [
        f"channel: {sketch.channel}",
        f"tone: {sketch.tone}",
        f"goal: {sketch.goal}",
        f"stage: {sketch.stage or 'any'}",
        f"name: {'yes' if sketch.name else 'no'}",
        f"product: {slot('product')}",
        f"kind: {sketch.kind}",
        "benefits: " + (" ".join(slot(name) for name in sketch.benefits()) or "none"),
        f"offer: {slot('offer')}",
        f"ends: {slot('ends')}",
        f"link: {slot('link')}",
    ]
    if sketch.rewrite:
        lines += [f"rewrite: {sketch.rewrite}", f"draft: {sketch.draft}"]
    lines.append(f"belongs: {'yes' if sketch.belongs else 'no'}")
    return "\n".join([*lines, f"audience: {sketch.audience}"])


def held_out(channel: str, tone: str, kind: str, audience: str) -> bool:
    """Whether training never sees this: a tenth of all channels with tone and interest, and a twentieth of
    all kinds of products with an interest.
    """
    combination = zlib.crc32(f"{channel}|{tone}|{audience}".encode()) % HELD_OUT_IN == 0
    return combination or (
        audience != ANYONE and zlib.crc32(f"{kind}|{audience}".encode()) % PAIRS_HELD_OUT_IN == 0
    )


def draw_length(rng: random.Random, kind: str) -> int:
    """Draw how long a fact is, in characters."""
    if kind == "product" and rng.random() < LONG_PRODUCTS:
        return rng.randint(40, 90)
    shortest, usual, longest = DRAWN[kind]
    return round(rng.triangular(shortest, longest, usual))


def _draw_subject(rng: random.Random) -> tuple[str, str]:
    """Draw what is advertised to whom: kind and audience."""
    audience = ANYONE if rng.random() < 0.16 else rng.choice(tuple(INTERESTS))
    own = [kind for kind in KINDS if belongs(kind, audience)]
    if own and rng.random() < PAIRED:
        return rng.choice(own), audience
    return (UNKNOWN if rng.random() < 0.1 else rng.choice(tuple(KINDS))), audience


def draw_sketch(rng: random.Random, *, held: bool = False) -> Sketch:
    """Draw what could be asked; with `held`, from the combinations kept out of training."""
    while True:
        channel = rng.choice(CHANNELS) if held else rng.choices(CHANNELS, CHANNEL_WEIGHTS)[0]
        tone = rng.choice(TONES)
        kind, audience = _draw_subject(rng)
        if held_out(channel, tone, kind, audience) == held:
            break
    lengths = {"product": draw_length(rng, "product")}
    if rng.random() < 0.7:
        lengths["offer"] = draw_length(rng, "offer")
        if rng.random() < 0.5:
            lengths["ends"] = draw_length(rng, "ends")
    if rng.random() < (0.55 if channel in LINKED else 0.5):
        lengths["link"] = draw_length(rng, "link")
    for _ in range(rng.choice((0, 1, 1, 2, 2))):
        drawn = draw_length(rng, "benefit")
        if has_room(channel, lengths, drawn):
            lengths[f"benefit_{sum(map(_is_benefit, lengths)) + 1}"] = drawn
    goals = [goal for goal in GOALS if goal != "claim" or "offer" in lengths]
    staged = channel not in PUBLIC and rng.random() < 0.45
    return Sketch(
        channel=channel,
        tone=tone,
        goal=rng.choices(goals, [GOAL_WEIGHTS[goal] for goal in goals])[0],
        kind=kind,
        audience=audience,
        stage=rng.choice(STAGES) if staged else None,
        name=channel in PERSONAL and rng.random() < 0.35,
        lengths=lengths,
    )


def _is_benefit(slot: str) -> bool:
    return slot.startswith("benefit")


def visible(text: str, sizes: Mapping[str, int]) -> int:
    """Return a text's length once its slots are filled with values of these sizes."""
    slots = _SLOT.findall(text)
    return len(text) + sum(sizes[slot] - len(slot) - 4 for slot in slots if slot in sizes)


def dump_fields(fields: Mapping[str, str | list[str]]) -> str:
    """Return fields as the one-line JSON the model writes."""
    return json.dumps(fields, ensure_ascii=False)


def texts_of(fields: Mapping[str, str | list[str]]) -> list[str]:
    """Return every text of a set of fields, in order."""
    return [text for value in fields.values() for text in (value if isinstance(value, list) else [value])]
