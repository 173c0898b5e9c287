"""Merge tags of any trait in copy a person edits: the verdict is the one that rendering gives."""

from typing import Any

import httpx
import pytest

from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_decisions import decided, decisions_path, written

CITY = '{{ city | default: "your town" }}'
LONGEST = "Llanfairpwllgwyngyll" * 40
"""A town of 800 characters."""


@pytest.fixture
async def towns(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Somebody lives in Bath, somebody in a long town; everybody has a plan."""
    rows = [{"id": f"p-{place}", "traits": {"plan": "gold"}} for place in range(41)]
    rows[1]["traits"] = {"plan": "gold", "city": "Bath"}
    rows[2]["traits"] = {"plan": "gold", "city": LONGEST}
    (await client.post("/v1/profiles", json=rows)).raise_for_status()
    (await client.post("/v1/snapshots")).raise_for_status()
    return client


def failures(decision: dict[str, Any]) -> dict[str, str]:
    """The reasons an edit fails for, by rule."""
    return {
        check["rule"]: check["findings"][0]["reason"] for check in decision["checks"] if not check["passed"]
    }


async def test_an_edit_with_a_trait_is_accepted_and_read_by_a_profile(towns: httpx.AsyncClient):
    draft = await written(towns, channel="sms")
    text = draft["variants"][0]["fields"]["text"]
    edited = await decided(towns, draft, verdict="edited", fields={"text": f"{CITY}: {text}"})
    assert failures(edited) == {}
    await decided(towns, draft, verdict="accepted")
    body = {"draft_id": draft["id"], "variant_id": draft["variants"][0]["id"]}
    for profile, town in (("p-1", "Bath"), ("p-2", LONGEST), ("p-3", "your town")):
        read = (
            (await towns.post("/v1/render", json={**body, "profile_id": profile})).raise_for_status().json()
        )
        assert read["fields"]["text"] == f"{town}: {text}"
        assert (read["status"], read["verdict"]) == ("passed", "accepted")


EDITS = [
    (f"{CITY}: ", None, ""),
    ("{{ plan }} members: ", None, ""),
    ('{{ ctiy | default: "your town" }}: ', "words.leftover", "did you mean 'city'?"),
    ("{{ city }}: ", "words.leftover", "39 of 41 profiles of everybody have no 'city'"),
    ("{{ first_name }}: ", "words.leftover", "41 of 41 profiles of everybody have no 'first_name'"),
    ("{{ city | upcase }}: ", "words.leftover", "cannot read"),
    (f"{CITY} {CITY}: ", "length.hard", "characters, at most 1600"),
]


async def test_an_edit_meets_the_verdict_of_rendering(towns: httpx.AsyncClient):
    draft = await written(towns, channel="sms")
    text = draft["variants"][0]["fields"]["text"]
    for before, rule, told in EDITS:
        fields = {"text": before + text}
        edited = await decided(towns, draft, verdict="edited", fields=fields)
        found = failures(edited)
        rendered = await towns.post(
            "/v1/render", json={"channel": "sms", "fields": fields, "profile_id": "p-1"}
        )
        assert list(found) == ([rule] if rule else []), found
        assert told in found.get(rule or "", "")
        assert "Llanfair" not in str(edited["checks"])
        assert rendered.status_code == (422 if rule else 200), rendered.text
        if rule == "words.leftover":
            assert rendered.json()["detail"] == f"text: {found[rule]}"
        accepted = await towns.post(decisions_path(draft), json={"verdict": "accepted"})
        assert accepted.status_code == (409 if rule else 201), accepted.text


async def test_the_readers_are_the_drafts_segment_and_everybody_once_it_is_gone(towns: httpx.AsyncClient):
    segment = {"name": "bathers", "definition": {"trait": "city", "value": "Bath"}}
    made = (await towns.post("/v1/segments", json=segment)).raise_for_status()
    request = {"item_id": "garden-0", "segment": "bathers", "channel": "push", "n": 1}
    draft = (await towns.post("/v1/drafts", json=request)).raise_for_status().json()
    title = {"title": "Fernhill garden trowel, {{ city }}"}
    assert failures(await decided(towns, draft, verdict="edited", fields=title)) == {}
    headers = {"If-Match": made.headers["etag"]}
    path = f"/v1/segments/{made.json()['id']}"
    (await towns.delete(path, headers=headers)).raise_for_status()
    late = await towns.post(decisions_path(draft), json={"verdict": "accepted"})
    assert late.status_code == 409
    assert "cannot be accepted: title: " in late.json()["detail"]
    assert "39 of 41 profiles of everybody" in late.json()["detail"]
    body = {"draft_id": draft["id"], "variant_id": draft["variants"][0]["id"]}
    rendered = await towns.post("/v1/render", json=body)
    assert rendered.status_code == 422
    assert rendered.json()["detail"] in late.json()["detail"]


async def test_one_field_is_written_again_beside_another_with_a_trait(towns: httpx.AsyncClient):
    draft = await written(towns)
    await decided(towns, draft, verdict="edited", fields={"title": "Perches for {{ plan }} members"})
    variant = draft["variants"][0]["id"]
    path = f"/v1/drafts/{draft['id']}/variants/{variant}/rewrite"
    again = (await towns.post(path, json={"fields": ["body"]})).raise_for_status().json()["variants"][0]
    assert again["fields"]["title"] == "Perches for {{ plan }} members"
    assert [check["rule"] for check in again["checks"] if not check["passed"]] == []


async def test_before_there_is_a_snapshot_only_a_first_name_is_known(shop: Shop):
    async with client_of(shop.settings(), shop.keys["other/admin"]) as client:
        draft = await written(client)
        named = {"title": 'Hi {{ first_name | default: "you" }}'}
        assert failures(await decided(client, draft, verdict="edited", fields=named)) == {}
        await decided(client, draft, verdict="accepted")
        found = failures(await decided(client, draft, verdict="edited", fields={"title": f"For {CITY}"}))
        assert "Known here: first_name (other traits are known once" in found["words.leftover"]
