"""Audiences in words over HTTP, with a real server that speaks OpenAI's chat completions."""

import json
from typing import Any

import httpx

from service.segments.examples import PARSED
from tests.service.chat_server import Reply, Request, chat_server, completion, models
from tests.service.http.shop import Shop, client_of

PATH = "/v1/segments/parse"
WORDS = "gold customers who garden and will move house"
TREE: dict[str, Any] = {"all": [{"trait": "plan", "value": "gold"}, {"like": "gardening"}]}


async def test_a_model_by_url_makes_rules_that_are_previewed_and_not_stored(shop: Shop):
    asked: list[Any] = []
    wanted = {"definition": TREE, "not_understood": ["will move house"]}
    answers = ["Sure: gold gardeners!", json.dumps(wanted)]

    async def answer(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("instruct")
        asked.append(request.body)
        return completion(answers[min(len(asked), len(answers)) - 1])

    async with chat_server(answer) as url:
        settings = shop.settings(engine_url=url, engine_model="instruct")
        async with client_of(settings, shop.keys["default/crm"]) as client:
            before = (await client.get("/v1/segments")).json()
            found = (await client.post(PATH, json={"text": WORDS})).raise_for_status().json()
            previewed = await client.post("/v1/segments/preview", json={"text": found["text"]})
            assert (await client.get("/v1/segments")).json() == before
            theirs = {"Authorization": f"Bearer {shop.keys['default/copy']}"}
            assert (await client.post(PATH, json={"text": WORDS}, headers=theirs)).status_code == 403
    assert found["definition"] == TREE
    assert found["text"] == 'plan = "gold" and like("gardening")'
    assert found["not_understood"] == ["will move house"]
    assert found["preview"] == previewed.json()
    assert found["written_by"]["attempts"] == len(asked) == 2
    schema = asked[0]["response_format"]["json_schema"]["schema"]
    assert schema["$defs"].keys() >= {"Definition", "AllOf", "TraitRule", "LikeRule"}
    assert asked[0]["temperature"] == 0
    told = asked[1]["messages"][-1]["content"]
    for shown in (
        'plan: ["gold", "free"]',
        '"purchase"',
        '"garden"',
        '["gardeners"]',
        "Sure: gold gardeners!",
    ):
        assert shown in told, shown
    assert found.keys() == PARSED.keys()


async def test_a_model_that_never_gives_rules_is_a_bad_gateway(shop: Shop):
    async def answer(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("instruct")
        return completion('{"definition": {"sql": "SELECT"}, "not_understood": []}')

    async with chat_server(answer) as url:
        settings = shop.settings(engine_url=url, engine_model="instruct")
        async with client_of(settings, shop.keys["default/crm"]) as client:
            refused = await client.post(PATH, json={"text": WORDS})
    assert refused.status_code == 502
    assert refused.json()["type"] == "urn:pitchwright:problem:engine-output"
    assert "'instruct'" in refused.json()["detail"]


async def test_the_embedded_engine_says_that_a_larger_model_is_needed(client: httpx.AsyncClient):
    refused = await client.post(PATH, json={"text": WORDS})
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (422, "urn:pitchwright:problem:larger-model-needed")
    assert problem["title"] == "A larger model is needed"
    assert "PITCHWRIGHT_ENGINE_URL" in problem["detail"]
    read = (await client.post(PATH, json={"text": 'plan = "gold"'})).raise_for_status().json()
    assert (read["definition"], read["written_by"]) == ({"trait": "plan", "value": "gold"}, None)
    for body in ({"text": ""}, {"text": 7}, {"words": WORDS}, {}):
        assert (await client.post(PATH, json=body)).status_code == 400
