"""Two service processes on one PostgreSQL, each with its own data folder: what one does, the other knows."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_key, create_workspace, revoke_key
from tests.contracts.conftest import postgres_socket as postgres_socket
from tests.contracts.conftest import postgres_url as postgres_url
from tests.journeys.test_http_serve import START_SECONDS, answering, free_port, served

EVERYBODY = {"name": "everybody", "text": 'country = "DE"'}
PEOPLE = [{"id": f"p-{number}", "traits": {"country": "DE"}} for number in range(5)]


async def asked(client: httpx.AsyncClient, path: str, **sent: Any) -> Any:
    answer = await client.request("POST" if sent else "GET", path, **sent)
    return answer.raise_for_status().json()


async def counted_alike(one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
    """Wait until both answer from the snapshot that one of them built by itself, under one ETag."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            first, second = [await each.get("/v1/segments/everybody/count") for each in (one, two)]
            if first.json().get("count") == len(PEOPLE) and first.json() == second.json():
                assert first.headers["etag"] == second.headers["etag"]
                return
            await asyncio.sleep(0.1)


async def use_both(runtime: Runtime, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
    # Writes: what one acknowledged, the other reads, and refuses twice.
    assert (await asked(one, "/v1/profiles", json=PEOPLE))["stored"] == 5
    assert (await asked(two, "/v1/profiles", json=PEOPLE))["duplicate"] == 5
    assert (await asked(two, "/v1/profiles/p-3"))["traits"] == {"country": "DE"}
    await asked(two, "/v1/segments", json=EVERYBODY)

    # Snapshots: one builds, both answer from it, and a cursor goes on at either.
    await counted_alike(one, two)
    first = await asked(one, "/v1/segments/everybody/members?limit=2")
    rest = await asked(two, first["paging"]["next"]["link"])
    paged = [each["profile_id"] for each in (*first["results"], *rest["results"])]
    assert paged == ["p-0", "p-1", "p-2", "p-3"]

    # An erasure at one masks at the other, from its answer on.
    (await two.delete("/v1/profiles/p-1")).raise_for_status()
    assert (await asked(one, "/v1/segments/everybody/count"))["count"] == 4
    assert (await one.get("/v1/profiles/p-1")).status_code == 404

    # Keys: made and revoked elsewhere, they open and close both.
    made = await create_key(runtime, "default", "late", ["crm"])
    late = {"X-API-Key": made.text}
    assert [(await each.get("/v1/segments", headers=late)).status_code for each in (one, two)] == [200, 200]
    await revoke_key(runtime, "default", made.key.prefix)
    assert [(await each.get("/v1/segments", headers=late)).status_code for each in (one, two)] == [401, 401]


@pytest.mark.slow
@pytest.mark.postgres
async def test_two_processes_see_each_others_writes_keys_and_snapshots(tmp_path: Path, postgres_url: str):
    bucket = str(tmp_path / "bucket")
    own = Settings(data_dir=str(tmp_path / "test"), database_url=postgres_url)
    async with open_runtime(own) as runtime:
        await create_workspace(runtime, "default")
        key = (await create_key(runtime, "default", "both", ["crm"])).text
        ports = free_port(), free_port()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        shared = {"database_url": postgres_url, "snapshot_url": bucket, "snapshot_interval_seconds": "1"}
        with served(tmp_path / "one", ports[0], **shared), served(tmp_path / "two", ports[1], **shared):
            for url in urls:
                await answering(f"{url}/health/live")
            sent = {"X-API-Key": key}
            async with (
                httpx.AsyncClient(base_url=urls[0], headers=sent, timeout=60) as one,
                httpx.AsyncClient(base_url=urls[1], headers=sent, timeout=60) as two,
            ):
                await use_both(runtime, one, two)
