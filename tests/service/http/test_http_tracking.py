"""Segment's calls over HTTP: what is stored of each, what is refused, and what is noted."""

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.tracking.names import MEANINGS
from tests.service.http.shop import Shop, client_of

NOW = datetime.now(UTC)
WHO: dict[str, Any] = {"userId": "c-1", "timestamp": "2026-11-20T09:00:00Z"}


async def stored(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def kinds(shop: Shop, profile_id: str) -> list[tuple[str, str | None, float | None]]:
    from service.events.actions import newest_events
    from service.runtime import open_runtime

    async with open_runtime(shop.settings()) as runtime:
        found = await newest_events(runtime, "default", profile_id)
    return sorted((each.type, each.item_id, each.value) for each in found)


async def test_names_of_the_table_become_types_and_others_stay(shop: Shop, client: httpx.AsyncClient):
    said: list[tuple[str, dict[str, Any]]] = [
        ("product viewed", {"sku": "garden-1", "price": 4.0}),
        ("Product Added", {"product_id": "garden-1", "price": 4.0, "quantity": 3}),
        ("Products Searched", {"query": "trowel"}),
        ("Email Link Clicked", {"variant_id": "v-1"}),
        ("Bench Assembled", {"revenue": 7, "minutes": 30}),
    ]
    for number, (name, properties) in enumerate(said):
        call = {**WHO, "messageId": f"m-{number}", "event": name, "properties": properties}
        answer = await stored(client, "/v1/track", **call)
        assert (answer["success"], answer["stored"]) == (True, 1)
    assert await kinds(shop, "c-1") == sorted(
        [
            ("view", "garden-1", None),
            ("add_to_cart", "garden-1", 12.0),
            ("search", None, None),
            ("click", None, None),
            ("Bench Assembled", None, 7.0),
        ],
        key=lambda each: each[0],
    )


async def test_a_call_sent_again_is_a_duplicate_and_with_another_body_it_is_refused(
    client: httpx.AsyncClient,
):
    call = {**WHO, "messageId": "m", "event": "Product Viewed", "properties": {"product_id": "garden-1"}}
    assert (await stored(client, "/v1/track", **call))["stored"] == 1
    assert (await stored(client, "/v1/track", **call))["duplicate"] == 1
    other = await client.post("/v1/track", json={**call, "event": "Product Added"})
    assert other.status_code == 400
    assert "id 'm' is recorded with another type" in other.json()["detail"]
    mixed = await stored(
        client,
        "/v1/batch",
        batch=[{**call, "type": "track"}, {**call, "type": "track", "userId": "c-2"}, {"type": "x"}],
    )
    assert (mixed["read"], mixed["duplicate"], mixed["rejected"]) == (3, 1, 2)
    assert [each["row"] for each in mixed["rejects"]] == [1, 2]


@pytest.mark.parametrize(
    ("path", "call", "told"),
    [
        ("track", {"event": "X"}, "neither userId nor anonymousId"),
        ("track", {"userId": "c"}, "track needs event"),
        ("track", {"userId": "c", "event": "X", "timestamp": "soon"}, "'soon' is no ISO 8601 time"),
        ("track", {"userId": "c\n", "event": "X", "timestamp": "2999-01-01"}, "more than a day after now"),
        ("track", {"userId": "c" * 201, "event": "X"}, "201 characters"),
        ("track", {"userId": "c", "event": "X" * 65}, "65 characters"),
        ("alias", {"userId": "c"}, "alias needs previousId and userId"),
        ("identify", {"userId": "c", "traits": {"deep": "\u0000"}}, "NUL"),
        ("track", {"userId": {"id": 1}, "event": "X"}, "userId"),
    ],
)
async def test_a_call_that_says_nothing_is_refused_with_its_value(
    client: httpx.AsyncClient, path: str, call: dict[str, Any], told: str
):
    response = await client.post(f"/v1/{path}", json=call)
    assert response.status_code == 400
    assert told in response.json()["detail"]


async def test_an_event_of_an_erased_profile_is_refused_under_all_its_ids(client: httpx.AsyncClient):
    await stored(client, "/v1/identify", **WHO, anonymousId="a-1", traits={"plan": "gold"})
    receipt = (await client.delete("/v1/profiles/a-1")).json()
    assert len(receipt["subjects"]) == 2
    assert (await client.delete("/v1/profiles/c-1")).json() == receipt
    for who in ({"userId": "c-1"}, {"anonymousId": "a-1"}):
        for path, call in (
            ("track", {"event": "Product Viewed"}),
            ("identify", {"traits": {"plan": "free"}}),
        ):
            response = await client.post(f"/v1/{path}", json={**call, **who})
            assert response.status_code == 400
            assert "was erased" in response.json()["detail"]
        assert (await client.get(f"/v1/profiles/{next(iter(who.values()))}")).status_code == 404


async def test_a_second_customer_of_one_device_keeps_the_traits_and_not_the_history(
    client: httpx.AsyncClient,
):
    await stored(client, "/v1/identify", userId="c-1", anonymousId="a-1", traits={"plan": "gold"})
    second = await stored(client, "/v1/identify", userId="c-2", anonymousId="a-1", traits={"plan": "free"})
    assert (second["stored"], second["rejected"]) == (1, 1)
    assert "'a-1' belongs to profile 'c-1'" in second["rejects"][0]["reason"]
    assert (await client.get("/v1/profiles/a-1")).json()["id"] == "c-1"
    assert (await client.get("/v1/profiles/c-2")).json()["traits"] == {"plan": "free"}
    listed = (await client.get("/v1/profiles", params={"limit": 500})).json()["results"]
    assert "a-1" not in {each["id"] for each in listed}


async def test_a_wrong_clock_is_put_right_and_an_import_is_taken_at_its_word(
    shop: Shop, client: httpx.AsyncClient
):
    behind = NOW - timedelta(days=400)
    call = {
        "type": "track",
        "userId": "c-1",
        "event": "X",
        "timestamp": (behind - timedelta(hours=1)).isoformat(),
    }
    await stored(client, "/v1/batch", batch=[{**call, "messageId": "m-1"}], sentAt=behind.isoformat())
    await stored(client, "/v1/import", batch=[{**call, "messageId": "m-2"}], sentAt=behind.isoformat())
    from service.events.actions import newest_events
    from service.runtime import open_runtime

    async with open_runtime(shop.settings()) as runtime:
        live, old = await newest_events(runtime, "default", "c-1")
    assert abs(live.occurred_at - (datetime.now(UTC) - timedelta(hours=1))) < timedelta(minutes=5)
    assert old.occurred_at == behind - timedelta(hours=1)


async def test_numbers_that_are_none_are_kept_as_properties_and_noted(shop: Shop, client: httpx.AsyncClient):
    properties = {"product_id": "gone-1", "price": "12,50", "quantity": -1}
    await stored(client, "/v1/track", **WHO, event="Product Added", properties=properties)
    from service.quality.actions import list_findings
    from service.runtime import open_runtime

    async with open_runtime(shop.settings()) as runtime:
        found = {(each.kind, each.about): each for each in await list_findings(runtime, "default")}
    assert found["impossible", "price … is no number"].done == "kept among the properties only"
    assert "'12,50'" in found["impossible", "price … is no number"].example
    assert ("impossible", "quantity … is below zero") in found
    assert ("unknown", "item_id … is not in the catalogue: store the item first") in found
    assert await kinds(shop, "c-1") == [("add_to_cart", "gone-1", None)]


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)), packer.flush()])


async def test_gzip_is_unpacked_and_a_bomb_is_refused_before_it_goes_off(shop: Shop):
    event = b'[{"id": "z", "profile_id": "p-1", "type": "view", "occurred_at": "2026-11-21T00:00:00Z"}]'
    async with client_of(shop.settings(max_body_bytes=100_000), shop.keys["default/ingest"]) as client:

        async def sent(body: bytes, encoding: str = "gzip") -> httpx.Response:
            headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
            return await client.post("/v1/events", content=body, headers=headers)

        assert (await sent(gzip.compress(event))).json()["stored"] == 1
        assert (await sent(gzip.compress(event[:40]) + gzip.compress(event[40:]))).json()["duplicate"] == 1
        packed = bomb(50_000_000)
        assert len(packed) < 100_000
        refused = await sent(packed)
        assert refused.status_code == 413
        assert "more than 100,000 bytes" in refused.json()["detail"]
        assert (await sent(gzip.compress(gzip.compress(event)))).status_code == 400
        for body, encoding, told in (
            (gzip.compress(event)[:-9], "gzip", "cut off"),
            (event, "gzip", "no gzip"),
            (event, "br", "'br'"),
            (gzip.compress(event), "gzip, gzip", "'gzip, gzip'"),
        ):
            response = await sent(body, encoding)
            assert (response.status_code, told in response.json()["detail"]) == (400, True)
        assert (await sent(b"[" + b" " * 200_000, "identity")).status_code == 413


def test_the_table_of_names_is_documented_as_it_is():
    text = (Path(__file__).parents[3] / "service" / "README.md").read_text()
    for name, meaning in MEANINGS.items():
        told = [*(["one for each product"] if meaning.each else []), *(["money"] if meaning.money else [])]
        told += [f"channel {meaning.channel}"] if meaning.channel else []
        assert f"| {name} | `{meaning.type}` | {', '.join(told)} |" in text
