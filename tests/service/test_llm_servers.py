"""Several servers behind one engine: the least busy is asked; one that fails rests, and says how long."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from prompts.engine import Answer, Ask, EngineInfo, Message
from prompts.errors import EngineError, EngineUnavailable
from service.llm.openai_engine import OpenAIEngine
from service.llm.servers import BREAKS_AFTER, FIRST_REST_SECONDS, LONGEST_REST_SECONDS, Servers
from tests.service.chat_server import (
    Reply,
    Request,
    chat_server,
    completion,
    event,
    json_reply,
    models,
    piece,
    usage,
)

ASK = Ask(messages=(Message(role="user", content="Hello"),), seed=3)
BROKEN = Reply(status=500, body=b"out of memory")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def engine(urls: list[str], **options: Any) -> OpenAIEngine:
    async def pause(_seconds: float) -> None:
        await asyncio.sleep(0)

    info = EngineInfo(name="openai", model="m")
    return OpenAIEngine(urls, info, **{"pause": pause, "timeout_seconds": 5.0, **options})


def test_the_least_busy_server_is_chosen_and_the_first_of_equals() -> None:
    servers = Servers(["http://a", "http://b", "http://a"])
    first, second = servers.all
    assert servers.choose() is first
    first.in_flight = 1
    assert servers.choose() is second
    assert servers.choose(avoid=second) is first
    second.in_flight = 1
    assert servers.choose() is first


def test_a_server_that_fails_in_a_row_rests_longer_each_time_and_is_tried_by_one() -> None:
    clock = Clock()
    servers = Servers(["http://a", "http://b"], clock)
    bad, good = servers.all
    for _ in range(BREAKS_AFTER - 1):
        bad.failed(clock())
    assert servers.choose() is bad
    bad.failed(clock())
    assert servers.choose() is good
    clock.now += FIRST_REST_SECONDS
    assert servers.choose() is bad
    bad.in_flight = 1
    assert servers.choose(avoid=good) is good, "one request at a time tries a server after its rest"
    bad.in_flight = 0
    bad.failed(clock())
    clock.now += FIRST_REST_SECONDS
    assert servers.choose() is good
    clock.now += FIRST_REST_SECONDS
    assert servers.choose() is bad
    for _ in range(20):
        bad.failed(clock())
    assert bad.rests_until == clock() + LONGEST_REST_SECONDS
    bad.succeeded()
    bad.failed(clock())
    assert servers.choose() is bad


def test_when_all_rest_the_error_says_who_and_until_when() -> None:
    clock = Clock()
    servers = Servers(["http://a/v1"], clock)
    for _ in range(BREAKS_AFTER):
        servers.all[0].failed(clock())
    with pytest.raises(
        EngineUnavailable, match=r"http://a/v1 after 5 failures in a row: the next try is in 2 s"
    ):
        servers.choose()
    with pytest.raises(EngineUnavailable, match="PITCHWRIGHT_ENGINE_URL"):
        Servers([])


async def test_asks_spread_over_servers_and_a_broken_one_costs_no_answer() -> None:
    asked: dict[str, int] = {"a": 0, "b": 0}

    def serve(name: str, reply: Reply) -> Any:
        async def handle(request: Request) -> Reply:
            asked[name] += request.method == "POST"
            await asyncio.sleep(0.02)
            return models("m") if request.path == "/v1/models" else reply

        return handle

    async with AsyncExitStack() as stack:
        urls = [
            await stack.enter_async_context(chat_server(serve("a", completion("from a")))),
            await stack.enter_async_context(chat_server(serve("b", completion("from b")))),
        ]
        opened = engine(urls)
        stack.push_async_callback(opened.close)
        answers = await opened.generate([ASK] * 8)
        assert sorted(answer.text for answer in answers) == ["from a"] * 4 + ["from b"] * 4

    async with AsyncExitStack() as stack:
        asked |= {"a": 0, "b": 0}
        urls = [
            await stack.enter_async_context(chat_server(serve("a", BROKEN))),
            await stack.enter_async_context(chat_server(serve("b", completion("from b")))),
        ]
        opened = engine(urls)
        stack.push_async_callback(opened.close)
        for _ in range(12):
            (answer,) = await opened.generate([ASK])
            assert answer.text == "from b"
        assert asked == {"a": BREAKS_AFTER, "b": 12}, (
            "after its failures in a row the broken one is left alone"
        )
        assert await opened.healthy()


async def test_one_server_that_is_dead_is_refused_at_once_after_its_failures() -> None:
    tried = 0

    async def handle(_request: Request) -> Reply:
        nonlocal tried
        tried += 1
        return BROKEN

    async with chat_server(handle) as url:
        opened = engine([url], retries=0)
        for _ in range(BREAKS_AFTER):
            with pytest.raises(EngineUnavailable, match="500 'out of memory'"):
                await opened.generate([ASK])
        with pytest.raises(EngineUnavailable, match="the next try is in"):
            await opened.generate([ASK])
        assert tried == BREAKS_AFTER
        await opened.close()


async def stream(*pieces: bytes | Exception) -> AsyncGenerator[bytes]:
    for sent in pieces:
        if isinstance(sent, Exception):
            raise sent
        yield sent
        await asyncio.sleep(0)


async def listen(*replies: Reply) -> tuple[list[Answer] | EngineError, str, list[Request]]:
    requests, left, heard = list[Request](), list(replies), list[str]()

    async def handle(request: Request) -> Reply:
        requests.append(request)
        return left.pop(0)

    async with chat_server(handle) as url:
        opened = engine([url])
        try:
            answers: list[Answer] | EngineError = await opened.generate(
                [ASK], on_text=lambda _place, text: heard.append(text)
            )
        except EngineError as error:
            answers = error
        finally:
            await opened.close()
    return answers, "|".join(heard), requests


async def test_a_streamed_answer_is_heard_by_pieces_with_its_usage() -> None:
    pieces = (
        piece("He"),
        b": keep-alive\n\n",
        piece("llo"),
        piece(None, "length"),
        usage(7, 2),
        event(b"[DONE]"),
    )
    answers, heard, requests = await listen(Reply(pieces=stream(*pieces)))
    assert answers == [Answer(text="Hello", finish_reason="length", prompt_tokens=7, completion_tokens=2)]
    assert heard == "He|llo"
    assert requests[0].body["stream"] is True
    assert requests[0].body["stream_options"] == {"include_usage": True}


async def test_what_broke_before_it_was_heard_is_asked_again_and_what_was_heard_is_not() -> None:
    whole = (piece("Hi"), piece(None, "stop"), event(b"[DONE]"))
    answers, heard, requests = await listen(
        BROKEN, Reply(pieces=stream(ConnectionResetError())), Reply(pieces=stream(*whole))
    )
    assert isinstance(answers, list)
    assert (answers[0].text, heard, len(requests)) == ("Hi", "Hi", 3)

    answers, heard, requests = await listen(Reply(pieces=stream(piece("Hal"), ConnectionResetError())))
    assert isinstance(answers, EngineUnavailable)
    assert (heard, len(requests)) == ("Hal", 1)
    answers, heard, requests = await listen(Reply(pieces=stream(piece("Hal"), event(b"[DONE]"))))
    assert isinstance(answers, EngineUnavailable)
    assert "ended its answer early" in str(answers)


async def test_a_stream_of_rubbish_is_an_engine_error_that_quotes_it() -> None:
    answers, _, _ = await listen(Reply(pieces=stream(event(b"<html>"))))
    assert isinstance(answers, EngineError)
    assert "streams no chat completion" in str(answers)
    assert "'<html>'" in str(answers)
    refused, _, _ = await listen(json_reply({"error": "no such model"}, 404))
    assert isinstance(refused, EngineUnavailable)
    assert "no model 'm'" in str(refused)
