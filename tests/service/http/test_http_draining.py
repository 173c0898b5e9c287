"""What a process that is about to end says, and what it leaves of its jobs."""

import asyncio
import threading
import time
from typing import Any

import pytest

from service.app import create_app
from service.executor import stop_if_abandoned
from service.exports import actions
from service.runtime import open_runtime
from tests.service.http.shop import Shop, serving


async def test_readiness_says_no_while_requests_are_still_answered(shop: Shop):
    app = create_app(shop.settings(), background=False)
    async with serving(app) as client:
        assert "connection" not in (await client.get("/health/live")).headers
        app.state.runtime.drain(60)
        app.state.telemetry.closing = True
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        alive = await client.get("/health/live")
        assert (alive.status_code, alive.headers["connection"]) == (200, "close")
        assert app.state.telemetry.in_flight == set()


@pytest.mark.parametrize("seconds", [None, 60.0])
async def test_an_export_under_way_ends_or_says_at_once_that_it_did_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, seconds: float | None
):
    begun, whole = threading.Event(), actions.write_members

    def slowly(*arguments: Any) -> int:
        begun.set()
        for _ in range(20):
            time.sleep(0.01)
            stop_if_abandoned()
        return whole(*arguments)

    monkeypatch.setattr(actions, "write_members", slowly)
    async with open_runtime(shop.settings()) as runtime:
        export = await actions.start_export(runtime, "default", shop.segment, "ndjson")
        await asyncio.to_thread(begun.wait, 10)
        if seconds is not None:
            runtime.drain(seconds)
    async with open_runtime(shop.settings()) as runtime:
        found = await actions.get_export(runtime, "default", export.id)
        assert found.status == ("failed" if seconds is None else "ready")
        assert found.error == (actions.STOPPED if seconds is None else None)
