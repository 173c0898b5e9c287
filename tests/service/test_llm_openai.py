"""How the engine over HTTP behaves towards servers that are down, slow, busy, strict or talk rubbish."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from prompts.engine import Ask, EngineInfo, Message
from prompts.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable
from service.llm.load import load_engine
from service.llm.openai_engine import OpenAIEngine, base_url, find_model
from service.retry_after import retry_after_seconds
from service.settings import Settings
from tests.service.chat_server import Reply, Request, chat_server, completion, json_reply, models

ASK = Ask(
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hello")), seed=3
)
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Script:
    """A server that answers from a list, the last reply for ever, and remembers what it was asked."""

    def __init__(self, *replies: Reply | Callable[[Request], Awaitable[Reply]]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Reply) else await reply(request)


def engine(url: str, **options: Any) -> OpenAIEngine:
    pauses: list[float] = options.pop("pauses", [])

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    info = EngineInfo(name="openai", model="m")
    return OpenAIEngine(url, info, **{"pause": pause, "timeout_seconds": 5.0, **options})


async def ask_once(script: Script, ask: Ask = ASK, **options: Any) -> Any:
    async with chat_server(script) as url:
        opened = engine(url, **options)
        try:
            (answer,) = await opened.generate([ask])
            return answer
        finally:
            await opened.close()


async def test_sends_what_was_asked_and_reads_the_answer() -> None:
    script = Script(completion("Hi", "length"))
    answer = await ask_once(
        script, Ask(messages=ASK.messages, json_schema=SCHEMA, seed=3, max_tokens=9), api_key="secret"
    )
    assert (answer.text, answer.finish_reason) == ("Hi", "length")
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 5)
    (request,) = script.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer secret"
    assert request.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 9,
        "temperature": 0.7,
        "seed": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "copy", "strict": True, "schema": SCHEMA},
        },
    }


async def test_sends_how_narrowly_to_sample_only_when_asked() -> None:
    script = Script(completion("Hi", "stop"))
    await ask_once(script, msgspec.structs.replace(ASK, top_p=0.9, min_p=0.1))
    (request,) = script.requests
    assert (request.body["top_p"], request.body["min_p"]) == (0.9, 0.1)


async def test_asks_again_after_passing_failures_with_growing_jittered_pauses() -> None:
    pauses: list[float] = []
    script = Script(json_reply({}, 500), Reply(broken=True), json_reply({}, 503), completion("Hi"))
    answer = await ask_once(script, pauses=pauses)
    assert answer.text == "Hi"
    assert len(script.requests) == 4
    for number, pause in enumerate(pauses):
        assert 0.125 * 2**number <= pause <= 0.375 * 2**number
    assert len(set(pauses)) == 3


async def test_waits_as_long_as_a_busy_server_asks() -> None:
    pauses: list[float] = []
    script = Script(json_reply({}, 429, Retry_After="7"), completion("Hi"))
    await ask_once(script, pauses=pauses)
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("status", "kind", "tries", "says"),
    [
        (429, EngineOverloaded, 4, "429"),
        (503, EngineOverloaded, 4, "503"),
        (500, EngineUnavailable, 4, "500"),
        (401, EngineUnavailable, 1, "PITCHWRIGHT_ENGINE_API_KEY"),
        (404, EngineUnavailable, 1, "PITCHWRIGHT_ENGINE_MODEL"),
        (400, EngineError, 1, "context is too long"),
    ],
)
async def test_a_refusal_is_named_after_as_many_tries_as_it_deserves(
    status: int, kind: type[EngineError], tries: int, says: str
) -> None:
    script = Script(json_reply({"error": {"message": "context is too long"}}, status))
    with pytest.raises(kind, match=says):
        await ask_once(script)
    assert len(script.requests) == tries


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Welcome to nginx</html>"),
        Reply(body=b"\xff\xfe"),
        Reply(body=b""),
        json_reply({"choices": []}),
        json_reply({"choices": [{"message": {}}]}),
        json_reply({"choices": "no"}),
        json_reply([]),
        completion(None),
    ],
)
async def test_rubbish_is_an_engine_error_that_quotes_it(reply: Reply) -> None:
    with pytest.raises(EngineError, match=r"http://127\.0\.0\.1:\d+/v1") as caught:
        await ask_once(Script(reply))
    assert not isinstance(caught.value, EngineUnavailable | EngineTimeout | EngineOverloaded)


async def test_a_server_that_is_down_is_named_with_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        opened = engine(url)
        with pytest.raises(EngineUnavailable, match="PITCHWRIGHT_ENGINE_URL") as caught:
            await opened.generate([ASK])
        assert url in str(caught.value)
        assert not await opened.healthy()
        await opened.close()
        with pytest.raises(EngineUnavailable, match="start it"):
            await asyncio.to_thread(load_engine, Settings(engine_url=url))


async def test_a_slow_server_runs_into_the_time_limit() -> None:
    async def slow(_: Request) -> Reply:
        await asyncio.sleep(30)
        return completion("late")

    started = time.monotonic()
    with pytest.raises(EngineTimeout, match=r"within 0\.2 s"):
        await ask_once(Script(slow), timeout_seconds=0.2)
    assert time.monotonic() - started < 3


async def test_retries_and_pauses_count_towards_the_time_limit() -> None:
    with pytest.raises(EngineTimeout):
        await ask_once(
            Script(json_reply({}, 429, Retry_After="15")), timeout_seconds=0.2, pause=asyncio.sleep
        )


async def test_cancelling_hangs_up_so_that_the_server_can_stop() -> None:
    hung_up = asyncio.Event()
    came = asyncio.Event()

    async def long(_: Request) -> Reply:
        came.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            hung_up.set()
            raise
        return completion("late")

    async with chat_server(long) as url:
        opened = engine(url)
        task = asyncio.create_task(opened.generate([ASK]))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(hung_up.wait(), 3)
        await opened.close()


async def test_one_failed_ask_ends_the_others_of_its_call() -> None:
    ended = {1: asyncio.Event(), 2: asyncio.Event()}
    came = asyncio.Barrier(3)

    async def handle(request: Request) -> Reply:
        await came.wait()
        if request.body["seed"] == 0:
            return json_reply({}, 400)
        try:
            await asyncio.sleep(30)
        finally:
            ended[request.body["seed"]].set()
        return completion("late")

    async with chat_server(handle) as url:
        opened = engine(url)
        with pytest.raises(EngineError, match="400"):
            await opened.generate([Ask(messages=ASK.messages, seed=seed) for seed in (1, 0, 2)])
        async with asyncio.timeout(3):
            await asyncio.gather(*(event.wait() for event in ended.values()))
        await opened.close()


async def test_no_more_requests_run_at_a_time_than_allowed() -> None:
    running = most = 0

    async def handle(_: Request) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return completion("Hi")

    async with chat_server(handle) as url:
        opened = engine(url, concurrency=3)
        answers = await opened.generate([ASK] * 12)
        await opened.close()
    assert len(answers) == 12
    assert most == 3


async def test_a_server_without_constrained_decoding_is_asked_without() -> None:
    async def handle(request: Request) -> Reply:
        if "response_format" in request.body:
            return json_reply({"error": {"message": "unknown field response_format"}}, 400)
        return completion("Hi")

    script = Script(handle)
    async with chat_server(script) as url:
        opened = engine(url)
        constrained = Ask(messages=ASK.messages, json_schema=SCHEMA)
        await opened.generate([constrained])
        await opened.generate([constrained])
        await opened.close()
    assert ["response_format" in request.body for request in script.requests] == [True, False, False]


async def test_the_settings_open_a_server_and_find_its_model() -> None:
    async with chat_server(Script(models("first", "second"))) as url:
        settings = Settings(engine_url=url, engine_api_key="k", engine_languages=("en", "de"))
        opened = await asyncio.to_thread(load_engine, settings)
        assert opened.info == EngineInfo(name="openai", model="first", languages=("en", "de"))
        assert await opened.healthy()
        await opened.close()
        named = await asyncio.to_thread(
            load_engine, Settings(engine_url=url, engine_model="second", engine_dialect="pocket")
        )
        assert (named.info.model, named.info.dialect) == ("second", "pocket")
        await named.close()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (models(), "lists no model"),
        (Reply(body=b"hello"), "lists no model"),
        (json_reply({}, 500), "lists no model"),
        (json_reply({}, 403), "PITCHWRIGHT_ENGINE_API_KEY"),
    ],
)
async def test_a_server_without_models_says_what_to_set(reply: Reply, says: str) -> None:
    async with chat_server(Script(reply)) as url:
        with pytest.raises(EngineUnavailable, match=says):
            await asyncio.to_thread(find_model, url)


def test_an_address_without_a_path_gets_the_usual_one() -> None:
    assert base_url("http://localhost:8001") == "http://localhost:8001/v1"
    assert base_url("http://localhost:8001/") == "http://localhost:8001/v1"
    assert base_url("https://host/openai/v1/") == "https://host/openai/v1"
    for wrong in ("localhost:8001", "ftp://host", "http://"):
        with pytest.raises(EngineUnavailable, match="no engine address"):
            base_url(wrong)


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    assert retry_after_seconds("30", now) == 30.0
    assert retry_after_seconds("Sun, 22 Nov 2026 12:00:45 GMT", now) == 45.0
    assert retry_after_seconds("Sun, 22 Nov 2026 11:00:00 GMT", now) == 0.0
    for nothing in (None, "soon", "", "-5", "²", "Sun, 22 Nov 2026 12:00:45"):
        assert retry_after_seconds(nothing, now) in {None, 0.0}


async def test_without_a_server_the_settings_open_the_embedded_model() -> None:
    opened = await asyncio.to_thread(load_engine, Settings())
    assert opened.info.model.startswith("pocket@")
    assert (opened.info.dialect, opened.info.languages) == ("pocket", ("en",))
    await opened.close()
