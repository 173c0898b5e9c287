"""The engine over HTTP: any server that speaks OpenAI's chat completions, vLLM first."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import msgspec

from prompts.engine import Answer, Ask, Dialect, EngineInfo
from prompts.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable

CONNECT_SECONDS = 5.0
HEALTH_SECONDS = 5.0
RETRIES = 3
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 20.0
CONCURRENCY = 32
SHOWN_CHARACTERS = 200

_BUSY = frozenset({429, 503})
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


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


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class _Passing(Exception):
    """An answer that may be different next time, with the error to raise when no try is left."""

    def __init__(self, error: EngineError, pause_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause_seconds = pause_seconds


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
    """Adapter of `prompts.engine.Engine` for a server.

    `concurrency` requests run at a time, the rest wait their turn. Connection failures, 429 and 5xx are tried
    `retries` times more, after a pause with jitter or as long as `Retry-After` asks; everything together ends
    after `timeout_seconds` per ask.
    """

    def __init__(
        self,
        url: str,
        info: EngineInfo,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 60.0,
        concurrency: int = CONCURRENCY,
        retries: int = RETRIES,
        jitter_seed: int = 0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._root = base_url(url)
        self._info = info
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._jitter = random.Random(jitter_seed)  # noqa: S311  spreads retries, guards nothing
        self._pause = pause
        self._slots = asyncio.Semaphore(concurrency)
        self._constrains = True
        self._client = httpx.AsyncClient(
            headers=_headers(api_key),
            timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds), pool=None),
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )

    @classmethod
    def open(
        cls,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        dialect: Dialect = "full",
        languages: tuple[str, ...] | None = None,
        timeout_seconds: float = 60.0,
        **options: Any,
    ) -> "OpenAIEngine":
        """Connect to a server; without a model's name, ask it for its first one.

        Blocks while it asks. Raises `EngineUnavailable` when the server or the model cannot be found.
        """
        name = model or find_model(url, api_key=api_key, timeout_seconds=min(timeout_seconds, HEALTH_SECONDS))
        info = EngineInfo(name="openai", model=name, dialect=dialect, languages=languages)
        return cls(url, info, api_key=api_key, timeout_seconds=timeout_seconds, **options)

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def healthy(self) -> bool:
        try:
            reply = await self._client.get(f"{self._root}/models", timeout=HEALTH_SECONDS)
        except httpx.HTTPError:
            return False
        return reply.is_success

    async def close(self) -> None:
        await self._client.aclose()

    async def generate(self, asks: Sequence[Ask]) -> list[Answer]:
        tasks = [asyncio.create_task(self._answer(ask)) for ask in asks]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, ask: Ask) -> Answer:
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._persist(ask)
            except TimeoutError:
                raise self._late() from None

    async def _persist(self, ask: Ask) -> Answer:
        """Ask until there is an answer, an error that stays, or no try left."""
        for attempt in range(self._retries + 1):
            try:
                return await self._post(ask)
            except _Passing as passing:
                if attempt == self._retries:
                    raise passing.error from None
                backoff = FIRST_PAUSE_SECONDS * 2**attempt * (0.5 + self._jitter.random())
                wanted = backoff if passing.pause_seconds is None else passing.pause_seconds
                await self._pause(min(wanted, LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last try returns or raises")

    async def _post(self, ask: Ask) -> Answer:
        try:
            reply = await self._client.post(f"{self._root}/chat/completions", json=self._body(ask))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _Passing(self._down(error)) from error
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.TransportError as error:
            raise _Passing(
                EngineUnavailable(f"the engine at {self._root} broke off ({_why(error)}): try again")
            ) from error
        if reply.status_code in _PASSING:
            kind = EngineOverloaded if reply.status_code in _BUSY else EngineUnavailable
            error = kind(f"the engine at {self._root} answers {_shown(reply)}: try again in a moment")
            raise _Passing(error, retry_after_seconds(reply.headers.get("retry-after"), datetime.now(UTC)))
        if (
            self._constrains
            and ask.json_schema
            and reply.status_code == 400
            and "response_format" in reply.text
        ):
            # A server without constrained decoding: its answers are parsed strictly all the same.
            self._constrains = False
            return await self._post(ask)
        if not reply.is_success:
            raise self._refused(reply)
        return self._read(reply)

    def _body(self, ask: Ask) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._info.model,
            "messages": [{"role": message.role, "content": message.content} for message in ask.messages],
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "seed": ask.seed,
        }
        if ask.json_schema and self._constrains:
            wanted = {"name": "copy", "strict": True, "schema": ask.json_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body

    def _read(self, reply: httpx.Response) -> Answer:
        try:
            completion = msgspec.json.decode(reply.content, type=_Completion)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EngineError(
                f"the engine at {self._root} answers no chat completion ({error}): {_shown(reply)}. "
                "Check that PITCHWRIGHT_ENGINE_URL names an OpenAI-compatible server"
            ) from error
        choice = completion.choices[0] if completion.choices else None
        if choice is None or choice.message.content is None:
            raise EngineError(f"the engine at {self._root} answers without a text: {_shown(reply)}")
        usage = completion.usage or _Usage()
        reason: Literal["stop", "length"] = "length" if choice.finish_reason == "length" else "stop"
        return Answer(
            text=choice.message.content,
            finish_reason=reason,
            prompt_tokens=usage.prompt_tokens or 0,
            completion_tokens=usage.completion_tokens or 0,
        )

    def _refused(self, reply: httpx.Response) -> EngineError:
        if reply.status_code in {401, 403}:
            return _key_refused(self._root, reply)
        if reply.status_code == 404:
            return EngineUnavailable(
                f"the engine at {self._root} knows no chat completions or no model {self._info.model!r}: "
                "check PITCHWRIGHT_ENGINE_URL and PITCHWRIGHT_ENGINE_MODEL"
            )
        return EngineError(f"the engine at {self._root} refuses the request: {_shown(reply)}")

    def _late(self) -> EngineTimeout:
        return EngineTimeout(
            f"the engine at {self._root} did not answer within {self._timeout_seconds:g} s: "
            "raise PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS or ask for less at a time"
        )

    def _down(self, error: httpx.TransportError) -> EngineUnavailable:
        return _down(self._root, error)


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


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header, seconds or a date (RFC 9110); none when it is absent or makes no sense."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError):
        return None


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
    text = " ".join(reply.text.split())
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    return f"{reply.status_code} {shown!r}"
