"""Segments over HTTP: define, change with care, preview, page, match."""

from typing import Any

import httpx

from tests.service.http.shop import Shop

LIKE = {"like": "camping trips"}


async def created(client: httpx.AsyncClient, name: str = "campers") -> httpx.Response:
    return await client.post("/v1/segments", json={"name": name, "definition": LIKE})


async def test_a_segment_is_made_found_by_id_and_name_and_listed(client: httpx.AsyncClient):
    response = await created(client)
    assert response.status_code == 201
    segment = response.json()
    assert response.headers["etag"] == '"1"'
    assert response.headers["location"] == f"/v1/segments/{segment['id']}"
    for key in (segment["id"], "campers"):
        assert (await client.get(f"/v1/segments/{key}")).json()["definition"] == segment["definition"]
    listed = (await client.get("/v1/segments")).json()["results"]
    assert [each["name"] for each in listed] == ["campers", "gardeners"]


async def test_a_name_is_given_once(client: httpx.AsyncClient):
    assert (await created(client)).status_code == 201
    again = await created(client)
    assert again.status_code == 409
    assert "campers" in again.json()["detail"]


async def test_a_change_needs_the_version_it_was_made_from(client: httpx.AsyncClient):
    path = f"/v1/segments/{(await created(client)).json()['id']}"
    change = {"note": "wider", "definition": {"like": "the outdoors"}}
    without = await client.patch(path, json=change)
    assert without.status_code == 428
    assert "If-Match" in without.json()["detail"]
    changed = await client.patch(path, json=change, headers={"If-Match": '"1"'})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    stale = await client.patch(path, json=change, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await client.delete(path)).status_code == 428
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_an_if_match_that_is_no_version_changes_nothing(client: httpx.AsyncClient):
    path = f"/v1/segments/{(await created(client)).json()['id']}"
    for etag in ('W/"1"', "abc", '"999999999999999999999"'):
        response = await client.patch(path, json={"note": "x"}, headers={"If-Match": etag})
        assert response.status_code == 412
    assert (await client.get(path)).json()["version"] == 1


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = LIKE
    for _ in range(depth):
        tree = {"not": tree}
    return tree


NOT_EVALUABLE: list[tuple[dict[str, Any], str]] = [
    (nested(100), "20"),
    ({"likes": "tea"}, "likes"),
    ({"segment": "nobody"}, "nobody"),
    ({"all": [], "any": []}, "all"),
]


async def test_a_definition_that_cannot_be_evaluated_is_explained(client: httpx.AsyncClient):
    for definition, told in NOT_EVALUABLE:
        for path, body in (
            ("/v1/segments", {"name": "bad", "definition": definition}),
            ("/v1/segments/preview", {"definition": definition}),
        ):
            response = await client.post(path, json=body)
            assert response.status_code == 422, response.text
            assert told in response.json()["detail"]


async def test_a_preview_and_its_members_and_its_matches_agree(client: httpx.AsyncClient, shop: Shop):
    preview = (await client.get(f"/v1/segments/{shop.segment}/preview")).raise_for_status().json()
    members: list[str] = []
    link = f"/v1/segments/{shop.segment}/members?limit=4"
    while link:
        page = (await client.get(link)).raise_for_status().json()
        assert page["count"] == preview["size"]
        members += [member["profile_id"] for member in page["results"]]
        link = (page["paging"]["next"] or {"link": ""})["link"]
    assert members == sorted(set(members))
    assert len(members) == preview["size"] > 0
    for number in range(8):
        path = f"/v1/segments/{shop.segment}/match/p-{number}"
        snapshot = (await client.get(path)).raise_for_status().json()
        live = (await client.get(path, params={"at": "live"})).raise_for_status().json()
        assert snapshot["matched"] == (f"p-{number}" in members) == live["matched"]


async def test_a_segment_that_matches_nobody_is_empty_and_no_error(client: httpx.AsyncClient):
    nobody = {"trait": "plan", "value": "platinum"}
    response = await client.post("/v1/segments/preview", json={"definition": nobody})
    assert response.status_code == 200, response.text
    assert response.json()["size"] == 0


async def test_a_cursor_of_another_segment_is_refused(client: httpx.AsyncClient, shop: Shop):
    other = (await created(client)).json()["id"]
    page = (await client.get(f"/v1/segments/{shop.segment}/members?limit=2")).json()
    after = page["paging"]["next"]["after"]
    response = await client.get(f"/v1/segments/{other}/members", params={"after": after})
    assert response.status_code == 400


async def test_members_of_a_snapshot_that_is_gone_are_gone(client: httpx.AsyncClient, shop: Shop):
    from service.paging import decode_cursor, encode_cursor
    from service.segments.model import MembersCursor

    page = (await client.get(f"/v1/segments/{shop.segment}/members?limit=2")).json()
    cursor = decode_cursor(page["paging"]["next"]["after"], MembersCursor)
    assert cursor is not None
    position = {
        "segment": cursor.segment,
        "version": cursor.version,
        "snapshot": "20200101T000000Z-00000000",
        "offset": 2,
    }
    response = await client.get(
        f"/v1/segments/{shop.segment}/members", params={"after": encode_cursor(position)}
    )
    assert response.status_code == 410
    assert response.json()["type"] == "urn:pitchwright:problem:gone"


async def test_the_description_is_what_a_prompt_sees(client: httpx.AsyncClient, shop: Shop):
    found = (await client.get(f"/v1/segments/{shop.segment}/description")).raise_for_status().json()
    assert len(found["description"]["sentences"]) == 2
    assert found["snapshot"]


async def test_the_schema_of_a_definition_names_every_kind_of_rule(client: httpx.AsyncClient):
    schema = (await client.get("/v1/definition-schema")).raise_for_status().json()
    assert schema["$ref"] == "#/$defs/Definition"
    named = {choice["$ref"].removeprefix("#/$defs/") for choice in schema["$defs"]["Definition"]["oneOf"]}
    assert named <= schema["$defs"].keys()
    assert {"AllOf", "AnyOf", "NotOf"} < named


async def test_groups_are_proposed_and_become_segments(client: httpx.AsyncClient):
    response = await client.post("/v1/segments/discover", json={"k": 4})
    found = response.raise_for_status().json()
    assert [group["size"] for group in found["groups"]] == [10, 10, 10, 10]
    assert (found["population"], found["without"]) == (41, 1)
    assert len({group["name"] for group in found["groups"]}) == 4
    for group in found["groups"]:
        body = {"name": group["name"], "definition": group["definition"]}
        made = (await client.post("/v1/segments", json=body)).raise_for_status().json()
        members = (await client.get(f"/v1/segments/{made['id']}/members")).raise_for_status().json()
        assert members["count"] == group["size"]
        name = members["results"][0]["profile_id"]
        for at in ("snapshot", "live"):
            path = f"/v1/segments/{made['id']}/match/{name}"
            match = (await client.get(path, params={"at": at})).raise_for_status().json()
            assert match["matched"]
            assert match["reasons"][0]["words"].startswith("tastes nearest to")


async def test_more_groups_than_profiles_and_odd_numbers_are_refused(client: httpx.AsyncClient):
    response = await client.post("/v1/segments/discover", json={"k": 200})
    assert response.status_code == 422
    assert response.json()["type"] == "urn:pitchwright:problem:groups-not-found"
    assert "200 groups of" in response.json()["detail"]
    for body in ({"k": 0}, {"max_k": 1}, {"seed": -1}, {"groups": 3}):
        assert (await client.post("/v1/segments/discover", json=body)).status_code == 400


async def test_a_preview_by_likeness_shows_what_a_wider_cut_is_worth(client: httpx.AsyncClient):
    response = await client.post("/v1/segments/preview", json={"definition": LIKE})
    curve = response.raise_for_status().json()["curve"]
    sizes = [point["size"] for point in curve["points"]]
    similarities = [point["similarity"] for point in curve["points"]]
    assert sizes == sorted(set(sizes))
    assert similarities == sorted(set(similarities), reverse=True)
    assert curve["rule"] == LIKE
    plain = await client.post("/v1/segments/preview", json={"definition": {"trait": "plan", "value": "gold"}})
    assert plain.json()["curve"] is None


async def test_counts_overlaps_uses_and_a_profiles_segments_come_over_http(
    client: httpx.AsyncClient, shop: Shop
):
    campers = (await created(client)).json()
    path = f"/v1/segments/{campers['id']}"
    page = (await client.get(f"{path}/members", params={"limit": 500})).raise_for_status().json()
    counted = (await client.get(f"{path}/count")).raise_for_status().json()
    assert counted["count"] == page["count"] == len(page["results"]) > 0
    overlaps = (await client.get(f"{path}/overlap", params={"other": shop.segment})).raise_for_status().json()
    assert [each["name"] for each in overlaps["others"]] == ["gardeners"]
    mine = (await client.get(f"/v1/profiles/{page['results'][0]['profile_id']}/segments")).raise_for_status()
    assert "campers" in [each["name"] for each in mine.json()["segments"]]
    outer = {"name": "outer", "definition": {"segment": "campers"}}
    await client.post("/v1/segments", json=outer)
    impact = (await client.get(f"{path}/impacted")).raise_for_status().json()
    assert ([each["name"] for each in impact["segments"]], impact["deletable"]) == (["outer"], False)
    for asked in (counted, page, overlaps):
        assert (asked["as_of"], asked["definition_version"]) == (page["as_of"], 1)
    assert (await client.get("/v1/profiles/nobody/segments")).status_code == 404


async def test_changes_are_followed_by_their_links(client: httpx.AsyncClient):
    everyone = {"name": "everyone", "definition": {"trait": "plan", "op": "exists"}}
    made = (await client.post("/v1/segments", json=everyone)).raise_for_status().json()
    path = f"/v1/segments/{made['id']}"
    since = (await client.get(f"{path}/count")).json()["snapshot"]
    rows = [{"id": f"n-{number}", "traits": {"plan": "gold"}} for number in range(3)]
    (await client.post("/v1/profiles", json=rows)).raise_for_status()
    (await client.post("/v1/snapshots")).raise_for_status()
    link, told = f"{path}/changes?since={since}&limit=2", list[tuple[str, str]]()
    while link:
        page = (await client.get(link)).raise_for_status().json()
        told += [(each["profile_id"], each["change"]) for each in page["results"]]
        link = (page["paging"]["next"] or {"link": ""})["link"]
    assert told == [(f"n-{number}", "entered") for number in range(3)]
    assert (await client.get(f"{path}/changes")).status_code == 400
    assert (await client.get(f"{path}/changes?since=20200101T000000Z-00000000")).status_code == 410
    forged = await client.get(f"{path}/changes?since={since}&after=bm9uc2Vuc2U")
    assert forged.status_code == 400


async def test_a_definition_is_given_and_shown_as_text(client: httpx.AsyncClient):
    text = 'like("camping trips") and plan = "gold"'
    made = await client.post("/v1/segments", json={"name": "golden", "text": text})
    segment = made.raise_for_status().json()
    assert segment["text"] == text
    assert segment["definition"] == {"all": [{"like": "camping trips"}, {"trait": "plan", "value": "gold"}]}
    changed = await client.patch(
        f"/v1/segments/{segment['id']}", json={"text": "not age<30"}, headers={"If-Match": '"1"'}
    )
    assert changed.raise_for_status().json()["text"] == "not age < 30"
    by_text = (await client.post("/v1/segments/preview", json={"text": text})).raise_for_status().json()
    by_tree = await client.post("/v1/segments/preview", json={"definition": segment["definition"]})
    assert by_text == by_tree.json()
    assert (await client.get("/v1/segments/golden")).json()["text"] == "not age < 30"


async def test_a_text_that_cannot_be_read_is_pointed_at(client: httpx.AsyncClient):
    for path, named in (("/v1/segments", {"name": "x"}), ("/v1/segments/preview", {})):
        response = await client.post(path, json={**named, "text": "age > blue"})
        assert response.status_code == 422
        assert response.json()["type"] == "urn:pitchwright:problem:definition-not-valid"
        assert response.json()["detail"].startswith("column 7: expected a number")
        for body in ({"text": "a = 1", "definition": LIKE}, {}):
            assert (await client.post(path, json={**named, **body})).status_code == 400
    mistyped = await client.post("/v1/segments/preview", json={"text": 'age > "blue"'})
    assert "'age' holds numbers" in mistyped.raise_for_status().json()["warnings"][0]


async def test_a_definition_of_ten_megabytes_is_refused_at_once(client: httpx.AsyncClient):
    for body in ({"text": "a = 1 and " * 900_000}, {"definition": {"all": [LIKE] * 300_000}}):
        response = await client.post("/v1/segments/preview", json=body)
        assert response.status_code == 422, response.text[:200]
        assert "more than 500" in response.json()["detail"]
        assert len(response.content) < 2_000
    response = await client.post("/v1/segments/preview", json={"text": "a" * 10_000_001})
    assert response.status_code == 413
