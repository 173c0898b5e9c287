"""Texts that a person brings, scored over HTTP: in an order, with reasons; and what cannot be scored."""

import json
from typing import Any

import httpx
import pytest

from tests.service.chat_server import Reply, Request, chat_server, completion, models
from tests.service.http.shop import Shop, client_of

GARDEN = {
    "title": "Ready for the beds?",
    "body": "Sow, water and dig with Fernhill garden trowel, 20% off until Sunday.",
}
GAMING = {"title": "Level up tonight", "body": "Boss fight? Fernhill garden trowel, 20% off until Sunday."}
LIES = {"title": "Everything 70% off", "body": "Our tools cure backache. Guaranteed."}
ASKED: dict[str, Any] = {
    "channel": "push",
    "item_id": "garden-0",
    "audience": "gardening",
    "offer": {"text": "20% off", "ends": "Sunday"},
}


def scores(text: dict[str, Any]) -> dict[str, float]:
    return {score["name"]: score["value"] for score in text["copy"]["scores"]}


async def test_texts_come_back_in_an_order_with_checks_scores_and_reasons(client: httpx.AsyncClient):
    body = {**ASKED, "texts": [LIES, GAMING, GARDEN], "control": {"title": "New in", "body": "Shop now."}}
    response = await client.post("/v1/score", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert [text["number"] for text in answer["texts"]] == [3, 2, 1]
    best, _, worst = answer["texts"]
    assert [text["copy"]["status"] for text in answer["texts"]] == ["passed", "passed", "failed"]
    assert best["merit"] > answer["texts"][1]["merit"]
    assert scores(best)["audience"] > scores(answer["texts"][1])["audience"]
    assert scores(worst)["faithfulness"] < scores(best)["faithfulness"]
    assert scores(worst)["safety"] < 1
    [audience] = [score for score in best["copy"]["scores"] if score["name"] == "audience"]
    assert audience["reason"]
    assert best["copy"]["provenance"]["engine"] == "person"
    assert best["left_out"] == []
    assert answer["control"]["number"] == 0
    assert answer["control"]["copy"]["id"] == "control"
    assert answer["control"]["copy"]["status"] == "failed"
    assert answer["brief"]["product"]["title"] == "Fernhill garden trowel"
    assert (await client.get("/v1/drafts")).json()["results"] == []


async def test_a_plain_text_of_no_channel_and_a_part_of_one_say_what_was_not_looked_at(
    client: httpx.AsyncClient,
):
    answer = (await client.post("/v1/score", json={"texts": ["Come and dig. 70% off."]})).json()
    [text] = answer["texts"]
    assert text["copy"]["fields"] == {"text": "Come and dig. 70% off."}
    assert text["copy"]["status"] == "passed"
    assert [gap["reason"] for gap in text["left_out"]] == ["no product is known"]
    unscored = {entry["name"]: entry["reason"] for entry in text["copy"]["unscored"]}
    assert unscored["audience"] == "the brief is for everyone"
    assert unscored["faithfulness"] == "no product and no offer is known to hold it against"
    body = {**ASKED, "channel": "email", "texts": [{"subject": "70% off the lot"}]}
    [text] = (await client.post("/v1/score", json=body)).json()["texts"]
    assert [check["rule"] for check in text["copy"]["checks"] if not check["passed"]] == ["invented.percent"]
    assert "only a part of the e-mail" in text["left_out"][0]["reason"]


async def test_the_brand_says_how_it_sounds_and_what_it_never_says(client: httpx.AsyncClient):
    traits = [{"adjective": "warm", "do": ["Put the kettle on and stay a while."]}]
    brand = {"name": "Fernhill", "banned_words": ["cheap"], "traits": traits}
    body = {"texts": ["Cheap and cheerful", "The kettle is on, come in."], "brand": brand}
    answer = (await client.post("/v1/score", json=body)).json()
    assert [text["number"] for text in answer["texts"]] == [2, 1]
    assert "words.banned" in str(answer["texts"][1]["copy"]["checks"])
    assert scores(answer["texts"][0])["voice"] > scores(answer["texts"][1])["voice"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"texts": []}, 400, "send 1 to 20"),
        ({"texts": ["a"] * 21}, 400, "21 entries"),
        ({"texts": ["good", " \n"]}, 400, "texts[1]: text is empty"),
        ({"texts": [{}], "channel": "push"}, 400, "texts[0]: the copy is empty"),
        ({"texts": ["x" * 100_000]}, 400, "texts[0] has 100,000 characters: at most 20,000"),
        ({"texts": ["a"], "channel": "fax"}, 422, "unknown channel 'fax'"),
        ({"texts": ["a"], "channel": "email"}, 400, "send the fields it is for by name"),
        ({"texts": [{"subject": "a"}], "channel": "push"}, 400, "unknown field 'subject'"),
        ({"texts": [{"title": ["a"]}], "channel": "push"}, 400, "title must be a text"),
        ({"texts": ["a\x00b"]}, 400, "control character"),
        ({"texts": ["a"], "control": {"subject": ""}, "channel": "email"}, 400, "texts[0]"),
        ({"texts": ["a"], "control": " "}, 400, "control: text is empty"),
        ({"texts": ["a"], "judge": 6}, 400, "judge is 6"),
        ({"texts": ["a"], "item_id": "nowhere"}, 404, "nowhere"),
        ({"texts": ["a"], "item_id": "garden-0", "product": {"id": "x", "title": "y"}}, 400, "send one"),
        ({"texts": ["a"], "segment": "gardeners", "audience": "cooks"}, 400, "send one of them"),
        ({"texts": ["a"], "language": "??"}, 422, "no BCP 47 tag"),
        ({"texts": [3]}, 400, "texts[0]"),
        ({"text": "a"}, 400, "text"),
    ],
)
async def test_what_cannot_be_scored_is_refused_by_its_place(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, told: str
):
    response = await client.post("/v1/score", json=body)
    assert response.status_code == status, response.text
    assert told in response.json()["detail"]


async def test_a_text_in_another_script_is_told_and_has_no_ease(client: httpx.AsyncClient):
    [text] = (await client.post("/v1/score", json={"texts": ["Купите лопату"]})).json()["texts"]
    assert text["copy"]["status"] == "failed"
    [found] = [check for check in text["copy"]["checks"] if check["rule"] == "language.other"]
    assert "'en' was asked for" in found["findings"][0]["reason"]
    assert "readability" in {entry["name"] for entry in text["copy"]["unscored"]}


async def test_a_judge_is_asked_about_each_and_both_orders_and_orders_nothing(shop: Shop):
    asked: list[str] = []

    async def answer(request: Request) -> Reply:
        if request.path == "/v1/models":
            return models("judge")
        text = request.body["messages"][-1]["content"]
        asked.append(text)
        if "Which of the two" in text:
            return completion(json.dumps({"better": "first", "reason": "it came first"}))
        lies = "backache" in text
        quotes = ["Our tools cure backache."] if lies else []
        return completion(json.dumps({"unsupported": quotes, "faithful": not lies, "reason": "read"}))

    async with chat_server(answer) as url:
        settings = shop.settings(engine_url=url, engine_model="judge")
        async with client_of(settings, shop.keys["default/copy"]) as client:
            body = {**ASKED, "texts": [LIES, GARDEN], "judge": 2}
            answered = (await client.post("/v1/score", json=body)).raise_for_status().json()
            metrics = (await client.get("/metrics")).text
    good, bad = answered["texts"]
    assert (good["number"], bad["number"]) == (2, 1)
    assert (scores(good)["judge"], scores(bad)["judge"]) == (1.0, 0.0)
    assert scores(good)["judge_preference"] == scores(bad)["judge_preference"] == 0.5
    [said] = [score for score in bad["copy"]["scores"] if score["name"] == "judge"]
    assert said["passed"] is False
    assert said["evidence"] == ["unsupported: Our tools cure backache.", "read", "read"]
    assert len(asked) == 8
    assert "pitchwright_scores_missing" in metrics


async def test_the_embedded_engine_says_that_it_cannot_judge(client: httpx.AsyncClient):
    body = {**ASKED, "texts": [GARDEN], "judge": 1}
    [text] = (await client.post("/v1/score", json=body)).json()["texts"]
    [missing] = [entry for entry in text["copy"]["unscored"] if entry["name"] == "judge"]
    assert "cannot judge" in missing["reason"]
    assert not missing["failed"]


async def test_a_judge_that_is_down_is_stated_and_counted_and_the_scores_stand(shop: Shop):
    body = {**ASKED, "texts": [GARDEN], "judge": 1}
    settings = shop.settings(engine_url="http://127.0.0.1:9/v1", engine_model="judge")
    async with client_of(settings, shop.keys["default/copy"]) as dead:
        [text] = (await dead.post("/v1/score", json=body)).json()["texts"]
        metrics = (await dead.get("/metrics")).text
    [missing] = [entry for entry in text["copy"]["unscored"] if entry["name"] == "judge"]
    assert missing["failed"]
    assert scores(text)["audience"] > 0
    assert 'pitchwright_scores_missing_total{scorer="judge"} 1.0' in metrics
