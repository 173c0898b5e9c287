"""The same request sent twice is done once."""

import asyncio
from datetime import UTC, datetime

import httpx
from sqlalchemy import text

from service.app import create_app
from service.openapi import PUBLIC
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.store import IdempotencyStore
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_access import handlers

SEGMENT = {"name": "campers", "definition": {"like": "camping"}}
KEY = {"Idempotency-Key": "order-77"}


CREATES_NOTHING = ("/parse", "/preview", "/discover", "/render", "/score")


def test_every_post_that_creates_takes_a_key():
    looked_at = 0
    for method, path, handler in handlers(create_app(Settings())):
        if method == "POST" and handler.opt["scope"] != (PUBLIC,) and not path.endswith(CREATES_NOTHING):
            looked_at += 1
            assert handler.opt["idempotent"], path
    assert looked_at == 31


async def test_a_repeat_is_answered_the_same_and_done_once(client: httpx.AsyncClient):
    first = await client.post("/v1/segments", json=SEGMENT, headers=KEY)
    again = await client.post("/v1/segments", json=SEGMENT, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len((await client.get("/v1/segments")).json()["results"]) == 2


async def test_the_answer_survives_a_restart(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        first = await client.post("/v1/segments", json=SEGMENT, headers=KEY)
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        again = await client.post("/v1/segments", json=SEGMENT, headers=KEY)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


async def test_the_key_of_another_request_is_refused(client: httpx.AsyncClient):
    (await client.post("/v1/segments", json=SEGMENT, headers=KEY)).raise_for_status()
    other_body = await client.post("/v1/segments", json={**SEGMENT, "name": "x"}, headers=KEY)
    other_path = await client.post("/v1/items", json=[SEGMENT], headers=KEY)
    for response in (other_body, other_path):
        assert response.status_code == 422
        assert "order-77" in response.json()["detail"]


async def test_a_key_belongs_to_its_workspace(client: httpx.AsyncClient, shop: Shop):
    (await client.post("/v1/segments", json=SEGMENT, headers=KEY)).raise_for_status()
    other = {**KEY, "Authorization": f"Bearer {shop.keys['other/admin']}"}
    theirs = await client.post("/v1/segments", json=SEGMENT, headers=other)
    assert theirs.status_code == 201
    assert "idempotency-replayed" not in theirs.headers


async def test_a_failure_frees_the_key(client: httpx.AsyncClient):
    bad = await client.post("/v1/segments", json={"name": "campers", "definition": {"no": 1}}, headers=KEY)
    assert bad.status_code == 422
    good = await client.post("/v1/segments", json=SEGMENT, headers=KEY)
    assert good.status_code == 201


async def test_of_two_at_once_one_is_done(client: httpx.AsyncClient):
    both = await asyncio.gather(*(client.post("/v1/segments", json=SEGMENT, headers=KEY) for _ in range(2)))
    statuses = sorted(response.status_code for response in both)
    assert statuses in ([201, 201], [201, 409])
    assert len((await client.get("/v1/segments")).json()["results"]) == 2


async def test_a_request_that_still_runs_is_a_conflict(shop: Shop):
    async with open_runtime(shop.settings()) as runtime, runtime.database.write() as session:
        await IdempotencyStore(session, "default").begin("order-77", "another", datetime.now(UTC))
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        response = await client.post("/v1/segments", json=SEGMENT, headers=KEY)
    assert response.status_code == 422
    async with open_runtime(shop.settings()) as runtime, runtime.database.write() as session:
        fingerprint = await _fingerprint_of(shop)
        await IdempotencyStore(session, "default").begin("order-78", fingerprint, datetime.now(UTC))
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        response = await client.post("/v1/segments", json=SEGMENT, headers={"Idempotency-Key": "order-78"})
    assert response.status_code == 409
    assert int(response.headers["retry-after"]) > 0


async def _fingerprint_of(shop: Shop) -> str:
    """What the service notes of this very request."""
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        (
            await client.post("/v1/segments", json=SEGMENT, headers={"Idempotency-Key": "probe"})
        ).raise_for_status()

    noted = text("SELECT fingerprint FROM idempotency_keys WHERE key = 'probe'")
    async with open_runtime(shop.settings()) as runtime, runtime.database.read() as session:
        return str(await session.scalar(noted))


async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient):
    for key in ("", " ", "x" * 201, "tab\tinside"):
        response = await client.post("/v1/segments", json=SEGMENT, headers={"Idempotency-Key": key})
        assert response.status_code == 400
        assert "200" in response.json()["detail"]
