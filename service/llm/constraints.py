"""Constrained decoding: only tokens that can still become the JSON of an ask's schema may be drawn.

JSON is written as `json.dumps(fields, ensure_ascii=False)` writes it, on one line: that is how the pocket
model was taught, and one way of writing it leaves a model nothing to choose but the text.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask

from prompts.errors import EngineError
from service.llm.chat_tokens import ChatTokens

_torch: Any = torch

KEPT_SCHEMAS = 256
"""Of the embedded model there are some two hundred: six channels, and which slots a brief gives."""
SHOWN_CHARACTERS = 200


class Constraint:
    """What one row may still write. Not to be used by two rows, nor by two threads at a time."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def fill(self, address: int, size: int) -> None:
        """Write a bit per token, whether it may come next, into so many bytes of memory.

        Raises `EngineError` when the constraint is at a loss.
        """
        self._matcher.unsafe_compute_mask_ptr(address, size)
        self._check()

    def take(self, token: int) -> None:
        """Go on after a token, which the mask allowed; raises `EngineError` when it is at a loss."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise EngineError(f"constrained decoding failed: {_first_line(self._matcher)}")


class Constraints:
    """Makes constraints for a tokenizer, over scores of `vocabulary` tokens of which `ends` end an answer.

    The first constraint takes some hundredths of a second, each new schema some thousandths.
    """

    def __init__(self, tokens: ChatTokens, vocabulary: int, ends: Iterable[int]) -> None:
        self._tokens = tokens
        self._vocabulary = vocabulary
        self._ends = sorted(ends)
        self._tokenizer: LLTokenizer | None = None
        self._compiled = lru_cache(KEPT_SCHEMAS)(self._compile)

    def constrain(self, schema: dict[str, Any]) -> Constraint:
        """Begin an answer to a JSON schema, keys in its order.

        Raises `EngineError` for a schema that is none or that cannot be held to.
        """
        return Constraint(self._compiled(msgspec.json.encode(schema)).deep_copy())

    def _compile(self, schema: bytes) -> LLMatcher:
        if self._tokenizer is None:
            slices = LLTokenizer.json_slices()
            self._tokenizer = LLTokenizer(self._tokens.definition, self._vocabulary, self._ends, slices)
        grammar = LLMatcher.grammar_from_json_schema(
            schema.decode(),
            overrides={"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
        )
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            shown = schema.decode()
            shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}..."
            raise EngineError(
                f"no answer can be held to the JSON schema {shown} ({_first_line(matcher)}): "
                "correct the schema, or ask without one"
            )
        return matcher


def restrict(scores: Any, constraints: Sequence[Constraint | None]) -> None:
    """Set to minus infinity, in float32[rows, vocabulary], what a row's constraint forbids to come next.

    Raises `EngineError` when a constraint is at a loss.
    """
    bound = [(row, constraint) for row, constraint in enumerate(constraints) if constraint is not None]
    if not bound:
        return
    rows, vocabulary = scores.shape
    mask = allocate_token_bitmask(rows, vocabulary)
    # llguidance's own way of filling a row asks numpy for its address each time, which takes as long again.
    address, size = mask.ctypes.data, mask.strides[0]
    for row, constraint in bound:
        constraint.fill(address + row * size, size)
    bits = np.unpackbits(mask.view(np.uint8), axis=1, count=vocabulary, bitorder="little")
    scores.masked_fill_(_torch.from_numpy(bits) == 0, float("-inf"))


def _first_line(matcher: LLMatcher) -> str:
    return matcher.get_error().strip().partition("\n")[0]
