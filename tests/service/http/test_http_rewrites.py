"""Writing a stored variant again over HTTP: by the embedded model, and by a scripted instruct model."""

import json
from typing import Any

import httpx

from tests.service.chat_server import Reply, Request, chat_server, completion, models
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_decisions import decided, written


def rewrite_path(draft: dict[str, Any], place: int = 0) -> str:
    return f"/v1/drafts/{draft['id']}/variants/{draft['variants'][place]['id']}/rewrite"


def length(variant: dict[str, Any]) -> int:
    return sum(len(text) for text in variant["fields"].values())


async def test_a_shorter_variant_is_a_draft_of_its_own_that_knows_its_parent(client: httpx.AsyncClient):
    draft = await written(client)
    response = await client.post(rewrite_path(draft), json={"instruction": "shorter"})
    assert response.status_code == 201, response.text
    child = response.json()
    assert response.headers["location"] == f"/v1/drafts/{child['id']}"
    variant = child["variants"][0]
    assert variant["status"] == "passed", variant["checks"]
    assert length(variant) < length(draft["variants"][0])
    assert "Oak bird table" in str(variant["fields"])
    assert child["parent"] == {"draft_id": draft["id"], "variant_id": draft["variants"][0]["id"]}
    assert child["brief"]["rewrite"]["fields"] == draft["variants"][0]["fields"]
    again = (await client.get(f"/v1/drafts/{draft['id']}")).json()
    assert again["children"] == [
        {
            "draft_id": child["id"],
            "variant_id": draft["variants"][0]["id"],
            "created_at": child["created_at"],
        }
    ]
    assert again["variants"] == draft["variants"]
    assert (await client.get(f"/v1/drafts/{child['id']}")).json() == child
    listed = (await client.get("/v1/drafts")).json()["results"]
    assert [(each["id"], len(each["children"])) for each in listed] == [(child["id"], 0), (draft["id"], 1)]


async def test_one_field_is_written_again_and_another_seed_writes_another(client: httpx.AsyncClient):
    draft = await written(client, channel="email")
    before = draft["variants"][0]["fields"]

    async def subject(seed: int) -> str:
        body = {"fields": ["subject"], "seed": seed}
        response = await client.post(rewrite_path(draft), json=body)
        fields = response.raise_for_status().json()["variants"][0]["fields"]
        assert {name: text for name, text in fields.items() if name != "subject"} == {
            name: text for name, text in before.items() if name != "subject"
        }
        return fields["subject"]

    first = await subject(0)
    assert first != before["subject"]
    assert await subject(0) == first
    assert {await subject(seed) for seed in range(1, 4)} != {first}


async def test_it_starts_from_the_copy_as_it_stands(client: httpx.AsyncClient):
    draft = await written(client)
    await decided(client, draft, verdict="edited", fields={"title": "A Perch for Wrens"})
    response = await client.post(rewrite_path(draft), json={"instruction": "warmer", "fields": ["body"]})
    child = response.raise_for_status().json()
    assert child["variants"][0]["fields"]["title"] == "A Perch for Wrens"
    assert child["brief"]["rewrite"]["fields"]["title"] == "A Perch for Wrens"
    path = rewrite_path(child)
    grandchild = (await client.post(path, json={"instruction": "shorter"})).raise_for_status().json()
    assert grandchild["parent"]["draft_id"] == child["id"]


async def test_an_order_that_cannot_be_done_says_why(client: httpx.AsyncClient):
    draft = await written(client)
    orders: list[tuple[dict[str, Any], int, str]] = [
        ({"instruction": "drop the exclamation mark"}, 422, "shorter, warmer, bolder"),
        ({}, 400, "instruction"),
        ({"instruction": "  "}, 400, "instruction"),
        ({"fields": ["headline"]}, 422, "title, body"),
        ({"instruction": "shorter", "n": 21}, 400, "20"),
        ({"instruction": ["shorter"]}, 400, "instruction"),
    ]
    for order, status, told in orders:
        response = await client.post(rewrite_path(draft), json=order)
        assert response.status_code == status, f"{order}: {response.text}"
        assert told in response.json()["detail"]
    assert (await client.get(f"/v1/drafts/{draft['id']}")).json()["children"] == []
    missing = f"/v1/drafts/{draft['id']}/variants/none/rewrite"
    assert (await client.post(missing, json={"instruction": "shorter"})).status_code == 404


async def test_an_instruct_model_follows_free_text_and_may_not_add_facts(shop: Shop):
    told: list[str] = []
    body = "Oak bird table, with solid oak through and through."
    said = iter(
        [
            {"title": "Here they come!", "body": body},
            {"title": "Here they come, 70% off", "body": body},
            {"title": "Here they come", "body": body},
        ]
    )

    async def handle(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("m")
        told.append(request.body["messages"][-1]["content"])
        return completion(json.dumps(next(said)))

    async with chat_server(handle) as url:
        settings = shop.settings(engine_url=f"{url}/v1", engine_model="m")
        async with client_of(settings, shop.keys["default/copy"]) as client:
            draft = await written(client)
            order = {"instruction": "drop the exclamation mark"}
            child = (await client.post(rewrite_path(draft), json=order)).raise_for_status().json()
    variant = child["variants"][0]
    assert variant["status"] == "passed"
    assert variant["fields"]["title"] == "Here they come"
    assert variant["provenance"]["attempts"] == 2
    assert 'wish: "drop the exclamation mark"' in told[1]
    assert 'title: "Here they come!"' in told[1]


async def test_a_variant_without_copy_cannot_be_rewritten(shop: Shop):
    async def handle(request: Request) -> Reply:
        return models("m") if request.path == "/v1/models" else completion("Certainly!")

    async with chat_server(handle) as url:
        settings = shop.settings(engine_url=f"{url}/v1", engine_model="m")
        async with client_of(settings, shop.keys["default/copy"]) as client:
            made = await client.post("/v1/drafts", json={"item_id": "garden-0", "channel": "push", "n": 1})
            draft = made.raise_for_status().json()
            response = await client.post(rewrite_path(draft), json={"instruction": "shorter"})
            assert response.status_code == 409
            assert "malformed" in response.json()["detail"]
            whole = {"title": "Dig in", "body": "Fernhill garden trowel, made to last."}
            await decided(client, draft, verdict="edited", fields=whole)
            await decided(client, draft, verdict="accepted")
