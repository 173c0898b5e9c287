"""The training corpus: an endless, seeded stream of sketches with their answers, in chunks."""

import random
from collections.abc import Iterator

import msgspec

from prompts.variant import Fields
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.lexicon import REWRITES
from service.llm.pocket.sketch import Sketch, draw_sketch, dump_fields, texts_of, visible

CHUNK_SAMPLES = 1024

REWRITE_SHARE = 0.12
"""How many samples ask for a rewrite of a draft."""

SHORTER = 0.85
"""A shorter text has at most this share of its draft's characters."""

Pair = tuple[Sketch, Fields]


def total_length(sketch: Sketch, fields: Fields) -> int:
    """Return the length of all fields together, filled."""
    sizes = {**sketch.sizes(), **sketch.lengths}
    return sum(visible(text, sizes) for text in texts_of(fields))


def draw_rewrite(rng: random.Random, sketch: Sketch, draft: Fields) -> Pair | None:
    """Ask for another wording of a draft; none when the grammar does not find one."""
    asked = msgspec.structs.replace(sketch, rewrite=rng.choice(REWRITES), draft=dump_fields(draft))
    fields = write_answer(rng, asked)
    if fields is None or fields == draft:
        return None
    if asked.rewrite == "shorter" and total_length(sketch, fields) > SHORTER * total_length(sketch, draft):
        return None
    return asked, fields


def draw_sample(rng: random.Random, *, held: bool = False, rewrites: float = REWRITE_SHARE) -> Pair:
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


def draw_chunk(seed: int, chunk: int) -> tuple[random.Random, list[Pair]]:
    """Draw one chunk of the stream a seed decides, and the source of chance for what is done with it."""
    rng = random.Random(f"{seed}:{chunk}")  # noqa: S311  a seeded stream, nothing secret
    return rng, [draw_sample(rng) for _ in range(CHUNK_SAMPLES)]


def read_stream(seed: int, chunks: int) -> Iterator[Pair]:
    """Yield what a training with this seed saw in its first `chunks` chunks."""
    for chunk in range(chunks):
        yield from draw_chunk(seed, chunk)[1]
