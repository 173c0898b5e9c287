"""A stand-in for an engine on a GPU machine elsewhere: chat completions at a fixed number of tokens a second.

All answers under way share the rate evenly, as a server that batches does; answers are recorded ones, given
by prompt and seed. With `slots` it writes so many at a time, each at its part of the rate and no faster: a
request alone then gets what one row of a server's batch gets, not the whole machine, and what is more than
the slots waits in line, first come first served. It runs in a process of its own and costs next to nothing:
what is measured stands before it.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from prompts.engine import Ask

TICK_SECONDS = 0.004
MODEL = "paced"

_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Receive = Callable[[], Awaitable[dict[str, Any]]]


class Recorded(msgspec.Struct, frozen=True):
    """An answer, and how many tokens it is."""

    text: str
    tokens: int


def prompt_key(messages: Sequence[Mapping[str, str]]) -> str:
    """Name a prompt by its messages."""
    told = json.dumps([[message["role"], message["content"]] for message in messages])
    return hashlib.sha256(told.encode()).hexdigest()


def ask_key(ask: Ask) -> str:
    """Name an ask's prompt as it is named when it comes over the wire."""
    return prompt_key([{"role": message.role, "content": message.content} for message in ask.messages])


def save_answers(path: Path, answers: Mapping[str, Mapping[int, Recorded]]) -> None:
    """Write recorded answers, by prompt and seed, for `app`."""
    path.write_bytes(msgspec.json.encode(answers))


class Pace:
    """Shares a fixed rate among all answers under way, or among slots."""

    def __init__(self, tokens_per_second: float, slots: int | None = None) -> None:
        self.rate = tokens_per_second
        self._slots = slots
        self._left: dict[asyncio.Future[None], float] = {}
        self._ticking: asyncio.Task[None] | None = None
        self.generated = 0
        """Tokens of answers that are done."""
        self.prompts = 0

    async def write(self, tokens: int) -> None:
        """Return when so many tokens have been written."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left[done] = float(tokens)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        try:
            await done
        finally:
            self._left.pop(done, None)
        self.generated += tokens

    async def _tick(self) -> None:
        before = time.perf_counter()
        while self._left:
            await asyncio.sleep(TICK_SECONDS)
            now = time.perf_counter()
            tokens = (now - before) * self.rate
            if self._slots is None:
                self._share(tokens)
            else:
                self._fill_slots(tokens / self._slots, self._slots)
            before = now
            for done in [done for done, left in self._left.items() if left <= 1e-9]:
                del self._left[done]
                done.set_result(None)

    def _share(self, tokens: float) -> None:
        """Give each answer its part; what one does not need goes to the others."""
        for place, (done, left) in enumerate(sorted(self._left.items(), key=lambda entry: entry[1])):
            part = min(left, tokens / (len(self._left) - place))
            tokens -= part
            self._left[done] = left - part

    def _fill_slots(self, tokens: float, slots: int) -> None:
        """Give each slot its part; what its answer does not need goes to the next in line."""
        under_way = list(self._left)
        waiting = iter(under_way[slots:])
        for first in under_way[:slots]:
            room, done = tokens, first
            while done is not None:
                part = min(self._left[done], room)
                self._left[done] -= part
                room -= part
                done = next(waiting, None) if room > 0 else None


class PacedApp:
    """The ASGI application."""

    def __init__(self, answers: Path, tokens_per_second: float, slots: int | None = None) -> None:
        read = msgspec.json.decode(answers.read_bytes(), type=dict[str, dict[int, Recorded]])
        self._answers = read
        every = [answer for by_seed in read.values() for answer in by_seed.values()]
        self._any = every[0]
        self._by_form = dict[frozenset[str], list[Recorded]]()
        for answer in every:
            self._by_form.setdefault(_form(answer.text), []).append(answer)
        self._pace = Pace(tokens_per_second, slots)

    async def __call__(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/v1/chat/completions":
            await _reply(send, await self._complete(json.loads(await _body(receive))))
        elif path == "/rate":
            self._pace.rate = float(await _body(receive))
            await _reply(send, {})
        elif path == "/v1/models":
            await _reply(send, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == "/metrics":
            await _reply(send, f"vllm:generation_tokens_total{{}} {self._pace.generated}\n")
        else:
            await _reply(send, {}, 200 if path == "/health" else 404)

    async def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        known = self._answers.get(prompt_key(body["messages"]), {})
        answer = known.get(body["seed"]) or next(iter(known.values()), None) or self._alike(body)
        await self._pace.write(answer.tokens)
        message = {"role": "assistant", "content": answer.text}
        return {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 0, "completion_tokens": answer.tokens},
        }

    def _alike(self, body: Mapping[str, Any]) -> Recorded:
        """Answer a prompt that was not recorded, in the fields it asks for where an answer has them."""
        wanted: dict[str, Any] = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        form = frozenset(wanted.get("properties", ()))
        alike = self._by_form.get(form, []) if form else []
        seed: int = body["seed"]
        return alike[seed % len(alike)] if alike else self._any


def _form(text: str) -> frozenset[str]:
    """Name the fields of an answer; none where it is no JSON object."""
    try:
        return frozenset(msgspec.json.decode(text, type=dict[str, Any]))
    except msgspec.DecodeError:
        return frozenset()


async def _body(receive: _Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _reply(send: _Send, value: object, status: int = 200) -> None:
    plain = isinstance(value, str)
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    kind = b"text/plain" if plain else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(answers: Path, tokens_per_second: float, port: int, slots: int | None = None) -> None:
    """Serve until a signal ends it."""
    from functools import partial

    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    server = Server(
        "service.benchmarks.paced:PacedApp",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=partial(PacedApp, answers, tokens_per_second, slots), wrap_loader=False)


if __name__ == "__main__":
    import sys

    serve(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), *map(int, sys.argv[4:]))
