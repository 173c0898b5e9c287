"""The engine over HTTP: servers that speak OpenAI's chat completions, vLLM first."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from prompts.engine import Answer, Ask, Dialect, EngineInfo, OnText
from prompts.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable
from service.llm.chat_wire import cut, read_answer, read_stream, request_body
from service.llm.clients import Clients
from service.llm.servers import Server, Servers
from service.retry_after import retry_after_seconds

CONNECT_SECONDS = 5.0
HEALTH_SECONDS = 5.0
RETRIES = 3
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 20.0
CONCURRENCY = 32

_BUSY = frozenset({429, 503})
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class _Passing(Exception):
    """A failure that may not happen again, with the error to raise when no try is left.

    `broken` says that the server does not work, rather than that it has no room now.
    """

    def __init__(
        self, error: EngineError, pause_seconds: float | None = None, *, broken: bool = True
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause_seconds = pause_seconds
        self.broken = broken


class _Listener:
    """Whoever hears an answer while it is written."""

    def __init__(self, place: int, on_text: OnText) -> None:
        self.heard = False
        self._place = place
        self._on_text = on_text

    def tell(self, text: str) -> None:
        self.heard = True
        self._on_text(self._place, text)


def base_url(url: str) -> str:
    """Return the API's root: `/v1` is added to an address without a path.

    Raises `EngineUnavailable` for anything but http(s) with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise EngineUnavailable(
            f"{url!r} is no engine address: set PITCHWRIGHT_ENGINE_URL to e.g. http://localhost:8001/v1"
        )
    root = url.rstrip("/")
    return root if parts.path.strip("/") else f"{root}/v1"


class OpenAIEngine:
    """Adapter of `prompts.engine.Engine` for one server or several that serve the same model.

    The least busy server is asked. `concurrency` requests run at a time, the rest wait their turn. Connection
    failures, 429 and 5xx are tried `retries` times more, elsewhere where there is another server, after a
    pause with jitter or as long as `Retry-After` asks; everything together ends after `timeout_seconds` per
    ask. An answer that was heard in part is not tried again: what was heard could not be taken back.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        info: EngineInfo,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 60.0,
        concurrency: int = CONCURRENCY,
        retries: int = RETRIES,
        jitter_seed: int = 0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._servers = Servers([base_url(url) for url in _listed(urls)])
        self._info = info
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._jitter = random.Random(jitter_seed)  # noqa: S311  spreads retries, guards nothing
        self._pause = pause
        self._constrains = True
        make = partial(
            httpx.AsyncClient,
            headers=_headers(api_key),
            timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds), pool=None),
            limits=httpx.Limits(max_keepalive_connections=len(self._servers.all)),
            verify=httpx.create_ssl_context(),
        )
        self._clients = Clients(make, concurrency)
        self._health = make()

    @classmethod
    def open(
        cls,
        urls: str | Sequence[str],
        *,
        model: str | None = None,
        api_key: str | None = None,
        dialect: Dialect = "full",
        languages: tuple[str, ...] | None = None,
        timeout_seconds: float = 60.0,
        **options: Any,
    ) -> "OpenAIEngine":
        """Connect to servers; without a model's name, ask the first that answers for its first one.

        Blocks while it asks. Raises `EngineUnavailable` when no server or no model can be found.
        """
        name = model or _find_first(urls, api_key, min(timeout_seconds, HEALTH_SECONDS))
        info = EngineInfo(name="openai", model=name, dialect=dialect, languages=languages)
        return cls(urls, info, api_key=api_key, timeout_seconds=timeout_seconds, **options)

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def healthy(self) -> bool:
        """Whether a server answers; one that does is asked again, though it rested."""
        return any(await asyncio.gather(*map(self._well, self._servers.all)))

    def resting(self) -> Mapping[str, bool]:
        """Say of each server, by its root, whether it is left alone after failures."""
        return {server.root: server.rests for server in self._servers.all}

    async def _well(self, server: Server) -> bool:
        try:
            reply = await self._health.get(f"{server.root}/models", timeout=HEALTH_SECONDS)
        except httpx.HTTPError:
            return False
        if reply.is_success:
            server.succeeded()
        return reply.is_success

    async def close(self) -> None:
        await self._clients.close()
        await self._health.aclose()

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        listeners = [on_text and _Listener(place, on_text) for place in range(len(asks))]
        tasks = [
            asyncio.create_task(self._answer(ask, listener))
            for ask, listener in zip(asks, listeners, strict=True)
        ]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, ask: Ask, listener: _Listener | None) -> Answer:
        async with self._clients.take() as client:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._persist(client, ask, listener)
            except TimeoutError:
                raise self._late(self._servers.all[0].root) from None

    async def _persist(self, client: httpx.AsyncClient, ask: Ask, listener: _Listener | None) -> Answer:
        """Ask until there is an answer, an error that stays, or no try left."""
        server: Server | None = None
        for attempt in range(self._retries + 1):
            server = self._servers.choose(avoid=server)
            try:
                return await self._try(client, server, ask, listener)
            except _Passing as passing:
                if attempt == self._retries or (listener and listener.heard):
                    raise passing.error from None
                backoff = FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + self._jitter.random())
                wanted = backoff if passing.pause_seconds is None else passing.pause_seconds
                await self._pause(min(wanted, LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last try returns or raises")

    async def _try(
        self, client: httpx.AsyncClient, server: Server, ask: Ask, listener: _Listener | None
    ) -> Answer:
        """Ask one server once, and note how it went."""
        server.in_flight += 1
        try:
            answer = await self._post(client, server.root, ask, listener)
        except _Passing as passing:
            if passing.broken:
                server.failed(self._servers.clock())
            raise
        except (EngineTimeout, asyncio.CancelledError) as error:
            # Cut off by our own time limit, or by whoever asked: the first tells of the server.
            if isinstance(error, EngineTimeout):
                server.failed(self._servers.clock())
            raise
        except EngineError:
            server.succeeded()
            raise
        finally:
            server.in_flight -= 1
        server.succeeded()
        return answer

    async def _post(
        self, client: httpx.AsyncClient, root: str, ask: Ask, listener: _Listener | None
    ) -> Answer:
        url = f"{root}/chat/completions"
        try:
            if listener is None:
                reply = await client.post(url, json=self._body(ask, streamed=False))
            else:
                request = client.stream("POST", url, json=self._body(ask, streamed=True))
                async with request as reply:
                    if reply.is_success:
                        answer = await read_stream(root, reply.aiter_lines(), listener.tell)
                        if answer is None:
                            early = f"the engine at {root} ended its answer early: try again"
                            raise _Passing(EngineUnavailable(early))
                        return answer
                    await reply.aread()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _Passing(_down(root, error)) from error
        except httpx.TimeoutException as error:
            raise self._late(root) from error
        except httpx.TransportError as error:
            raise _Passing(
                EngineUnavailable(f"the engine at {root} broke off ({_why(error)}): try again")
            ) from error
        if reply.status_code in _PASSING:
            busy = reply.status_code in _BUSY
            kind = EngineOverloaded if busy else EngineUnavailable
            error = kind(f"the engine at {root} answers {_shown(reply)}: try again in a moment")
            pause = retry_after_seconds(reply.headers.get("retry-after"), datetime.now(UTC))
            raise _Passing(error, pause, broken=not busy)
        if (
            self._constrains
            and ask.json_schema
            and reply.status_code == 400
            and "response_format" in reply.text
        ):
            # A server without constrained decoding: its answers are parsed strictly all the same.
            self._constrains = False
            return await self._post(client, root, ask, listener)
        if not reply.is_success:
            raise self._refused(root, reply)
        return read_answer(root, reply.content, _shown(reply))

    def _body(self, ask: Ask, *, streamed: bool) -> dict[str, Any]:
        return request_body(self._info.model, ask, constrains=self._constrains, streamed=streamed)

    def _refused(self, root: str, reply: httpx.Response) -> EngineError:
        if reply.status_code in {401, 403}:
            return _key_refused(root, reply)
        if reply.status_code == 404:
            return EngineUnavailable(
                f"the engine at {root} knows no chat completions or no model {self._info.model!r}: "
                "check PITCHWRIGHT_ENGINE_URL and PITCHWRIGHT_ENGINE_MODEL"
            )
        return EngineError(f"the engine at {root} refuses the request: {_shown(reply)}")

    def _late(self, root: str) -> EngineTimeout:
        return EngineTimeout(
            f"the engine at {root} did not answer within {self._timeout_seconds:g} s: "
            "raise PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS or ask for less at a time"
        )


def _listed(urls: str | Sequence[str]) -> Sequence[str]:
    return [urls] if isinstance(urls, str) else urls


def _find_first(urls: str | Sequence[str], api_key: str | None, timeout_seconds: float) -> str:
    """Return the first model of the first server that answers; raises what the last one's failure is."""
    for url in (listed := _listed(urls))[:-1]:
        try:
            return find_model(url, api_key=api_key, timeout_seconds=timeout_seconds)
        except EngineUnavailable:
            continue
    return find_model(listed[-1], api_key=api_key, timeout_seconds=timeout_seconds)


def find_model(url: str, *, api_key: str | None = None, timeout_seconds: float = HEALTH_SECONDS) -> str:
    """Ask a server for its models and return the first one's name. Blocks.

    Raises `EngineUnavailable` when there is no server, no list or no model.
    """
    root = base_url(url)
    try:
        reply = httpx.get(f"{root}/models", headers=_headers(api_key), timeout=timeout_seconds)
    except httpx.TransportError as error:
        raise _down(root, error) from error
    if reply.status_code in {401, 403}:
        raise _key_refused(root, reply)
    try:
        models = msgspec.json.decode(reply.content, type=_Models).data if reply.is_success else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        models = []
    if not models:
        raise EngineUnavailable(
            f"the engine at {root} lists no model ({_shown(reply)}): set PITCHWRIGHT_ENGINE_MODEL to its name"
        )
    return models[0].id


def _headers(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _down(root: str, error: httpx.TransportError) -> EngineUnavailable:
    return EngineUnavailable(
        f"no engine answers at {root} ({_why(error)}): start it, correct PITCHWRIGHT_ENGINE_URL, "
        "or unset it to use the embedded model"
    )


def _key_refused(root: str, reply: httpx.Response) -> EngineUnavailable:
    return EngineUnavailable(
        f"the engine at {root} refuses the key ({reply.status_code}): set PITCHWRIGHT_ENGINE_API_KEY"
    )


def _why(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _shown(reply: httpx.Response) -> str:
    return f"{reply.status_code} {cut(reply.text)!r}"
