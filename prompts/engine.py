"""The one port to whatever turns chat messages into text. Adapters live in `service/llm/`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

Dialect = Literal["full", "pocket"]
"""Which wording of a prompt the engine reads: facts spelled out, or fact slots with length hints."""

Role = Literal["system", "user", "assistant"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One chat message."""

    role: Role
    content: str


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a brief's provenance records of an engine, and what decides which prompt it gets."""

    name: str
    """The adapter, e.g. `transformers` or `openai`."""
    model: str
    """The model, with its digest where one is known, e.g. `pocket@3fa9c1d2`."""
    dialect: Dialect = "full"
    languages: tuple[str, ...] | None = None
    """Language tags it was trained on; none when it is not restricted."""
    note: str = ""
    """What whoever reads its copy must know of the model; provenance repeats it."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One generation: messages in, one text out. The seed alone decides the sampling of this ask, or for the
    variants of a draft theirs together, whatever else is in the batch.
    """

    messages: tuple[Message, ...]
    json_schema: dict[str, Any] | None = None
    """The channel's output schema; engines that can constrain decoding to it do so."""
    max_tokens: int = 400
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float | None = None
    """Draw from the likeliest tokens that together reach it; none leaves it to the model's own settings."""
    min_p: float | None = None
    """Draw no token that is less than this many times as likely as the likeliest; none as above."""
    seed: int = 0
    draft: str | None = None
    """Asks of one call that share it are variants of one draft: an engine that can has each say what the
    others do not. Others, and greedy asks, are answered as if each came alone.
    """


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine said, with its cost."""

    text: str
    finish_reason: Literal["stop", "length"] = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    slips: tuple[str, ...] = ()
    """Words and runs of marks in it that the engine was never taught; none if it writes freely."""


OnText = Callable[[int, str], None]
"""Called in the event loop with an ask's place and the next piece of its text, as it is written."""


class Engine(Protocol):
    """Turns chat messages into text.

    `generate` answers asks in their order, one answer each. With `on_text` the text is also told while it is
    written: the pieces of an ask, joined, are the text of its answer. It raises `EngineUnavailable`,
    `EngineTimeout` or `EngineOverloaded` from `prompts.errors`; it never blocks the event loop and ends its
    work when cancelled.
    """

    @property
    def info(self) -> EngineInfo: ...

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]: ...

    async def healthy(self) -> bool: ...

    async def close(self) -> None: ...
