"""A draft told while it is written: its events, its errors, and what is refused before the first of them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from service.app import create_app
from tests.service.chat_server import Reply, Request, chat_server, completion, event, models, piece
from tests.service.http.listening import listening
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_drafts import FULL, SHORT

EVENTS = {"Accept": "text/event-stream"}


def events_of(text: str) -> list[tuple[str, Any]]:
    """Read server-sent events: their names and data, comments left out."""
    read: list[tuple[str, Any]] = []
    for block in text.replace("\r\n", "\n").strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            read.append((lines["event"], json.loads(lines["data"])))
    return read


async def test_a_draft_is_told_by_tokens_variants_and_at_last_as_it_is_stored(client: httpx.AsyncClient):
    response = await client.post("/v1/drafts", json={**SHORT, "n": 3}, headers=EVENTS)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    told = events_of(response.text)
    names = [name for name, _ in told]
    assert names[0] == "token"
    assert names.count("variant") == 3
    assert names.index("done") == len(names) - 1
    draft = told[-1][1]
    assert (await client.get(f"/v1/drafts/{draft['id']}")).json() == draft
    written: dict[tuple[int, int], str] = {}
    for name, data in told:
        if name == "token":
            key = (data["variant"], data["attempt"])
            written[key] = written.get(key, "") + data["text"]
    assert {variant for variant, _ in written} == {0, 1, 2}
    assert all(json.loads(text) for text in written.values()), "the pieces of an attempt are its whole answer"
    by_id = {variant["id"]: variant for variant in draft["variants"]}
    for name, data in told:
        if name == "variant":
            result = data["result"]
            assert {score["name"] for score in result["scores"]} >= {"checks", "audience"}
            stored = by_id[result["id"]]
            assert (result["fields"], result["checks"]) == (stored["fields"], stored["checks"])
    plain = (await client.post("/v1/drafts", json={**SHORT, "n": 3})).json()
    assert [v["fields"] for v in plain["variants"]] == [v["fields"] for v in draft["variants"]]


async def test_what_is_refused_is_refused_as_ever_before_anything_is_told(client: httpx.AsyncClient):
    unknown = await client.post("/v1/drafts", json={**SHORT, "item_id": "no-such"}, headers=EVENTS)
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"
    wrong = await client.post("/v1/drafts", json={**FULL, "language": "fr"}, headers=EVENTS)
    assert events_of(wrong.text)[0][1]["status"] == 422
    replayed = await client.post("/v1/drafts", json=FULL, headers={**EVENTS, "Idempotency-Key": "k"})
    assert replayed.status_code == 400
    assert "cannot be replayed" in replayed.json()["detail"]


async def test_an_engine_that_fails_while_it_writes_ends_the_stream_with_a_problem(shop: Shop):
    async def breaking() -> AsyncGenerator[bytes]:
        yield piece('{"title": "Ha')
        raise ConnectionResetError

    async def handle(request: Request) -> Reply:
        return models("m") if request.path == "/v1/models" else Reply(pieces=breaking())

    async with chat_server(handle) as url:
        settings = shop.settings(engine_url=url, engine_model="m")
        async with client_of(settings, shop.keys["default/copy"]) as client:
            response = await client.post("/v1/drafts", json=FULL, headers=EVENTS)
    told = events_of(response.text)
    assert [name for name, _ in told] == ["token", "error"]
    problem = told[-1][1]
    assert (problem["status"], problem["type"]) == (503, "urn:pitchwright:problem:engine-unavailable")
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_whoever_goes_away_ends_the_writing_at_the_engine_and_gives_the_turn_back(shop: Shop):
    left = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield piece("ha")
                await asyncio.sleep(0.01)
        finally:
            left.set()

    async def handle(request: Request) -> Reply:
        return models("m") if request.path == "/v1/models" else Reply(pieces=endless())

    key = {"Authorization": f"Bearer {shop.keys['default/copy']}"}
    async with chat_server(handle) as url:
        settings = shop.settings(log_level="error", engine_url=url, engine_model="m")
        app = create_app(settings, background=False)
        async with listening(app, settings) as address, httpx.AsyncClient(headers=key, timeout=60) as client:
            drafts = f"{address}/v1/drafts"
            async with client.stream("POST", drafts, json=FULL, headers=EVENTS) as response:
                async for line in response.aiter_lines():
                    if line == "event: token":
                        break
                assert app.state.runtime.admission.busy == 1
                assert not left.is_set()
            async with asyncio.timeout(30):
                await left.wait()
                while app.state.runtime.admission.busy:
                    await client.get(f"{address}/health/live")
            assert (await client.get(drafts)).json()["results"] == []


async def test_overload_is_said_before_work_is_accepted_and_others_get_in(shop: Shop):
    asked, begun_one, free = 0, asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> Reply:
        nonlocal asked
        if request.path == "/v1/models":
            return models("m")
        asked += 1
        begun_one.set()
        await free.wait()
        if request.body.get("stream"):
            return Reply(pieces=_whole("Certainly!"))
        return completion("Certainly!")

    async with chat_server(handle) as url:
        settings = shop.settings(engine_url=url, engine_model="m", engine_concurrency=1, engine_queue=4)
        async with client_of(settings, shop.keys["default/copy"]) as client:
            begun = [asyncio.create_task(client.post("/v1/drafts", json=FULL)) for _ in range(4)]
            await begun_one.wait()
            await asyncio.sleep(0.2)
            for headers in ({}, EVENTS):
                refused = await client.post("/v1/drafts", json=FULL, headers=headers)
                assert refused.status_code == 429, refused.text
                assert int(refused.headers["retry-after"]) > 0
                assert "PITCHWRIGHT_ENGINE_QUEUE" in refused.json()["detail"]
            other = asyncio.create_task(
                client.post(
                    "/v1/drafts", json=FULL, headers={"Authorization": f"Bearer {shop.keys['other/copy']}"}
                )
            )
            await asyncio.sleep(0.2)
            assert not other.done(), "it waits in the half of the queue that is not the first workspace's"
            free.set()
            assert [each.status_code for each in await asyncio.gather(*begun, other)] == [201] * 5
    assert asked == 5 * 3


async def _whole(text: str) -> AsyncGenerator[bytes]:
    yield piece(text)
    yield piece(None, "stop")
    yield event(b"[DONE]")
