"""The exact stream a model was trained on, drawn again: what it held, and what it must not have held."""

import hashlib
import re
from collections.abc import Iterator

import msgspec

from prompts.variant import Fields
from service.llm.pocket.corpus import Pair, read_stream
from service.llm.pocket.held_out import load_facts
from service.llm.pocket.sketch import dump_fields, held_out
from service.llm.pocket.training import Progress

KEPT_PAIRS = 40_000
"""Samples kept, from the first on: what classifiers learn from."""

_END = re.compile(r"(?<=[.!?])\s+|\n+")


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What one training saw."""

    samples: int
    sentences: frozenset[str]
    """Every distinct sentence of its answers, slots and all."""
    pairs: tuple[Pair, ...]
    """The first samples."""
    leaks: tuple[str, ...]
    """Held-out combinations and facts found in it: there must be none."""
    digest: str
    """sha256 over prompts' choices and answers, in order, hex."""


def sentences_of(fields: Fields) -> Iterator[str]:
    """Yield the sentences of every text but hashtags and greetings."""
    for name, value in fields.items():
        if name == "hashtags":
            continue
        for text in [value] if isinstance(value, str) else value:
            yield from (part for part in _END.split(text) if part and not part.endswith(","))


def draw_stream(progress: Progress) -> Stream:
    """Draw again what a training saw, from its seed, and look through it for what it must not hold."""
    total, sentences, pairs, leaks = hashlib.sha256(), set[str](), list[Pair](), list[str]()
    samples = 0
    # The chunk it stood in when it ended was seen in part, and is counted whole.
    for sketch, fields in read_stream(progress.recipe.seed, progress.position.chunk + 1):
        samples += 1
        total.update(f"{sketch}\0{dump_fields(fields)}\0".encode())
        sentences.update(sentences_of(fields))
        if len(pairs) < KEPT_PAIRS:
            pairs.append((sketch, fields))
        if held_out(sketch.channel, sketch.tone, sketch.kind, sketch.audience):
            leaks.append(f"{sketch.channel}, {sketch.tone}, {sketch.kind}, {sketch.audience}")
    said = "\n".join(sentences).lower()
    leaks += [fact for fact in load_facts().strings() if re.search(rf"\b{re.escape(fact.lower())}\b", said)]
    return Stream(
        samples=samples,
        sentences=frozenset(sentences),
        pairs=tuple(pairs),
        leaks=tuple(leaks),
        digest=total.hexdigest(),
    )
