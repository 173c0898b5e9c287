"""Items, profiles and events over HTTP: many rows in, one out, recommendations, erasure."""

from typing import Any

import httpx
import pytest

from service.profiles import recommendations
from tests.service.http.shop import Shop


async def test_rows_come_in_and_bad_ones_are_told_by_their_place(client: httpx.AsyncClient):
    rows: list[Any] = [
        {"id": "new-1", "title": "Bird feeder", "price": 12.5},
        {"id": "new-2", "title": "Bird bath", "price": "abc"},
        {"id": "new-3", "title": "Bird house", "colour": "red"},
        7,
        {"id": "new-4", "title": "Bird table", "price": -1},
        {"id": "new-5", "title": "Bird seed"},
    ]
    counts = (await client.post("/v1/items", json=rows)).raise_for_status().json()
    assert (counts["read"], counts["stored"], counts["rejected"]) == (6, 2, 4)
    assert [reject["row"] for reject in counts["rejects"]] == [1, 2, 3, 4]
    reasons = {reject["row"]: reject["reason"] for reject in counts["rejects"]}
    assert "$.price" in reasons[1]
    assert "abc" in reasons[1]
    assert "colour" in reasons[2]
    assert "-1" in reasons[4]
    assert (await client.get("/v1/items/new-1")).json()["price"] == 12.5
    assert (await client.get("/v1/items/new-2")).status_code == 404


async def test_ndjson_is_read_line_by_line(client: httpx.AsyncClient):
    lines = '{"id": "a", "title": "A"}\n\nnot json\n{"id": "b", "title": "B"}\r\n'
    headers = {"Content-Type": "application/x-ndjson"}
    counts = (await client.post("/v1/items", content=lines, headers=headers)).raise_for_status().json()
    assert (counts["read"], counts["stored"], counts["rejected"]) == (3, 2, 1)
    assert counts["rejects"][0]["row"] == 1
    assert "not JSON" in counts["rejects"][0]["reason"]


async def test_sending_the_same_rows_again_changes_nothing(client: httpx.AsyncClient):
    event = {
        "id": "once",
        "profile_id": "p-0",
        "type": "view",
        "item_id": "garden-1",
        "occurred_at": "2026-11-21T00:00:00Z",
    }
    first = (await client.post("/v1/events", json=[event])).raise_for_status().json()
    again = (await client.post("/v1/events", json=[event])).raise_for_status().json()
    assert (first["stored"], again["stored"], again["duplicate"]) == (1, 0, 1)


async def test_an_event_of_an_unknown_item_or_a_far_future_is_rejected(client: httpx.AsyncClient):
    base = {"profile_id": "p-0", "type": "view", "occurred_at": "2026-11-21T00:00:00Z"}
    rows = [
        {**base, "id": "x1", "item_id": "nothing"},
        {**base, "id": "x2", "occurred_at": "2999-01-01T00:00:00Z"},
        {**base, "id": "x3", "occurred_at": "yesterday"},
    ]
    counts = (await client.post("/v1/events", json=rows)).raise_for_status().json()
    assert counts["rejected"] == 3
    told = [reject["reason"] for reject in counts["rejects"]]
    assert "nothing" in told[0]
    assert "2999" in told[1]
    assert "yesterday" in told[2]


@pytest.mark.parametrize("kind", ["items", "profiles"])
async def test_a_listing_is_paged_through_without_a_gap_or_a_repeat(client: httpx.AsyncClient, kind: str):
    seen: list[str] = []
    link = f"/v1/{kind}?limit=7"
    while link:
        page = (await client.get(link)).raise_for_status().json()
        seen += [row["id"] for row in page["results"]]
        following = page["paging"]["next"]
        link = following["link"] if following else ""
        assert "limit=7" in link or not link
    whole = (await client.get(f"/v1/{kind}", params={"limit": 500})).json()["results"]
    assert len(whole) > 14
    assert seen == [row["id"] for row in whole] == sorted(set(seen))


async def test_items_of_one_category_and_their_removal(client: httpx.AsyncClient):
    page = (await client.get("/v1/items", params={"category": "music", "limit": 500})).json()
    assert {item["category"] for item in page["results"]} == {"music"}
    assert (await client.delete("/v1/items/music-0")).status_code == 204
    assert (await client.get("/v1/items/music-0")).status_code == 404
    assert (await client.delete("/v1/items/music-0")).status_code == 404


async def test_recommendations_follow_the_newest_events_at_once(client: httpx.AsyncClient):
    path = "/v1/profiles/p-40/recommendations"
    cold = (await client.get(path, params={"k": 3})).raise_for_status().json()
    assert len(cold["results"]) == 3
    rows = [
        {
            "id": f"live-{n}",
            "profile_id": "p-40",
            "type": "view",
            "item_id": f"camping-{n}",
            "occurred_at": "2026-11-22T12:30:00Z",
        }
        for n in range(3)
    ]
    (await client.post("/v1/events", json=rows)).raise_for_status()
    warm = (await client.get(path, params={"k": 5})).raise_for_status().json()
    categories = [each["item"]["category"] for each in warm["results"]]
    assert categories.count("camping") >= 3
    assert warm["as_of"]
    assert all(each["reasons"] for each in warm["results"])


async def test_recommendations_obey_their_filters(client: httpx.AsyncClient):
    path = "/v1/profiles/p-0/recommendations"
    wishes: dict[str, Any] = {"k": 20, "category": ["music", "garden"], "max_price": 7.0}
    found = (await client.get(path, params=wishes)).raise_for_status().json()["results"]
    assert found
    assert {each["item"]["category"] for each in found} <= {"music", "garden"}
    assert all(each["item"]["price"] <= 7.0 for each in found)
    for price in ("nan", "-1"):
        refused = await client.get(path, params={"max_price": price})
        assert (refused.status_code, price in refused.json()["detail"]) == (400, True)
    bought = (await client.get(path, params={"k": 50, "exclude_bought": True})).json()["results"]
    assert "garden-3" not in {each["item"]["id"] for each in bought}


async def test_an_explanation_adds_up_and_diversity_has_its_range(client: httpx.AsyncClient):
    path = "/v1/profiles/p-0/recommendations"
    explained = (
        (await client.get(path, params={"k": 5, "explain": True})).raise_for_status().json()["results"]
    )
    for each in explained:
        assert sum(why["weight"] for why in each["reasons"]) == pytest.approx(each["score"], abs=1e-5)
    mixed = (await client.get(path, params={"k": 8, "diversity": 0.95})).raise_for_status().json()["results"]
    alone = (await client.get(path, params={"k": 8})).raise_for_status().json()["results"]
    assert mixed[0]["item"]["id"] == alone[0]["item"]["id"]
    assert len({each["item"]["category"] for each in mixed}) > len(
        {each["item"]["category"] for each in alone}
    )
    for diversity in ("nan", "1.5", "-0.1"):
        refused = await client.get(path, params={"diversity": diversity})
        assert (refused.status_code, diversity in refused.json()["detail"]) == (400, True)


async def test_a_removed_item_is_recommended_no_more(client: httpx.AsyncClient):
    path = "/v1/items/garden-0/similar"
    before = [each["item"]["id"] for each in (await client.get(path, params={"k": 3})).json()["results"]]
    (await client.delete(f"/v1/items/{before[0]}")).raise_for_status()
    after = [each["item"]["id"] for each in (await client.get(path, params={"k": 3})).json()["results"]]
    assert before[0] not in after
    assert len(after) == 3


async def test_items_removed_since_the_snapshot_are_replaced_however_many(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(recommendations, "SPARE", 0)
    paths = ("/v1/profiles/p-0/recommendations", "/v1/items/garden-0/similar")
    best = {
        item["item"]["id"]
        for path in paths
        for item in (await client.get(path, params={"k": 8})).json()["results"]
    }
    for item in sorted(best - {"garden-0"}):
        (await client.delete(f"/v1/items/{item}")).raise_for_status()
    for path in paths:
        found = (await client.get(path, params={"k": 8})).raise_for_status().json()["results"]
        assert len(found) == 8
        assert not best & {each["item"]["id"] for each in found} - {"garden-0"}


async def test_similar_items_share_the_meaning(client: httpx.AsyncClient):
    found = (await client.get("/v1/items/garden-0/similar", params={"k": 3})).raise_for_status().json()
    assert "garden-0" not in {each["item"]["id"] for each in found["results"]}
    assert [each["item"]["category"] for each in found["results"]].count("garden") >= 2


async def test_an_erased_profile_is_gone_from_every_read_at_once(client: httpx.AsyncClient, shop: Shop):
    def ids(found: dict[str, Any]) -> set[str]:
        return {each["profile_id"] for each in found["results"]}

    before = (await client.get("/v1/items/garden-0/profiles", params={"k": 40})).raise_for_status().json()
    gone = next(each["profile_id"] for each in before["results"])
    erased = (await client.delete(f"/v1/profiles/{gone}")).raise_for_status().json()
    assert {"where": "store.profiles", "count": 1} in erased["removed"]
    assert gone not in str(erased)
    assert (await client.get(f"/v1/profiles/{gone}")).status_code == 404
    assert (await client.get(f"/v1/profiles/{gone}/recommendations")).status_code == 404
    assert (await client.get(f"/v1/segments/{shop.segment}/match/{gone}")).status_code == 404
    after = (await client.get("/v1/items/garden-0/profiles", params={"k": 40})).json()
    assert gone not in ids(after)
    members = (await client.get(f"/v1/segments/{shop.segment}/members", params={"limit": 500})).json()
    assert gone not in ids(members)
    again = (await client.post("/v1/profiles", json=[{"id": gone}])).json()
    assert again["rejected"] == 1


async def test_without_a_snapshot_the_answer_says_to_build_one(client: httpx.AsyncClient, shop: Shop):
    headers = {"Authorization": f"Bearer {shop.keys['other/admin']}"}
    response = await client.get("/v1/items/theirs-1/similar", headers=headers)
    assert response.status_code == 409
    assert "POST /v1/snapshots" in response.json()["detail"]


async def test_k_out_of_range_names_the_maximum(client: httpx.AsyncClient):
    for k in (10**9, 0):
        response = await client.get("/v1/profiles/p-0/recommendations", params={"k": k})
        assert response.status_code == 400
        assert "500" in response.json()["detail"]


async def test_a_snapshot_is_built_and_listed(client: httpx.AsyncClient):
    known = (await client.get("/v1/snapshots")).raise_for_status().json()["results"]
    built = await client.post("/v1/snapshots")
    assert built.status_code == 201
    listed = (await client.get("/v1/snapshots")).raise_for_status().json()["results"]
    assert listed[0]["version"] == built.json()["version"]
    assert len(known) == 1
