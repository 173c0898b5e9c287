"""Clients that ask and then do not read: an answer goes out in pieces, and each must be taken in time."""

import asyncio
from collections.abc import Iterator
from typing import Any

from service.telemetry import AsgiApp, AsgiReceive, AsgiScope, AsgiSend

PIECE_BYTES = 2**16


class SlowReaders:
    """Breaks an answer off when the client has not taken a piece in time.

    Around everything else: what is behind it sees its sending fail, as when the client has gone. The
    connection ends when the client has read what the buffers hold, or leaves; the answer never looks whole.
    """

    def __init__(self, app: AsgiApp, timeout_seconds: float) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given_up = False

        async def in_time(message: Any) -> None:
            nonlocal given_up
            try:
                for piece in _pieces(message):
                    async with asyncio.timeout(self._timeout_seconds):
                        await send(piece)
            except TimeoutError:
                given_up = True
                raise

        try:
            await self._app(scope, receive, in_time)
        # The application may wrap the timeout in whatever it likes; only what is not ours goes on.
        except Exception:
            if not given_up:
                raise


def _pieces(message: Any) -> Iterator[Any]:
    body: bytes = message.get("body", b"")
    if len(body) <= PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), PIECE_BYTES):
        more = message.get("more_body", False) or start + PIECE_BYTES < len(body)
        yield {**message, "body": body[start : start + PIECE_BYTES], "more_body": more}
