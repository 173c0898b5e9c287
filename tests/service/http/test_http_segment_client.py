"""Segment's own Python library, as it comes from the registry, with this server as its host."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from segment.analytics.client import Client

from service.app import create_app
from service.events.actions import newest_events
from service.profiles.actions import get_profile
from service.quality.actions import list_findings
from service.runtime import open_runtime
from tests.service.http.listening import listening
from tests.service.http.shop import Shop

WHEN = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
async def url(shop: Shop) -> AsyncGenerator[str]:
    async with listening(create_app(shop.settings(log_level="error"), background=False)) as address:
        yield address


def library(shop: Shop, url: str, **options: Any) -> Client:
    failed: list[Any] = []
    client = Client(
        shop.keys["default/ingest"], host=url, on_error=lambda *each: failed.append(each), **options
    )
    client.failed = failed  # type: ignore[attr-defined]
    return client


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
async def test_a_visit_that_ends_in_an_order_arrives_under_the_known_customer(
    shop: Shop, url: str, gzip: bool
):
    client = library(shop, url, gzip=gzip, upload_interval=0.1)

    def visit() -> None:
        for number in range(3):
            client.track(
                anonymous_id="a-1",
                event="Product Viewed",
                properties={"product_id": f"garden-{number}", "price": 5.0},
                timestamp=WHEN + timedelta(minutes=number),
            )
        client.page(anonymous_id="a-1", name="Cart", properties={"path": "/cart"}, timestamp=WHEN)
        client.identify(
            "c-9", {"plan": "gold", "address": {"city": "Leeds"}}, anonymous_id="a-1", timestamp=WHEN
        )
        products = [
            {"product_id": "garden-0", "price": 5.0, "quantity": 2},
            {"product_id": "music-1", "price": "6.5", "quantity": 1},
        ]
        order = {"order_id": "o-1", "total": 16.5, "products": products}
        client.track(
            "c-9", "Order Completed", order, timestamp=WHEN + timedelta(hours=1), message_id="m-order"
        )
        client.track(
            "c-9", "Order Completed", order, timestamp=WHEN + timedelta(hours=1), message_id="m-order"
        )
        client.group("c-9", "g-1", {"name": "Fernhill"}, timestamp=WHEN)
        client.flush()
        client.join()

    await asyncio.to_thread(visit)
    assert client.failed == []  # type: ignore[attr-defined]
    async with open_runtime(shop.settings()) as runtime:
        events = await newest_events(runtime, "default", "a-1")
        profile = await get_profile(runtime, "default", "a-1")
        findings = await list_findings(runtime, "default")
    bought = [(each.item_id, each.value, each.quantity) for each in events if each.type == "purchase"]
    assert sorted(bought) == [("garden-0", 10.0, 2.0), ("music-1", 6.5, 1.0)]
    assert sorted(each.type for each in events) == [
        "group",
        "page",
        "purchase",
        "purchase",
        "view",
        "view",
        "view",
    ]
    assert {each.profile_id for each in events} == {"c-9"}
    assert profile.id == "c-9"
    assert profile.traits == {"plan": "gold", "address.city": "Leeds"}
    (repeated,) = [each for each in findings if each.kind == "duplicate"]
    assert repeated.count == 2
    assert repeated.source.endswith("(ingest)")


async def test_a_wrong_key_reaches_the_library_as_an_error(shop: Shop, url: str):
    client = Client("pw_abcdefgh_" + "0" * 48, host=url, sync_mode=True)
    with pytest.raises(Exception, match="401"):
        await asyncio.to_thread(client.track, "c-1", "Product Viewed")


async def test_an_ingest_key_reads_nothing(shop: Shop, url: str):
    async with httpx.AsyncClient(auth=(shop.keys["default/ingest"], "")) as client:
        assert (await client.get(f"{url}/v1/profiles")).status_code == 403
        assert (await client.post(f"{url}/v1/events", json=[])).status_code == 200
