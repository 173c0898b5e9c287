"""A draft told while it is written, as server-sent events (WHATWG HTML, 9.2).

`token` tells a piece of the raw answer of one variant's attempt; a higher `attempt` starts the variant over.
`variant` tells a variant that is final: whole, checked, scored beside those before it. `done` tells the draft
as it was stored, ranked; `error` tells a problem (RFC 9457), and is the last event. A comment is sent when
there is nothing to tell for a while, so that proxies keep the connection.

Whoever goes away ends the writing: the generator is closed, and the task that asks the engine is cancelled.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable

import msgspec
from litestar.response.sse import ServerSentEventMessage

from prompts.variant import Variant
from service.drafts.actions import Prepared, finish_draft, write_prepared
from service.drafts.control import score_beside
from service.drafts.model import Draft, DraftRequest
from service.drafts.repetition import SaidBefore, held_against, said_before
from service.problems import Problem
from service.runtime import Runtime

QUIET_SECONDS = 15.0
"""After so long without an event a comment is sent."""

Describe = Callable[[Exception], Problem]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the raw answer that becomes a variant, facts perhaps still as slots."""

    variant: int
    """Its place in the order they are asked for."""
    attempt: int
    """From 0; what earlier attempts told is void."""
    text: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A variant that is final."""

    variant: int
    result: Variant


_End = Exception | list[Variant]


_running: set[asyncio.Task[None]] = set()
"""Tasks that write, held so that they are not collected while nobody listens yet."""


class Telling:
    """A draft that is being written, and what was heard of it."""

    def __init__(self, runtime: Runtime, workspace: str, request: DraftRequest, prepared: Prepared) -> None:
        self._runtime = runtime
        self._workspace = workspace
        self._request = request
        self._prepared = prepared
        self._before: SaidBefore | None = None
        """What was said for the channel before, from the first variant on: looked up once."""
        self._heard: asyncio.Queue[Token | Told | _End] = asyncio.Queue()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work = asyncio.create_task(self._write())
        _running.add(self._work)
        self._work.add_done_callback(_running.discard)

    @classmethod
    async def begin(
        cls, runtime: Runtime, workspace: str, request: DraftRequest, prepared: Prepared
    ) -> "Telling":
        """Wait for a turn and begin to write; raises Overloaded when too much waits for the engine."""
        telling = cls(runtime, workspace, request, prepared)
        try:
            await telling._begun
        except asyncio.CancelledError:
            telling._work.cancel()
            raise
        return telling

    async def _write(self) -> None:
        """Hold the turn while writing, and not a moment longer, whether or not anyone listens."""
        try:
            async with self._runtime.admission.turn(self._workspace, self._request.n):
                self._begun.set_result(None)
                variants = await write_prepared(
                    self._runtime,
                    self._workspace,
                    self._prepared,
                    on_variant=self._final,
                    on_piece=self._piece,
                )
        except Exception as error:  # told by whoever waits or listens
            if self._begun.done():
                self._heard.put_nowait(error)
            else:
                self._begun.set_exception(error)
        else:
            self._heard.put_nowait(variants)

    def _final(self, place: int, variant: Variant) -> None:
        self._heard.put_nowait(Told(variant=place, result=variant))

    def _piece(self, place: int, attempt: int, text: str) -> None:
        self._heard.put_nowait(Token(variant=place, attempt=attempt, text=text))

    async def events(self, describe: Describe) -> AsyncGenerator[ServerSentEventMessage]:
        """Tell what is heard until the draft is stored; every error becomes the last event."""
        known: list[Variant] = []
        try:
            while True:
                event = await _next(self._heard)
                if event is None:
                    yield ServerSentEventMessage(data=None, comment="still writing")
                elif isinstance(event, Token):
                    yield _message("token", event)
                elif isinstance(event, Told):
                    known.append(await self._held(event.result))
                    yield _message("variant", await self._scored(known, event))
                elif isinstance(event, list):
                    yield _message("done", await self._stored(event))
                    return
                else:
                    yield _message("error", describe(event))
                    return
        except Exception as error:  # the answer has begun: what happens now can only be told in it
            yield _message("error", describe(error))
        finally:
            self._work.cancel()

    async def _stored(self, variants: list[Variant]) -> Draft:
        return await finish_draft(
            self._runtime, self._workspace, self._request, self._prepared, variants, self._before
        )

    async def _held(self, variant: Variant) -> Variant:
        asked = self._prepared.asked
        if self._before is None:
            self._before = await said_before(self._runtime, self._workspace, asked.channel)
        return (await held_against(self._runtime, asked, [variant], self._before))[0]

    async def _scored(self, known: list[Variant], told: Told) -> Told:
        prepared = self._prepared
        scored, _ = await score_beside(self._runtime, prepared.asked, list(known), prepared.control)
        return msgspec.structs.replace(told, result=scored[-1])


async def _next(heard: "asyncio.Queue[Token | Told | _End]") -> "Token | Told | _End | None":
    """Return the next event, or none after a while without."""
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            return await heard.get()
    except TimeoutError:
        return None


def _message(event: str, value: Token | Told | Draft | Problem) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=event, data=msgspec.json.encode(value))
