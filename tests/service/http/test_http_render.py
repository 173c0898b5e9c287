"""Filling copy for a profile over HTTP, and what is proven of it before anything is sent."""

from typing import Any

import httpx
import pytest

from prompts.counting import septets
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_decisions import decided, written

NAME = '{{ first_name | default: "there" }}'
PLAN = "{{ plan }}"


def push(title: str, **more: Any) -> dict[str, Any]:
    return {"channel": "push", "fields": {"title": title, "body": "Fernhill garden trowel."}, **more}


async def rendered(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post("/v1/render", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def named(client: httpx.AsyncClient, **names: str) -> None:
    """Give profiles a first name, and have the snapshot know."""
    rows = [{"id": f"p-{place}", "traits": {"plan": "gold"}} for place in range(41)]
    known = {row["id"]: row for row in rows}
    for profile, name in names.items():
        known[profile.replace("_", "-")]["traits"]["first_name"] = name
    (await client.post("/v1/profiles", json=rows)).raise_for_status()
    (await client.post("/v1/snapshots")).raise_for_status()


async def test_a_profile_reads_its_trait_or_the_default(client: httpx.AsyncClient):
    await named(client, p_1="Ada", p_2="Maximiliane")
    ada = await rendered(client, push(f"Hi {NAME}", profile_id="p-1"))
    assert ada["fields"] == {"title": "Hi Ada", "body": "Fernhill garden trowel."}
    assert ada["tags"] == [{"field": "title", "name": "first_name", "filled_from": "trait"}]
    nobody = await rendered(client, push(f"Hi {NAME}", profile_id="p-3"))
    assert nobody["fields"]["title"] == "Hi there"
    assert nobody["tags"][0]["filled_from"] == "default"
    proof = nobody["proof"]
    assert proof == ada["proof"]
    assert (proof["profiles"], proof["without"], proof["segment"]) == (41, {"first_name": 39}, None)
    longest = {(each["field"], each["counting"]): each["length"] for each in proof["longest"]}
    assert longest["title", "characters"] == len("Hi Maximiliane")
    assert [each["length"] for each in nobody["lengths"] if each["field"] == "title"] == [8, 8]


async def test_preview_and_sending_are_the_same_text(client: httpx.AsyncClient):
    await named(client, p_1="Ada")
    preview = await rendered(client, push(f"Hi {NAME}", traits={"first_name": "Ada"}))
    sent = await rendered(client, push(f"Hi {NAME}", profile_id="p-1"))
    assert preview == sent
    bare = await rendered(client, push(f"Hi {NAME}"))
    assert bare["fields"]["title"] == "Hi there"


async def test_a_stored_variant_is_filled_as_it_stands(client: httpx.AsyncClient):
    await named(client, p_1="Ada")
    draft = await written(client, personalise=True)
    variant = draft["variants"][0]
    body = {"draft_id": draft["id"], "variant_id": variant["id"], "profile_id": "p-1"}
    first = await rendered(client, body)
    assert "{{" not in str(first["fields"])
    assert first["fields"] == {name: text.replace(NAME, "Ada") for name, text in variant["fields"].items()}
    assert (first["status"], first["verdict"]) == ("passed", None)
    await decided(client, draft, verdict="edited", fields={"title": f"Hello {NAME}, look"})
    again = await rendered(client, body)
    assert again["fields"]["title"] == "Hello Ada, look"
    assert again["verdict"] == "edited"


async def test_the_audience_of_a_draft_is_its_segment(client: httpx.AsyncClient, shop: Shop):
    await named(client, p_1="Ada")
    request = {"item_id": "garden-0", "segment": "gardeners", "channel": "push", "personalise": True, "n": 1}
    draft = (await client.post("/v1/drafts", json=request)).raise_for_status().json()
    variant = draft["variants"][0]
    fields = {**variant["fields"], "title": f"Hi {NAME}"}
    await decided(client, draft, verdict="edited", fields=fields)
    found = await rendered(client, {"draft_id": draft["id"], "variant_id": variant["id"]})
    preview = (await client.get("/v1/segments/gardeners/preview")).json()
    assert found["proof"]["segment"] == shop.segment
    assert found["proof"]["profiles"] == preview["size"] < 41


async def test_copy_without_tags_needs_no_snapshot_and_no_proof(shop: Shop):
    async with client_of(shop.settings(), shop.keys["other/admin"]) as client:
        found = await rendered(client, push("Hello"))
        assert (found["proof"], found["tags"]) == (None, [])
        response = await client.post("/v1/render", json=push(f"Hi {NAME}"))
        assert response.status_code == 409
        assert "POST /v1/snapshots" in response.json()["detail"]


async def test_a_tag_without_a_default_stands_only_where_nobody_lacks_the_trait(client: httpx.AsyncClient):
    await named(client, p_1="Ada")
    everybody = await rendered(client, push(f"For {PLAN} members", profile_id="p-1"))
    assert everybody["fields"]["title"] == "For gold members"
    assert everybody["proof"]["without"] == {"plan": 0}
    refused = await client.post("/v1/render", json=push("Hi {{ first_name }}", profile_id="p-1"))
    assert refused.status_code == 422
    assert "40 of 41 profiles of everybody have no 'first_name'" in refused.json()["detail"]
    # Proven of the snapshot; who has lost the trait since is refused on his own.
    (await client.post("/v1/profiles", json=[{"id": "p-1", "traits": {}}])).raise_for_status()
    late = await client.post("/v1/render", json=push(f"For {PLAN} members", profile_id="p-1"))
    assert late.status_code == 422
    assert "the profile has no 'plan'" in late.json()["detail"]


async def test_copy_that_is_too_long_for_somebody_is_refused_for_everybody(client: httpx.AsyncClient):
    await named(client, p_1="Ada", p_2="ŁŁ" + "x" * 90)
    text = "x" * 1_505 + NAME
    body = {"channel": "sms", "fields": {"text": text}, "profile_id": "p-1"}
    fits = await rendered(client, {**body, "fields": {"text": text[6:]}})
    longest = {each["counting"]: each for each in fits["proof"]["longest"]}
    assert (longest["characters"]["length"], longest["characters"]["limit"]) == (1_591, 1_600)
    assert longest["sms"]["length"] == septets("x" * 1_499 + "ŁŁ" + "x" * 90)
    too_long = "x" * 1_510 + NAME
    response = await client.post("/v1/render", json={**body, "fields": {"text": too_long}})
    assert response.status_code == 422
    assert response.json()["type"].endswith("copy-too-long")
    assert "1602 characters for the longest values of everybody" in response.json()["detail"]
    assert "ŁŁ" not in response.text


async def test_a_live_value_that_is_longer_than_any_known_is_refused_too(client: httpx.AsyncClient):
    await named(client, p_1="Ada")
    body = {"channel": "sms", "fields": {"text": "x" * 1_590 + NAME}, "profile_id": "p-1"}
    await rendered(client, body)
    rows = [{"id": "p-1", "traits": {"first_name": "y" * 11}}]
    (await client.post("/v1/profiles", json=rows)).raise_for_status()
    response = await client.post("/v1/render", json=body)
    assert response.status_code == 422
    assert "1601 characters for this profile" in response.json()["detail"]


async def test_a_trait_is_data_whatever_it_holds(client: httpx.AsyncClient):
    trap = '{{ plan | default: "x" }} {% raw %} {{ 7*7 }}\r\nBcc: all@example.com'
    await named(client, p_1=trap)
    found = await rendered(client, push(f"Hi {NAME}", profile_id="p-1"))
    assert found["fields"]["title"] == 'Hi {{ plan | default: "x" }} {% raw %} {{ 7*7 }} Bcc: all@example.com'


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "draft_id"),
    ({"draft_id": "x"}, 400, "variant_id"),
    ({"channel": "push"}, 400, "fields"),
    (push("a", draft_id="x", variant_id="y"), 400, "name what to render"),
    (push("a", profile_id="p-1", traits={}), 400, "profile_id and traits"),
    (push("a", profile_id="p-999"), 404, "p-999"),
    (push(f"{NAME}", segment="nobody"), 404, "nobody"),
    ({"draft_id": "x", "variant_id": "y"}, 404, "no draft 'x'"),
    ({"channel": "fax", "fields": {"text": "a"}}, 422, "fax"),
    ({"channel": "push", "fields": {"title": "a"}}, 400, "lacks 'body'"),
    (push("Hi {{ surname }}"), 422, "unknown merge tag 'surname'"),
    (push("Hi {{ first_name"), 422, "cannot read"),
    (push("{% if 1 %}"), 422, "cannot read"),
    (push("a", traits={"name": ["Ada"]}), 400, "traits"),
    (
        {"channel": "social", "fields": {"text": NAME, "hashtags": []}},
        422,
        "no one reader",
    ),
]


@pytest.mark.parametrize(("body", "status", "told"), REFUSED)
async def test_what_cannot_be_rendered_says_why(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, told: str
):
    response = await client.post("/v1/render", json=body)
    assert response.status_code == status, response.text
    assert told in response.json()["detail"]


async def test_a_copywriters_key_reads_no_stored_traits(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/copy"]) as client:
        assert (await rendered(client, push("Hi", traits={"plan": "x"})))["fields"]["title"] == "Hi"
        response = await client.post("/v1/render", json=push(f"For {PLAN} members", profile_id="p-1"))
        assert response.status_code == 403
        assert "crm or batch" in response.json()["detail"]


async def test_an_erased_profile_is_not_rendered(client: httpx.AsyncClient):
    (await client.delete("/v1/profiles/p-1")).raise_for_status()
    response = await client.post("/v1/render", json=push("Hi", profile_id="p-1"))
    assert response.status_code == 404
