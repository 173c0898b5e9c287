"""The text in use today beside a draft: checked, scored as one of the variants, stored, told to no prompt."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from eval.scorers import registry
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.variant import Score, Variant
from tests.service.http.shop import Shop
from tests.service.http.test_http_drafts import FULL

CONTROL = {"body": "See what is new for the birds.", "title": "The grand bird sale"}


async def drafted(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/v1/drafts", json={**FULL, "control": CONTROL, **changes})
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_draft_stands_beside_the_text_in_use(client: httpx.AsyncClient):
    draft = await drafted(client)
    control = draft["control"]
    assert (control["id"], control["status"]) == ("control", "failed")
    assert list(control["fields"]) == ["title", "body"]
    assert "facts.product" in [check["rule"] for check in control["checks"] if not check["passed"]]
    named = {score["name"] for score in control["scores"]}
    assert named >= {"checks", "faithfulness", "audience", "readability", "distinct_2"}
    assert named == {score["name"] for score in draft["variants"][0]["scores"]}
    assert "bird sale" not in json.dumps(draft["brief"])
    assert "bird sale" not in json.dumps([variant["fields"] for variant in draft["variants"]])
    stored = (await client.get(f"/v1/drafts/{draft['id']}")).json()
    assert stored == draft
    assert list(stored["control"]["fields"]) == ["title", "body"]
    [variant] = draft["variants"]
    path = f"/v1/drafts/{draft['id']}/variants/{variant['id']}/rewrite"
    child = (await client.post(path, json={"instruction": "shorter"})).raise_for_status().json()
    assert child["control"]["fields"] == control["fields"]


async def test_a_control_changes_nothing_of_what_is_written(client: httpx.AsyncClient):
    beside = await drafted(client)
    alone = await drafted(client, control=None)
    assert alone["control"] is None
    assert [v["fields"] for v in alone["variants"]] == [v["fields"] for v in beside["variants"]]
    assert [v["id"] for v in alone["variants"]] == [v["id"] for v in beside["variants"]]
    stream = await client.post(
        "/v1/drafts", json={**FULL, "control": CONTROL}, headers={"Accept": "text/event-stream"}
    )
    done = json.loads(stream.text.split("event: done\r\ndata: ")[1].split("\r\n")[0])
    assert done["control"]["scores"] == beside["control"]["scores"]


@pytest.mark.parametrize(
    ("control", "told"),
    [
        ({"subject": "x"}, "unknown field 'subject'"),
        ({}, "the copy is empty"),
        ({"title": ""}, "title is empty"),
    ],
)
async def test_a_control_the_channel_cannot_hold_is_refused_before_anything_is_written(
    client: httpx.AsyncClient, control: dict[str, str], told: str
):
    response = await client.post("/v1/drafts", json={**FULL, "control": control})
    assert response.status_code == 400
    assert f"control: {told}" in response.json()["detail"]
    assert (await client.get("/v1/drafts")).json()["results"] == []


async def test_a_scorer_that_breaks_is_stated_and_counted_and_the_draft_is_there(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    def broke(_: Brief, __: Sequence[Variant], ___: Embedder) -> list[Score | None]:
        raise KeyError("no such model")

    def nan(_: Brief, variants: Sequence[Variant], ___: Embedder) -> list[Score | None]:
        return [Score(name="nan", value=float("nan")) for _ in variants]

    assert isinstance(registry.SCORERS, dict)
    monkeypatch.setitem(registry.SCORERS, "broke", broke)
    monkeypatch.setitem(registry.SCORERS, "nan", nan)
    draft = await drafted(client, n=2)
    for variant in (*draft["variants"], draft["control"]):
        failed = {entry["name"]: entry["reason"] for entry in variant["unscored"] if entry["failed"]}
        assert failed == {
            "broke": "the scorer failed: KeyError: 'no such model'",
            "nan": "scorer 'nan' answered nan: score and interval must be finite",
        }
        assert "audience" in {score["name"] for score in variant["scores"]}
    metrics = (await client.get("/metrics")).text
    assert 'pitchwright_scores_missing_total{scorer="broke"} 2.0' in metrics
    assert (await client.get(f"/v1/drafts/{draft['id']}")).json() == draft
