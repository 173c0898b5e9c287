"""The brand over HTTP: replaced as a whole, refused when it means nothing, and followed by the next draft."""

from typing import Any

from tests.service.http.shop import Shop, client_of

BRAND: dict[str, Any] = {
    "name": "Fernhill",
    "glossary": [{"use": "trowel", "never": ["spade"]}],
    "claims": {"superlatives": "forbid"},
    "disclaimers": [{"text": "Terms apply.", "channels": ["push"]}],
    "tones": ["friendly"],
}


async def test_a_brand_is_replaced_shown_and_kept_to_its_workspace(shop: Shop):
    async with client_of(shop.settings()) as client:
        admin = {"X-API-Key": shop.keys["default/admin"]}
        before = await client.get("/v1/brand", headers=admin)
        assert before.json()["claims"]["superlatives"] == "warn"
        put = await client.put("/v1/brand", json=BRAND, headers=admin)
        assert put.status_code == 200
        assert put.headers["etag"] != before.headers["etag"]
        shown = await client.get("/v1/brand", headers={"X-API-Key": shop.keys["default/copy"]})
        assert shown.json() == put.json()
        assert shown.headers["etag"] == put.headers["etag"]
        assert shown.json()["claims"]["health"] == "forbid"
        theirs = await client.get("/v1/brand", headers={"X-API-Key": shop.keys["other/copy"]})
        assert theirs.json()["name"] == ""


async def test_a_change_made_from_another_version_is_refused(shop: Shop):
    async with client_of(shop.settings()) as client:
        admin = {"X-API-Key": shop.keys["default/admin"]}
        etag = (await client.get("/v1/brand", headers=admin)).headers["etag"]
        first = await client.put("/v1/brand", json=BRAND, headers={**admin, "If-Match": etag})
        assert first.status_code == 200
        late = await client.put("/v1/brand", json={}, headers={**admin, "If-Match": etag})
        assert late.status_code == 412
        assert first.headers["etag"].strip('"') in late.json()["detail"]
        assert (await client.put("/v1/brand", json={}, headers={**admin, "If-Match": "*"})).status_code == 200


async def test_a_brand_that_means_nothing_is_refused_by_name(shop: Shop):
    async with client_of(shop.settings()) as client:
        admin = {"X-API-Key": shop.keys["default/admin"]}
        for body, status, said in (
            ({"voize": "warm"}, 400, "voize"),
            ({"claims": {"health": "maybe"}}, 400, "maybe"),
            ({"allowed_domains": ["https://x.example"]}, 422, "https://x.example"),
            ({"disclaimers": [{"text": "Yes.", "channels": ["fax"]}]}, 422, "fax"),
        ):
            response = await client.put("/v1/brand", json=body, headers=admin)
            assert response.status_code == status
            assert response.headers["content-type"] == "application/problem+json"
            assert said in response.text


async def test_the_next_draft_is_held_against_the_brand(shop: Shop):
    async with client_of(shop.settings()) as client:
        keys = {"X-API-Key": shop.keys["default/admin"]}
        await client.put("/v1/brand", json=BRAND, headers=keys)
        request = {"item_id": "garden-0", "channel": "push", "n": 1}
        draft = (await client.post("/v1/drafts", json=request, headers=keys)).json()
        assert draft["brief"]["brand"]["disclaimers"] == BRAND["disclaimers"]
        (variant,) = draft["variants"]
        failed = {check["rule"] for check in variant["checks"] if not check["passed"]}
        assert "brand.disclaimer" in failed
        assert variant["status"] == "failed"
        urgent = await client.post("/v1/drafts", json={**request, "tone": "urgent"}, headers=keys)
        assert urgent.status_code == 422
        assert "outside the brand's range" in urgent.json()["detail"]


async def test_a_request_without_a_tone_gets_the_first_of_the_brands_range(shop: Shop):
    async with client_of(shop.settings()) as client:
        admin = {"X-API-Key": shop.keys["default/admin"]}
        asked = {"item_id": "garden-0", "channel": "push", "n": 1}
        usual = await client.post("/v1/drafts", json=asked, headers=admin)
        assert usual.json()["brief"]["tone"] == "friendly"
        brand = {"name": "Fernhill", "tones": ["luxury", "professional"]}
        assert (await client.put("/v1/brand", json=brand, headers=admin)).status_code == 200
        branded = await client.post("/v1/drafts", json=asked, headers=admin)
        assert branded.json()["brief"]["tone"] == "luxury"
        refused = await client.post("/v1/drafts", json={**asked, "tone": "friendly"}, headers=admin)
        assert refused.status_code == 422


async def test_a_draft_keeps_to_the_wishes_for_it_and_names_its_brand(shop: Shop):
    async with client_of(shop.settings()) as client:
        admin = {"X-API-Key": shop.keys["default/admin"]}
        put = await client.put("/v1/brand", json={"name": "Fernhill"}, headers=admin)
        asked = {"item_id": "garden-0", "channel": "push", "n": 1, "keywords": ["trowel"]}
        draft = (await client.post("/v1/drafts", json=asked, headers=admin)).json()
        assert draft["brief"]["keywords"] == ["trowel"]
        variant = draft["variants"][0]
        assert f'"{variant["provenance"]["brand"]}"' == put.headers["etag"]
        wished = {**asked, "must_say": ["Made in Sheffield."], "must_not_say": ["cheap"]}
        refused = (await client.post("/v1/drafts", json=wished, headers=admin)).json()["variants"][0]
        failed = [check for check in refused["checks"] if not check["passed"]]
        assert [check["rule"] for check in failed] == ["words.required"]
        assert "Made in Sheffield." in failed[0]["findings"][0]["reason"]
        empty = await client.post("/v1/drafts", json={**asked, "must_say": [" "]}, headers=admin)
        assert empty.status_code == 422
