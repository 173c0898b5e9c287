"""The training corpus: an endless, seeded stream of sketches with their answers."""

import random

import msgspec

from prompts.variant import Fields
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.lexicon import REWRITE_TONES, REWRITES
from service.llm.pocket.sketch import Sketch, draw_sketch, dump_fields, texts_of, visible

REWRITE_SHARE = 0.08
"""How many samples ask for a rewrite of a draft."""

SHORTER = 0.85
"""A shorter text has at most this share of its draft's characters."""


def total_length(sketch: Sketch, fields: Fields) -> int:
    """Return the length of all fields together, filled."""
    sizes = {**sketch.sizes(), **sketch.lengths}
    return sum(visible(text, sizes) for text in texts_of(fields))


def draw_rewrite(rng: random.Random, sketch: Sketch, draft: Fields) -> tuple[Sketch, Fields] | None:
    """Ask for another wording of a draft; none when the grammar does not find one."""
    kinds = [kind for kind in REWRITES if REWRITE_TONES.get(kind) != sketch.tone]
    asked = msgspec.structs.replace(sketch, rewrite=rng.choice(kinds), draft=dump_fields(draft))
    fields = write_answer(rng, asked)
    if fields is None:
        return None
    if asked.rewrite == "shorter" and total_length(sketch, fields) > SHORTER * total_length(sketch, draft):
        return None
    return asked, fields


def draw_sample(
    rng: random.Random, *, held: bool = False, rewrites: float = REWRITE_SHARE
) -> tuple[Sketch, Fields]:
    """Draw a sketch with its answer; sketches that cannot be written are dropped."""
    while True:
        sketch = draw_sketch(rng, held=held)
        fields = write_answer(rng, sketch)
        if fields is None:
            continue
        if rng.random() >= rewrites:
            return sketch, fields
        pair = draw_rewrite(rng, sketch, fields)
        if pair is not None:
            return pair
