"""A real HTTP server on 127.0.0.1 that speaks OpenAI's chat completions, for an engine or by a script."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import msgspec

from prompts.engine import Ask, Engine, Message
from prompts.errors import EngineError

_T = TypeVar("_T")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answers: a status, headers and a body, whole or by pieces, or a broken connection."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    pieces: AsyncGenerator[bytes] | None = None
    """Sent as they come, in chunks; a `ConnectionError` among them breaks the connection."""
    broken: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes = b""
    """The body as it came over the wire."""


Handler = Callable[[Request], Awaitable[Reply]]


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    pairs = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Reply(status=status, body=json.dumps(value).encode(), headers=pairs)


def completion(text: str | None, finish_reason: str = "stop") -> Reply:
    """A chat completion as servers send it, with more keys than anyone reads."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return json_reply(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
        }
    )


def models(*names: str) -> Reply:
    return json_reply({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def serving(engine: Engine, name: str) -> Handler:
    """Answer with a real engine behind the wire."""

    async def handle(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models(name)
        body = request.body
        ask = Ask(
            messages=tuple(Message(**message) for message in body["messages"]),
            max_tokens=body["max_tokens"],
            temperature=body["temperature"],
            top_p=body.get("top_p"),
            min_p=body.get("min_p"),
            seed=body["seed"],
        )
        if body.get("stream"):
            return Reply(pieces=_written(engine, ask), headers=(("content-type", "text/event-stream"),))
        try:
            (answer,) = await engine.generate([ask])
        except EngineError as error:
            return json_reply({"error": {"message": str(error)}}, 500)
        return completion(answer.text, answer.finish_reason)

    return handle


def event(value: object) -> bytes:
    """One server-sent event, as it goes over the wire."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def piece(text: str | None, finish_reason: str | None = None) -> bytes:
    """One piece of a streamed completion."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish_reason}
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]})


def usage(prompt: int, completion: int) -> bytes:
    """Give the usage, after the last piece."""
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


async def _written(engine: Engine, ask: Ask) -> AsyncGenerator[bytes]:
    """Stream what an engine writes while it writes."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    work = asyncio.create_task(engine.generate([ask], on_text=lambda _place, text: heard.put_nowait(text)))
    work.add_done_callback(lambda _: heard.put_nowait(None))
    try:
        while (text := await heard.get()) is not None:
            yield piece(text)
        (answer,) = await work
        yield piece(None, answer.finish_reason)
        yield usage(answer.prompt_tokens, answer.completion_tokens)
        yield event(b"[DONE]")
    finally:
        work.cancel()


@asynccontextmanager
async def chat_server(
    handle: Handler, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncGenerator[str]:
    """Serve on a port, by default a free one; give the address without a path.

    Connections still open are cut at the end.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while request := await _read(reader):
                reply = await _unless_gone(handle(request), reader)
                if reply is None or reply.broken:
                    break
                if reply.pieces is not None:
                    await _unless_gone(_send(reply, reply.pieces, writer), reader)
                    break
                writer.write(_encode(reply))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    listens = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listens}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _send(reply: Reply, pieces: AsyncGenerator[bytes], writer: asyncio.StreamWriter) -> None:
    """Send a reply by pieces, in chunks (RFC 9112, 7.1), and see that whoever makes them ends."""
    headers = (*reply.headers, ("transfer-encoding", "chunked"), ("connection", "close"))
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers)]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with aclosing(pieces):
        async for sent in pieces:
            writer.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _unless_gone(answer: Awaitable[_T], reader: asyncio.StreamReader) -> _T | None:
    """Await an answer, but cancel it when the client hangs up first, as real servers do."""
    working = asyncio.ensure_future(answer)
    gone = asyncio.create_task(reader.read(1))  # a client that waits for its answer sends nothing but its end
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method=method, path=path, headers=headers, body=json.loads(raw or b"null"), raw=raw)


def _encode(reply: Reply) -> bytes:
    length = ("content-length", str(len(reply.body)))
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in (*reply.headers, length))]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body
