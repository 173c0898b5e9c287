"""Accepted copy as examples for an instruct model: the nearest, of this brand, channel and workspace only."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.runtime import open_runtime
from tests.service.chat_server import Reply, Request, chat_server, completion, models
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_decisions import decided

MARK = "# Copy of this brand that was accepted"


class Desk:
    """A client whose engine is an instruct model that writes what it is told, and tells what it was asked."""

    def __init__(self, client: httpx.AsyncClient, shop: Shop, asked: list[list[dict[str, str]]]) -> None:
        self.client = client
        self.shop = shop
        self.asked = asked
        self.title = "Hello"

    async def draft(self, item: str, title: str, **body: Any) -> dict[str, Any]:
        self.title = title
        request = {"item_id": item, "channel": "push", "n": 1, "audience": "gardeners", **body}
        made = (await self.client.post("/v1/drafts", json=request)).raise_for_status().json()
        assert made["variants"][0]["status"] == "passed", made["variants"][0]["checks"]
        return made

    async def accept(self, item: str, title: str, **body: Any) -> str:
        made = await self.draft(item, title, **body)
        await decided(self.client, made, verdict="accepted")
        return f"{made['id']}/{made['variants'][0]['id']}"

    @property
    def user(self) -> str:
        return self.asked[-1][-1]["content"]


@asynccontextmanager
async def desk_of(shop: Shop, **settings: Any) -> AsyncGenerator[Desk]:
    asked: list[list[dict[str, str]]] = []
    desks: list[Desk] = []

    async def handle(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("m")
        asked.append(request.body["messages"])
        content = asked[-1][-1]["content"]
        name = content.split('title: "', 1)[1].split('"', 1)[0]
        return completion(json.dumps({"title": desks[0].title, "body": f"{name}, made to last."}))

    async with chat_server(handle) as url:
        chosen = shop.settings(engine_url=f"{url}/v1", engine_model="m", **settings)
        async with client_of(chosen, shop.keys["default/admin"]) as client:
            desks.append(Desk(client, shop, asked))
            yield desks[0]


async def test_the_nearest_accepted_copy_is_shown_and_provenance_names_it(shop: Shop):
    async with desk_of(shop) as desk:
        far = await desk.accept("music-0", "Strings attached", audience="people who play the guitar")
        near = await desk.accept("garden-1", "Sow far, so good")
        await desk.draft("garden-2", "Nobody has accepted this")
        made = await desk.draft("garden-0", "Dig this", examples=1)
        assert made["variants"][0]["provenance"]["examples"] == [near]
        assert MARK in desk.user
        assert 'title: "Sow far, so good"' in desk.user
        assert "Strings attached" not in desk.user
        assert "Nobody has accepted this" not in desk.user
        system = desk.asked[-1][0]["content"]
        assert all(messages[0]["content"] == system for messages in desk.asked)
        both = await desk.draft("garden-0", "Dig this too", examples=5)
        assert both["variants"][0]["provenance"]["examples"] == [near, far]
        stored = (await desk.client.get(f"/v1/drafts/{both['id']}")).json()
        assert [each["source"] for each in stored["brief"]["examples"]] == [near, far]


async def test_nothing_is_shown_unless_a_setting_or_the_request_says_so(shop: Shop):
    async with desk_of(shop) as desk:
        await desk.accept("garden-1", "Sow far, so good")
        made = await desk.draft("garden-0", "Dig this")
        assert MARK not in desk.user
        assert made["variants"][0]["provenance"]["examples"] == []
        refused = await desk.client.post(
            "/v1/drafts", json={"item_id": "garden-0", "channel": "push", "examples": 6}
        )
        assert refused.status_code == 400
        assert "0 to 5" in refused.json()["detail"]
    async with desk_of(shop, accepted_examples=2) as desk:
        await desk.draft("garden-0", "Dig this")
        assert MARK in desk.user
        await desk.draft("garden-0", "Dig this", examples=0)
        assert MARK not in desk.user


async def test_rejected_edited_and_other_brands_or_channels_copy_is_no_example(shop: Shop):
    async with desk_of(shop) as desk:
        rejected = await desk.draft("garden-1", "Rejected")
        await decided(desk.client, rejected, verdict="rejected", reason="no")
        edited = await desk.draft("garden-2", "Edited")
        await decided(desk.client, edited, verdict="accepted")
        await decided(desk.client, edited, verdict="edited", fields={"title": "Edited since"})
        await desk.accept("garden-3", "Of another brand", brand={"name": "Hollow"})
        await desk.draft("garden-0", "Dig this", examples=5)
        assert MARK not in desk.user


async def test_an_accepted_edit_is_shown_as_it_was_edited(shop: Shop):
    async with desk_of(shop) as desk:
        made = await desk.draft("garden-1", "Sow far, so good!")
        await decided(desk.client, made, verdict="edited", fields={"title": "Sow far, so good"})
        await decided(desk.client, made, verdict="accepted")
        await desk.draft("garden-0", "Dig this", examples=1)
        assert 'title: "Sow far, so good"\n' in desk.user


async def test_another_workspaces_copy_is_never_shown(shop: Shop):
    async with open_runtime(shop.settings()) as runtime:
        await upsert_items(runtime, "other", [Item(id="garden-0", title="Their trowel")])
    async with desk_of(shop) as desk:
        await desk.accept("garden-1", "Sow far, so good")
        desk.client.headers["Authorization"] = f"Bearer {shop.keys['other/admin']}"
        made = await desk.draft("garden-0", "Dig this", examples=5)
        assert MARK not in desk.user
        assert made["variants"][0]["provenance"]["examples"] == []


async def test_facts_of_an_example_are_no_facts_of_the_brief(shop: Shop):
    async with desk_of(shop) as desk:
        offer = {"text": "30% off", "code": "DIG30"}
        await desk.accept("garden-1", "30% off with code DIG30", offer=offer)
        request = {"item_id": "garden-0", "channel": "push", "n": 1, "audience": "gardeners", "examples": 1}
        desk.title = "Take 30% off with code DIG30"
        made = (await desk.client.post("/v1/drafts", json=request)).raise_for_status().json()
    failed = {check["rule"] for check in made["variants"][0]["checks"] if not check["passed"]}
    assert {"invented.percent", "invented.code"} <= failed


async def test_the_embedded_engine_is_shown_none(client: httpx.AsyncClient):
    body = {"item_id": "garden-0", "channel": "push", "n": 1, "examples": 5}
    made = (await client.post("/v1/drafts", json=body)).raise_for_status().json()
    await decided(client, made, verdict="accepted")
    again = (await client.post("/v1/drafts", json=body)).raise_for_status().json()
    assert again["variants"][0]["provenance"]["examples"] == []
    assert [variant["fields"] for variant in again["variants"]] == [
        variant["fields"] for variant in made["variants"]
    ]
