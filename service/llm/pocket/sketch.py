"""A brief as the pocket model sees it: closed choices, and each fact as a slot with its length."""

import json
import random
import re
import zlib
from collections.abc import Mapping

import msgspec

from prompts.interests import ANYONE, INTERESTS
from prompts.slots import hint
from service.llm.pocket.lexicon import GOALS, STAGES, TONES

CHANNELS = ("search", "email", "push", "sms", "social", "banner")
PERSONAL = frozenset({"email", "push", "sms"})
"""Channels that reach one reader, who can be greeted by name."""
LINKED = frozenset({"sms", "social"})
"""Channels without a button, where a given link stands in the text."""

LIMITS: Mapping[str, Mapping[str, int]] = {
    "search": {"headlines": 30, "descriptions": 90},
    "email": {"subject": 60, "preheader": 100, "body": 700, "cta": 25},
    "push": {"title": 50, "body": 178},
    "sms": {"text": 160},
    "social": {"text": 280},
    "banner": {"headline": 40, "body": 90, "cta": 25},
}
"""Characters a filled field may have; the grammar keeps to fewer, see `grammar.ROOM`."""

FIRST_NAME_LENGTH = 12
"""A name's assumed length: a merge tag is filled per reader, long after writing."""

# Lengths drawn for training, in characters: shortest, most frequent, longest.
DRAWN = {
    "product": (6, 20, 60),
    "benefit": (8, 19, 40),
    "offer": (5, 13, 40),
    "ends": (5, 9, 24),
    "link": (14, 26, 48),
}

HELD_OUT_IN = 10


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is told. `lengths` holds the slots that are given, in characters when filled."""

    channel: str
    tone: str
    goal: str
    audience: str
    """One of the interests, or `anyone`."""
    stage: str | None = None
    name: bool = False
    lengths: dict[str, int]
    rewrite: str | None = None
    draft: str = ""
    """The text to rewrite, as compact JSON with slots."""

    def sizes(self) -> dict[str, int]:
        """Return each slot's length as the model knows it: rounded up to its hint."""
        sizes = {slot: hint(slot, "x" * length) for slot, length in self.lengths.items()}
        return {**sizes, "first_name": FIRST_NAME_LENGTH}

    def benefits(self) -> list[str]:
        """Return the names of the given benefit slots."""
        return [slot for slot in self.lengths if slot.startswith("benefit")]


def write_prompt(sketch: Sketch) -> str:
    """Return the prompt's text. The templates `<channel>/pocket.v1.md.j2` render the same from a brief."""

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
        "benefits: " + (" ".join(slot(name) for name in sketch.benefits()) or "none"),
        f"offer: {slot('offer')}",
        f"ends: {slot('ends')}",
        f"link: {slot('link')}",
    ]
    if sketch.rewrite:
        lines += [f"rewrite: {sketch.rewrite}", f"draft: {sketch.draft}"]
    return "\n".join([*lines, f"audience: {sketch.audience}"])


def held_out(channel: str, tone: str, audience: str) -> bool:
    """Whether training never sees this combination; about one in ten."""
    return zlib.crc32(f"{channel}|{tone}|{audience}".encode()) % HELD_OUT_IN == 0


def draw_length(rng: random.Random, kind: str) -> int:
    """Draw how long a fact is, in characters."""
    shortest, usual, longest = DRAWN[kind]
    return round(rng.triangular(shortest, longest, usual))


def draw_sketch(rng: random.Random, *, held: bool = False) -> Sketch:
    """Draw what could be asked; with `held`, from the combinations kept out of training."""
    while True:
        channel, tone = rng.choice(CHANNELS), rng.choice(TONES)
        audience = ANYONE if rng.random() < 0.12 else rng.choice(tuple(INTERESTS))
        if held_out(channel, tone, audience) == held:
            break
    lengths = {"product": draw_length(rng, "product")}
    for number in range(rng.choice((0, 1, 1, 2, 2))):
        lengths[f"benefit_{number + 1}"] = draw_length(rng, "benefit")
    if rng.random() < 0.7:
        lengths["offer"] = draw_length(rng, "offer")
        if rng.random() < 0.5:
            lengths["ends"] = draw_length(rng, "ends")
    if rng.random() < (0.75 if channel in LINKED else 0.5):
        lengths["link"] = draw_length(rng, "link")
    return Sketch(
        channel=channel,
        tone=tone,
        goal=rng.choice(GOALS if "offer" in lengths else GOALS[:-1]),
        audience=audience,
        stage=rng.choice(STAGES) if rng.random() < 0.35 else None,
        name=channel in PERSONAL and rng.random() < 0.4,
        lengths=lengths,
    )


def visible(text: str, sizes: Mapping[str, int]) -> int:
    """Return a text's length once its slots are filled with values of these sizes."""
    return sum(
        sizes.get(part[2:-2], len(part)) if part.startswith("{{") else len(part)
        for part in re.split(r"(\{\{\w+\}\})", text)
    )


def dump_fields(fields: Mapping[str, str | list[str]]) -> str:
    """Return fields as the one-line JSON the model writes."""
    return json.dumps(fields, ensure_ascii=False)


def texts_of(fields: Mapping[str, str | list[str]]) -> list[str]:
    """Return every text of a set of fields, in order."""
    return [text for value in fields.values() for text in (value if isinstance(value, list) else [value])]
