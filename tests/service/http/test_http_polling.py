"""A client that has what it asked for before: ETags, 304, and lists of what changed since."""

from datetime import timedelta
from typing import Any

import httpx

from tests.service.http.shop import NOW, Shop

POLLED = (
    "/v1/items",
    "/v1/items/garden-0",
    "/v1/profiles?limit=3",
    "/v1/profiles/p-0",
    "/v1/profiles/p-0/segments",
    "/v1/segments",
    "/v1/segments?updated_since=2020-01-01T00:00:00Z",
    "/v1/segments/gardeners",
    "/v1/segments/gardeners/count",
    "/v1/segments/gardeners/members?limit=2",
    "/v1/snapshots",
    "/v1/drafts",
)


async def again(client: httpx.AsyncClient, path: str, tag: str, **headers: str) -> httpx.Response:
    return await client.get(path, headers={"If-None-Match": tag, **headers})


async def test_what_a_client_has_is_not_sent_again(client: httpx.AsyncClient):
    for path in POLLED:
        whole = await client.get(path)
        tag = whole.headers["etag"]
        for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            spared = await again(client, path, told)
            assert (spared.status_code, spared.content) == (304, b""), f"{path} {told}"
            assert spared.headers["etag"] == tag
            assert not {"content-type", "content-length"} & spared.headers.keys()
        for told in ('"other"', tag.strip('"'), tag[:-2] + '"', "", '"'):
            sent = await again(client, path, told)
            assert (sent.status_code, sent.json()) == (200, whole.json()), f"{path} {told}"


async def test_a_refusal_is_never_unchanged(client: httpx.AsyncClient):
    for path, status in (
        ("/v1/items/nothing", 404),
        ("/v1/items?limit=0", 400),
        ("/v1/segments/no/count", 404),
    ):
        refused = await again(client, path, "*")
        assert refused.status_code == status
        assert "etag" not in refused.headers
        assert refused.json()["status"] == status


async def test_a_change_shows_whichever_way_a_segment_is_asked_for(client: httpx.AsyncClient):
    paths = [path for path in POLLED if "gardeners" in path or path == "/v1/segments"]
    tags = {path: (await client.get(path)).headers["etag"] for path in paths}
    change = {"definition": {"like": "camping trips", "top": 3}}
    stale = tags["/v1/segments/gardeners"]
    changed = await client.patch("/v1/segments/gardeners", json=change, headers={"If-Match": stale})
    assert changed.status_code == 200, changed.text
    for path in paths:
        assert (await again(client, path, tags[path])).status_code == 200, path
    late = await client.patch("/v1/segments/gardeners", json=change, headers={"If-Match": stale})
    assert late.status_code == 412
    fresh = (await client.get("/v1/segments/gardeners")).headers["etag"]
    assert fresh.startswith('"2-')


async def test_a_name_given_anew_is_another_segment(client: httpx.AsyncClient):
    body = {"name": "campers", "definition": {"like": "camping"}}
    (await client.post("/v1/segments", json=body)).raise_for_status()
    first = (await client.get("/v1/segments/campers")).headers["etag"]
    await client.delete("/v1/segments/campers", headers={"If-Match": first})
    (await client.post("/v1/segments", json=body)).raise_for_status()
    second = await again(client, "/v1/segments/campers", first)
    assert (second.status_code, second.json()["version"]) == (200, 1)


async def test_an_erased_profile_changes_counts_and_pages(client: httpx.AsyncClient):
    paths = ("/v1/segments/gardeners/count", "/v1/segments/gardeners/members?limit=50")
    tags = {path: (await client.get(path)).headers["etag"] for path in paths}
    member = (await client.get(paths[1])).json()["results"][0]["profile_id"]
    (await client.delete(f"/v1/profiles/{member}")).raise_for_status()
    for path in paths:
        after = await again(client, path, tags[path])
        assert after.status_code == 200
        assert member not in after.text


async def test_another_workspaces_tag_says_nothing(shop: Shop, client: httpx.AsyncClient):
    theirs = {"Authorization": f"Bearer {shop.keys['other/admin']}"}
    item = {"id": "same", "title": "The very same lamp"}
    for key in ({}, theirs):
        (await client.post("/v1/items", json=[item], headers=key)).raise_for_status()
    for path in ("/v1/items/same", "/v1/drafts"):
        ours, others = await client.get(path), await client.get(path, headers=theirs)
        assert ours.content == others.content
        assert ours.headers["etag"] != others.headers["etag"]
        assert (await again(client, path, ours.headers["etag"], **theirs)).status_code == 200
        assert (await again(client, path, others.headers["etag"], **theirs)).status_code == 304


async def test_changes_are_paged_through_and_polled_over_http(client: httpx.AsyncClient):
    async def poll(since: str) -> tuple[list[str], str]:
        found: list[str] = []
        link: str | None = str(httpx.URL("/v1/items", params={"limit": 10, "updated_since": since}))
        paging: dict[str, Any] = {}
        while link is not None:
            page = (await client.get(link)).raise_for_status().json()
            found += [item["id"] for item in page["results"]]
            paging = page["paging"]
            link = paging["next"] and paging["next"]["link"]
        return found, paging["updated_since"]

    everything, since = await poll("1970-01-01T00:00:00+00:00")
    assert len(everything) == 24
    (await client.post("/v1/items", json=[{"id": "new", "title": "New"}])).raise_for_status()
    changed, _ = await poll(since)
    assert changed[-1] == "new"
    narrowed = {"updated_since": since, "category": "kitchen"}
    kitchen = (await client.get("/v1/items", params=narrowed)).json()["results"]
    assert {item["category"] for item in kitchen} <= {"kitchen"}


async def test_only_lists_of_changes_say_what_to_ask_with_next(client: httpx.AsyncClient):
    assert (await client.get("/v1/items")).json()["paging"].keys() == {"next"}
    later = (NOW + timedelta(days=9)).isoformat()
    polled = (await client.get("/v1/profiles", params={"updated_since": later})).json()
    assert polled["paging"] == {"next": None, "updated_since": "2026-12-01T12:00:00Z"}


async def test_a_cursor_of_the_other_order_and_a_time_that_is_none_are_refused(client: httpx.AsyncClient):
    after = (await client.get("/v1/profiles?limit=1")).json()["paging"]["next"]["after"]
    asked = (
        {"updated_since": "2026-01-01T00:00:00Z", "after": after},
        {"updated_since": "yesterday"},
        {"updated_since": "2026-01-01T00:00:00"},
        {"updated_since": "0001-01-01T00:00:00+14:00"},
        {"after": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwieCJd"},  # a moment without an offset
    )
    for query in asked:
        for path in ("/v1/profiles", "/v1/items", "/v1/segments"):
            refused = await client.get(path, params=query)
            assert refused.status_code == 400, f"{path} {query}: {refused.text}"
