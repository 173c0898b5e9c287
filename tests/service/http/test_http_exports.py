"""Exports over HTTP: a job, its file in every format, downloads that break off, files that expire."""

import asyncio
import gzip
import io
import json
from datetime import timedelta
from typing import Any

import httpx
import polars as pl
import pytest

from service.errors import RangeNotSatisfiable
from service.exports import actions
from service.exports.routes import wanted_part
from service.runtime import Runtime
from tests.service.http.shop import Shop


async def exported(
    client: httpx.AsyncClient, segment: str, form: str = "ndjson", **more: str
) -> dict[str, Any]:
    begun = await client.post(f"/v1/segments/{segment}/exports", json={"format": form, **more})
    assert begun.status_code == 202, begun.text
    for _ in range(500):
        export = (await client.get(begun.headers["location"])).raise_for_status().json()
        if export["status"] != "running":
            return export
        await asyncio.sleep(0.02)
    raise AssertionError(f"still running: {begun.text}")


def exports_of(shop: Shop) -> list[str]:
    """Names of the files of exports there are."""
    return [path.name for path in shop.folder.glob("exports/default/*")]


async def members(client: httpx.AsyncClient, segment: str) -> list[dict[str, Any]]:
    page = (await client.get(f"/v1/segments/{segment}/members?limit=500")).raise_for_status().json()
    return page["results"]


async def test_every_format_holds_the_members_as_they_are_listed(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.exports.writing.ROWS_AT_ONCE", 3)
    listed = await members(client, shop.segment)
    for form in ("ndjson", "csv", "parquet"):
        export = await exported(client, shop.segment, form)
        assert (export["status"], export["count"], export["definition_version"]) == ("ready", len(listed), 1)
        answer = (await client.get(f"/v1/exports/{export['id']}/file")).raise_for_status()
        assert len(answer.content) == export["bytes"] == int(answer.headers["content-length"])
        content = answer.content if form == "parquet" else gzip.decompress(answer.content)
        match form:
            case "ndjson":
                rows = [json.loads(line) for line in content.splitlines()]
            case "csv":
                rows = pl.read_csv(io.BytesIO(content)).to_dicts()
            case _:
                rows = pl.read_parquet(io.BytesIO(content)).to_dicts()
        assert rows == listed


async def test_nobody_is_an_empty_file_of_each_format(client: httpx.AsyncClient):
    nobody = {"name": "nobody", "text": "any()"}
    (await client.post("/v1/segments", json=nobody)).raise_for_status()
    for form, empty in (("ndjson", b""), ("csv", b"profile_id,score\n")):
        export = await exported(client, "nobody", form)
        answer = await client.get(f"/v1/exports/{export['id']}/file")
        assert (export["count"], gzip.decompress(answer.content)) == (0, empty)
    export = await exported(client, "nobody", "parquet")
    answer = await client.get(f"/v1/exports/{export['id']}/file")
    assert pl.read_parquet(io.BytesIO(answer.content)).height == 0


async def test_a_download_that_broke_off_goes_on(client: httpx.AsyncClient, shop: Shop):
    export = await exported(client, shop.segment)
    path = f"/v1/exports/{export['id']}/file"
    whole = await client.get(path)
    half = len(whole.content) // 2
    resumed = {"Range": f"bytes={half}-", "If-Range": whole.headers["etag"]}
    rest = await client.get(path, headers=resumed)
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    assert whole.content[:half] + rest.content == whole.content
    other = await client.get(path, headers={**resumed, "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)
    beyond = await client.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert beyond.json()["type"] == "urn:pitchwright:problem:range-not-satisfiable"


def test_a_range_is_read_as_http_says():
    assert wanted_part("bytes=0-0", 10) == (0, 0)
    assert wanted_part("bytes=-3", 10) == (7, 9)
    assert wanted_part("bytes=-99", 10) == (0, 9)
    assert wanted_part("bytes=4-99", 10) == (4, 9)
    for whole in (None, "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"):
        assert wanted_part(whole, 10) is None
    for beyond in ("bytes=10-", "bytes=-0", "bytes=99-100"):
        with pytest.raises(RangeNotSatisfiable, match="10 bytes"):
            wanted_part(beyond, 10)


async def test_an_export_is_gone_when_somebody_in_it_is_erased(client: httpx.AsyncClient, shop: Shop):
    export = await exported(client, shop.segment)
    assert len(exports_of(shop)) == 1
    erased = (await members(client, shop.segment))[0]["profile_id"]
    (await client.delete(f"/v1/profiles/{erased}")).raise_for_status()
    gone = await client.get(f"/v1/exports/{export['id']}/file")
    assert gone.status_code == 410
    assert "erased" in gone.json()["detail"]
    assert exports_of(shop) == []
    again = await exported(client, shop.segment)
    assert again["count"] == export["count"] - 1
    assert (
        erased not in gzip.decompress((await client.get(f"/v1/exports/{again['id']}/file")).content).decode()
    )


async def test_an_export_nobody_downloads_expires_with_its_file(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    export = await exported(client, shop.segment)
    now = Runtime.now
    monkeypatch.setattr(Runtime, "now", lambda runtime: now(runtime) + timedelta(days=1, minutes=1))
    assert (await client.get(f"/v1/exports/{export['id']}")).json()["status"] == "expired"
    assert (await client.get(f"/v1/exports/{export['id']}/file")).status_code == 410
    again = await exported(client, shop.segment)
    assert exports_of(shop) == [f"{again['id']}.ndjson.gz"]


async def test_a_job_that_fails_or_falls_silent_says_so(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(actions, "write_members", full)
    failed = await exported(client, shop.segment)
    assert failed["status"] == "failed"
    assert "No space left" in failed["error"]
    refused = await client.get(f"/v1/exports/{failed['id']}/file")
    assert (refused.status_code, "No space left" in refused.json()["detail"]) == (409, True)

    async def killed(*_: object) -> None:
        return

    monkeypatch.setattr(actions, "_write", killed)
    monkeypatch.setattr(actions, "SILENCE", timedelta(seconds=-1))
    silent = await exported(client, shop.segment)
    assert (silent["status"], "stopped" in silent["error"]) == ("failed", True)


async def test_what_cannot_be_exported_is_refused_before_a_job_is_begun(
    client: httpx.AsyncClient, shop: Shop
):
    assert (await client.post("/v1/segments/nowhere/exports", json={})).status_code == 404
    xml = await client.post(f"/v1/segments/{shop.segment}/exports", json={"format": "xml"})
    assert xml.status_code == 400
    assert (await client.get("/v1/exports/nothing")).status_code == 404
    assert (await client.get("/v1/exports/nothing/file")).status_code == 404
    assert not exports_of(shop)
