"""OpenAI's chat completions as they go over the wire: what is sent, and answers read whole or as a stream."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import msgspec

from prompts.engine import Answer, Ask
from prompts.errors import EngineError

SHOWN_CHARACTERS = 200


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _Piece(msgspec.Struct):
    delta: _Message = msgspec.field(default_factory=_Message)
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    """One event of a streamed answer; the last one has no choice, but the usage."""

    choices: list[_Piece] = msgspec.field(default_factory=list[_Piece])
    usage: _Usage | None = None


def request_body(model: str, ask: Ask, *, constrains: bool, streamed: bool = False) -> dict[str, Any]:
    """Return the JSON of a request; with `constrains` the server holds the answer to the ask's schema."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in ask.messages],
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
        "seed": ask.seed,
    }
    # What is not asked for is the model's own affair; and not every server knows `min_p`.
    narrowed = {"top_p": ask.top_p, "min_p": ask.min_p}
    body |= {name: value for name, value in narrowed.items() if value is not None}
    if ask.json_schema and constrains:
        wanted = {"name": "copy", "strict": True, "schema": ask.json_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def read_answer(root: str, content: bytes, shown: str) -> Answer:
    """Read a whole completion; `shown` is how errors quote it. Raises `EngineError` for anything else."""
    try:
        completion = msgspec.json.decode(content, type=_Completion)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EngineError(
            f"the engine at {root} answers no chat completion ({error}): {shown}. "
            "Check that PITCHWRIGHT_ENGINE_URL names an OpenAI-compatible server"
        ) from error
    choice = completion.choices[0] if completion.choices else None
    if choice is None or choice.message.content is None:
        raise EngineError(f"the engine at {root} answers without a text: {shown}")
    return _answer(choice.message.content, choice.finish_reason, completion.usage or _Usage())


async def read_stream(root: str, lines: AsyncIterator[str], tell: Callable[[str], None]) -> Answer | None:
    """Read a stream of server-sent events to its end, telling each piece of text; none when it ended early.

    Raises `EngineError` for an event that is no piece of a completion.
    """
    text, reason, usage = "", None, _Usage()
    async for line in lines:
        kind, _, data = line.partition(":")
        if kind != "data" or data.strip() == "[DONE]":
            continue
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
        except (msgspec.DecodeError, RecursionError) as error:
            raise EngineError(
                f"the engine at {root} streams no chat completion ({error}): {cut(data)!r}"
            ) from error
        usage = chunk.usage or usage
        for piece in chunk.choices[:1]:
            reason = piece.finish_reason or reason
            if piece.delta.content:
                text += piece.delta.content
                tell(piece.delta.content)
    return None if reason is None else _answer(text, reason, usage)


def _answer(text: str, finish_reason: str | None, usage: _Usage) -> Answer:
    reason: Literal["stop", "length"] = "length" if finish_reason == "length" else "stop"
    return Answer(
        text=text,
        finish_reason=reason,
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )


def cut(text: str) -> str:
    """Return the beginning of a server's text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
