"""Writes the answer to a sketch by the forms over the lexicon: the pocket model's whole schooling."""

import random

from prompts.interests import ANYONE
from prompts.variant import Fields
from service.llm.pocket.forms import FORMS, ROOM
from service.llm.pocket.lexicon import Interest, key, load_lexicon
from service.llm.pocket.sketch import LINKED, Sketch, texts_of, visible
from service.llm.pocket.writer import Writer

ATTEMPTS, LOOSE = 24, 10
"""How often an answer is tried, and how often before its lines are to be short."""


def mentions(interest: Interest, text: str) -> bool:
    """Whether the text holds one of the interest's phrases."""
    low = text.lower()
    return any(phrase in low for phrase in interest.phrases)


def is_complete(sketch: Sketch, fields: Fields) -> bool:
    """Whether no text is empty or said twice, each fits, and product, offer, its end and link are there."""
    texts = texts_of(fields)
    text = " ".join(texts)
    facts = ("product", "offer", "ends", *(("link",) if sketch.channel in LINKED else ()))
    if not all(texts) or any(slot in sketch.lengths and f"{{{{{slot}}}}}" not in text for slot in facts):
        return False
    if len({key(text) for text in texts}) < len(texts) or text.count("{{product}}") > _most(sketch):
        return False
    room, sizes = ROOM[sketch.channel], sketch.sizes()
    return all(
        visible(entry, sizes) <= room.get(name, 999)
        for name, value in fields.items()
        for entry in ([value] if isinstance(value, str) else value)
    )


def _most(sketch: Sketch) -> int:
    """Return how often a product may be named before it reads like a drum."""
    return 2 if sketch.channel in {"email", "search", "banner", "push"} else 1


def lacking(sketch: Sketch, fields: Fields, *, staged: bool) -> int:
    """Count what an answer lacks that a brief asks for: benefits, the audience, the stage, a greeting."""
    text = " ".join(texts_of(fields))
    missing = sum(f"{{{{{benefit}}}}}" not in text for benefit in sketch.benefits())
    if sketch.audience != ANYONE:
        missing += 3 * (not mentions(load_lexicon().interests[sketch.audience], text))
    missing += sketch.stage is not None and not staged
    return missing + (sketch.name and "{{first_name}}" not in text)


def write_answer(rng: random.Random, sketch: Sketch, *, attempts: int = ATTEMPTS) -> Fields | None:
    """Return an answer that lacks nothing, or the one that lacks least; none when nothing fits at all."""
    lexicon, best, least = load_lexicon(), None, 99
    for attempt in range(attempts):
        writer = Writer(rng, sketch, lexicon, tight=attempt >= LOOSE)
        fields = FORMS[sketch.channel](writer)
        if not is_complete(sketch, fields):
            continue
        missing = lacking(sketch, fields, staged=writer.staged)
        if missing == 0:
            return fields
        if missing < least:
            best, least = fields, missing
    return best
