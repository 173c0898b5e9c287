"""Who may be written to, over HTTP: consent, suppressions, the policy, reach, and exports for a channel."""

import gzip
import json
from typing import Any

import httpx

from tests.service.http.shop import Shop
from tests.service.http.test_http_exports import exported, members


async def reach(client: httpx.AsyncClient, segment: str, channel: str = "email") -> dict[str, Any]:
    found = await client.get(f"/v1/segments/{segment}/reach", params={"channel": channel})
    return found.raise_for_status().json()


def removed(found: dict[str, Any]) -> dict[str, int]:
    return {each["rule"]: each["removed"] for each in found["removed"] if each["removed"]}


async def test_a_withdrawal_takes_effect_at_once_on_the_same_snapshot(client: httpx.AsyncClient, shop: Shop):
    who = [each["profile_id"] for each in await members(client, shop.segment)]
    before = await reach(client, shop.segment)
    assert (before["audience"], before["allowed"]) == (len(who), 0)
    assert removed(before) == {"no_consent": len(who)}
    rows = [{"profile_id": each, "channel": "email", "word": "granted"} for each in who]
    counts = (await client.post("/v1/consents", json=[*rows, {"channel": "email"}])).raise_for_status().json()
    assert (counts["stored"], counts["rejected"]) == (len(who), 1)
    path = f"/v1/profiles/{who[0]}/consent"
    shown = (await client.get(path)).raise_for_status().json()
    assert {name: each["word"] for name, each in shown["channels"].items()} == {
        "email": "granted",
        "push": "unknown",
        "sms": "unknown",
    }
    assert (await reach(client, shop.segment))["allowed"] == len(who)
    change = {"channels": {"email": "denied", "sms": "granted"}, "source": "by phone"}
    told = (await client.put(path, json=change)).raise_for_status().json()
    assert told == (await client.get(path)).json()
    assert (told["channels"]["email"]["word"], told["channels"]["sms"]["source"]) == ("denied", "by phone")
    after = await reach(client, shop.segment)
    assert after["snapshot"] == before["snapshot"]
    assert (after["allowed"], removed(after)) == (len(who) - 1, {"denied": 1})
    count = (await client.get(f"/v1/segments/{shop.segment}/count")).json()["count"]
    (await client.delete(f"/v1/profiles/{who[0]}")).raise_for_status()
    erased = await reach(client, shop.segment)
    assert (erased["audience"], erased["allowed"], removed(erased)) == (count - 1, len(who) - 1, {})


async def test_an_export_for_a_channel_holds_only_who_may_be_written_to(
    client: httpx.AsyncClient, shop: Shop
):
    listed = await members(client, shop.segment)
    who = [each["profile_id"] for each in listed]
    (await client.put("/v1/contact-policy", json={"opt_in": ["sms"], "holdout": 0.2})).raise_for_status()
    entries = [{"profile_id": who[0]}, {"profile_id": who[1], "channel": "sms"}]
    (await client.post("/v1/suppressions", json=entries)).raise_for_status()
    (
        await client.put(f"/v1/profiles/{who[2]}/consent", json={"channels": {"email": "denied"}})
    ).raise_for_status()
    found = await reach(client, shop.segment)
    assert found["audience"] == found["allowed"] + sum(removed(found).values())
    assert {"suppressed", "denied"} <= set(removed(found))
    export = await exported(client, shop.segment, channel="email")
    assert (export["channel"], export["removed"], export["count"]) == (
        "email",
        found["removed"],
        found["allowed"],
    )
    content = (await client.get(f"/v1/exports/{export['id']}/file")).content
    rows = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    assert rows == [each for each in listed if each in rows]
    assert not {who[0], who[2]} & {each["profile_id"] for each in rows}
    everybody = await exported(client, shop.segment)
    assert (everybody["count"], everybody["channel"], everybody["removed"]) == (len(listed), None, [])
    refused = await client.post(f"/v1/segments/{shop.segment}/exports", json={"channel": "fax"})
    assert (refused.status_code, "'fax' is unknown" in refused.json()["detail"]) == (400, True)


async def test_what_segment_says_of_an_e_mail_is_about_e_mail(client: httpx.AsyncClient):
    told = {"userId": "p-3", "event": "Unsubscribed", "timestamp": "2026-11-22T12:00:00Z"}
    (await client.post("/v1/track", json=told)).raise_for_status()
    shown = (await client.get("/v1/profiles/p-3/consent")).raise_for_status().json()["channels"]
    assert shown["email"] == {"word": "denied", "source": "unsubscribe", "at": "2026-11-22T12:00:00Z"}
    assert shown["push"]["word"] == "unknown"


async def test_the_list_of_suppressions_is_paged_through_and_names_no_address(client: httpx.AsyncClient):
    entries: list[dict[str, Any]] = [{"profile_id": f"p-{number}", "reason": "spam"} for number in range(5)]
    entries += [{"email": f"ada+{number}@mail.example", "channel": "email"} for number in range(4)]
    counts = (await client.post("/v1/suppressions", json=[*entries, {"email": "ada"}])).json()
    assert (counts["stored"], counts["rejected"]) == (9, 1)
    seen: list[dict[str, Any]] = []
    link = "/v1/suppressions?limit=4"
    while link:
        page = (await client.get(link)).raise_for_status()
        assert "mail.example" not in page.text
        seen += page.json()["results"]
        following = page.json()["paging"]["next"]
        link = following["link"] if following else ""
    assert [each["profile_id"] for each in seen] == [None] * 4 + [f"p-{number}" for number in range(5)]
    one = {"email": "ADA+1@mail.example", "channel": "email"}
    assert (await client.delete("/v1/suppressions", params=one)).status_code == 204
    assert (await client.delete("/v1/suppressions", params=one)).status_code == 404
    assert (await client.delete("/v1/suppressions")).status_code == 400
    left = (await client.get("/v1/suppressions", params={"channel": "email"})).json()["results"]
    assert len(left) == 3
    assert (await client.get("/v1/suppressions", params={"after": "e30"})).status_code == 400


async def test_a_policy_is_changed_by_its_etag_and_the_change_is_on_record(
    client: httpx.AsyncClient, shop: Shop
):
    before = await client.get("/v1/contact-policy")
    assert before.json() == {"opt_in": ["email", "push", "sms"], "caps": [], "holdout": 0.0}
    cap = {"channel": "email", "most": 2, "days": 7}
    tag = {"If-Match": before.headers["etag"]}
    changed = await client.put("/v1/contact-policy", json={"caps": [cap]}, headers=tag)
    assert changed.json()["caps"] == [cap]
    again = await client.put("/v1/contact-policy", json={}, headers=tag)
    assert again.status_code == 412
    for wrong in ({"holdout": 0.6}, {"opt_in": ["fax"]}, {"caps": [{**cap, "days": 0}]}, {"hold_out": 0.1}):
        assert (await client.put("/v1/contact-policy", json=wrong)).status_code == 400
    (await client.post("/v1/suppressions", json=[{"profile_id": "p-1"}])).raise_for_status()
    entries = (await client.get("/v1/audit")).json()["results"]
    actions = [(each["action"], each["status"]) for each in entries]
    assert actions[0] == ("PUT /v1/contact-policy", 200)
    assert actions[-1] == ("POST /v1/suppressions", 200)
    crm = {"Authorization": f"Bearer {shop.keys['default/crm']}"}
    assert (await client.get("/v1/contact-policy", headers=crm)).json() == changed.json()
    assert (await client.put("/v1/contact-policy", json={}, headers=crm)).status_code == 403
