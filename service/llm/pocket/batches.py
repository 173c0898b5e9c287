"""Training batches: a seeded stream cut into chunks, so that training can go on from any of them."""

import queue
import re
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import torch

from prompts.interests import ANYONE
from service.llm.pocket.corpus import Pair, draw_chunk
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.recipe import Recipe
from service.llm.pocket.sketch import Sketch, dump_fields, write_prompt

SHORT_CHANNELS = frozenset({"push", "sms", "banner"})
CURRICULUM_SHARE = 0.2
"""The first share of a training with a curriculum, which holds short channels only."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the data a training stands."""

    chunk: int = 0
    batch: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Right-padded samples, and which of their tokens count."""

    ids: torch.Tensor
    """int64[n, length]"""
    places: torch.Tensor
    """int64[m]: positions in the flattened `ids` whose next token is part of an answer."""
    targets: torch.Tensor
    """int64[m]: those next tokens."""
    weights: torch.Tensor
    """float32[m]"""
    after: Position
    """Where to go on after this batch."""


class _Sample(msgspec.Struct, frozen=True):
    ids: list[int]
    start: int
    weights: list[float]


def encode(tokenizer: Any, pairs: list[Pair], phrase_weight: float = 1.0) -> list[_Sample]:
    """Turn samples into tokens, and say what each token of an answer counts."""
    bos, user, assistant, end = tokenizer.convert_tokens_to_ids(
        ["<s>", "<|user|>", "<|assistant|>", "<|end|>"]
    )
    prompts: list[list[int]] = tokenizer([write_prompt(sketch) for sketch, _ in pairs])["input_ids"]
    texts = [dump_fields(fields) for _, fields in pairs]
    answers = tokenizer(texts, return_offsets_mapping=True)
    samples: list[_Sample] = []
    for number, (sketch, _) in enumerate(pairs):
        ids: list[int] = answers["input_ids"][number]
        weights = [1.0] * (len(ids) + 1)
        for place in _marked(sketch, texts[number], answers["offset_mapping"][number]):
            weights[place] = phrase_weight
        before = [bos, user, *prompts[number], assistant]
        samples.append(_Sample([*before, *ids, end], len(before), weights))
    return samples


def _marked(sketch: Sketch, text: str, offsets: list[tuple[int, int]]) -> Iterator[int]:
    """Yield the places of tokens that belong to a phrase of the interest or of the kind of product.

    These are what an answer may get wrong while every sentence of it reads well.
    """
    lexicon = load_lexicon()
    own = () if sketch.audience == ANYONE else lexicon.interests[sketch.audience].phrases
    phrases = sorted({*own, *lexicon.wares[sketch.kind].phrases}, key=len, reverse=True)
    spans = [match.span() for match in re.finditer("|".join(map(re.escape, phrases)), text.lower())]
    for place, (first, last) in enumerate(offsets):
        if any(first < end and last > start for start, end in spans):
            yield place


def collate(samples: list[_Sample], after: Position) -> Batch:
    """Put samples side by side, padded on the right."""
    length = max(len(sample.ids) for sample in samples)
    ids = torch.zeros(len(samples), length, dtype=torch.long)
    places: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        places += [row * length + place for place in range(sample.start - 1, len(sample.ids) - 1)]
        targets += sample.ids[sample.start :]
        weights += sample.weights
    return Batch(
        ids=ids,
        places=torch.tensor(places),
        targets=torch.tensor(targets),
        weights=torch.tensor(weights),
        after=after,
    )


def _chunk_batches(tokenizer: Any, recipe: Recipe, chunk: int, *, short: bool) -> list[Batch]:
    """Return one chunk's batches, sorted by length inside and shuffled among each other."""
    rng, pairs = draw_chunk(recipe.seed, chunk)
    if short:
        pairs = [pair for pair in pairs if pair[0].channel in SHORT_CHANNELS]
    samples = encode(tokenizer, pairs, recipe.phrase_weight)
    samples.sort(key=lambda sample: len(sample.ids))
    groups: list[list[_Sample]] = []
    while samples:
        longest = len(samples[min(16, len(samples) - 1)].ids)
        size = max(8, recipe.batch_tokens // longest)
        groups.append(samples[:size])
        samples = samples[size:]
    rng.shuffle(groups)
    last = len(groups) - 1
    return [
        collate(group, Position(chunk=chunk + (number == last), batch=0 if number == last else number + 1))
        for number, group in enumerate(groups)
    ]


def read_batches(tokenizer: Any, recipe: Recipe, position: Position) -> Iterator[Batch]:
    """Yield batches without end from a position in the data, made a few ahead in a thread."""
    ahead: queue.Queue[Batch] = queue.Queue(40)
    # A chunk of short channels holds half the samples, about 55 tokens each with padding.
    short_chunks = round(CURRICULUM_SHARE * recipe.tokens / 28_000) if recipe.curriculum else 0

    def fill() -> None:
        chunk, skip = position.chunk, position.batch
        while True:
            for batch in _chunk_batches(tokenizer, recipe, chunk, short=chunk < short_chunks)[skip:]:
                ahead.put(batch)
            chunk, skip = chunk + 1, 0

    threading.Thread(target=fill, daemon=True, name="pocket-batches").start()
    while True:
        yield ahead.get()
