"""Accepting, rejecting and editing variants over HTTP: who, when, why, and by which rules."""

import asyncio
from typing import Any

import httpx
import pytest

from service.drafts.model import Draft
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_drafts import FULL


async def written(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """A draft whose variants all passed."""
    response = await client.post("/v1/drafts", json={**FULL, **changes})
    draft = response.raise_for_status().json()
    assert {variant["status"] for variant in draft["variants"]} == {"passed"}
    return draft


def decisions_path(draft: dict[str, Any], place: int = 0) -> str:
    return f"/v1/drafts/{draft['id']}/variants/{draft['variants'][place]['id']}/decisions"


async def decided(
    client: httpx.AsyncClient, draft: dict[str, Any], place: int = 0, **body: Any
) -> dict[str, Any]:
    response = await client.post(decisions_path(draft, place), json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def standing(client: httpx.AsyncClient, draft: dict[str, Any]) -> list[dict[str, Any]]:
    return (await client.get(f"/v1/drafts/{draft['id']}")).raise_for_status().json()["standings"]


async def test_a_decision_says_who_and_when_and_shows_in_the_draft(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/copy"]) as client:
        draft = await written(client)
        assert draft["standings"] == []
        made = await decided(client, draft, verdict="accepted")
        assert made["number"] == 1
        assert made["by"]["name"] == "copy"
        assert made["at"] > draft["created_at"]
        assert made["fields"] is None
        [shown] = await standing(client, draft)
        [listed] = (await client.get("/v1/drafts")).raise_for_status().json()["results"]
    variant = draft["variants"][0]
    assert shown["variant_id"] == variant["id"]
    assert (shown["verdict"], shown["by"], shown["at"]) == ("accepted", made["by"], made["at"])
    assert (shown["fields"], shown["status"], shown["edited"]) == (variant["fields"], "passed", False)
    assert listed["standings"] == [shown]


async def test_an_edit_is_checked_again_and_keeps_what_was_written(client: httpx.AsyncClient):
    draft = await written(client)
    before = draft["variants"][0]["fields"]
    wrong = await decided(client, draft, verdict="edited", fields={"title": "Half price, 50% off today"})
    assert wrong["fields"] == {**before, "title": "Half price, 50% off today"}
    failed = {check["rule"] for check in wrong["checks"] if not check["passed"]}
    assert "invented.percent" in failed
    refused = await client.post(decisions_path(draft), json={"verdict": "accepted"})
    assert refused.status_code == 409
    assert "invented.percent" in refused.json()["detail"]

    right = await decided(client, draft, verdict="edited", fields={"title": "A Perch for Wrens"})
    assert all(check["passed"] for check in right["checks"])
    await decided(client, draft, verdict="accepted")
    [shown] = await standing(client, draft)
    assert shown["fields"] == {**before, "title": "A Perch for Wrens"}
    assert (shown["verdict"], shown["edited"], shown["decisions"]) == ("accepted", True, 3)
    again = (await client.get(f"/v1/drafts/{draft['id']}")).json()
    assert again["variants"] == draft["variants"]
    history = (await client.get(decisions_path(draft))).raise_for_status().json()["results"]
    assert [(each["number"], each["verdict"]) for each in history] == [
        (1, "edited"),
        (2, "edited"),
        (3, "accepted"),
    ]
    assert history[0] == wrong
    found = (await client.get("/v1/drafts", params={"text": "perch for WRENS"})).json()["results"]
    assert [each["id"] for each in found] == [draft["id"]]


async def test_an_edit_that_repeats_another_variant_fails(client: httpx.AsyncClient):
    draft = await written(client, n=2)
    made = await decided(client, draft, 1, verdict="edited", fields=draft["variants"][0]["fields"])
    assert {check["rule"] for check in made["checks"] if not check["passed"]} == {"duplicates.variants"}
    [shown] = await standing(client, draft)
    assert shown["status"] == "failed"


async def test_a_rejection_keeps_its_reason(client: httpx.AsyncClient):
    draft = await written(client)
    await decided(client, draft, verdict="rejected", reason="  too chummy for us ")
    [shown] = await standing(client, draft)
    assert (shown["verdict"], shown["reason"]) == ("rejected", "too chummy for us")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"verdict": "rejected"}, "reason"),
    ({"verdict": "rejected", "reason": "  "}, "reason"),
    ({"verdict": "rejected", "reason": "x" * 1_001}, "1000"),
    ({"verdict": "maybe"}, "maybe"),
    ({"verdict": "edited"}, "fields"),
    ({"verdict": "edited", "fields": {}}, "fields"),
    ({"verdict": "accepted", "fields": {"title": "x"}}, "send an edit first"),
    ({"verdict": "edited", "fields": {"headline": "x"}}, "unknown field 'headline'"),
    ({"verdict": "edited", "fields": {"title": ["x"]}}, "title must be a text"),
    ({"verdict": "edited", "fields": {"title": "two\nlines"}}, "one line"),
    ({"verdict": "edited", "fields": {"title": " "}}, "empty"),
    ({"verdict": "edited", "fields": {"title": "x" * 60_000}}, "60"),
    ({"verdict": "accepted", "by": "me"}, "by"),
]


async def test_a_decision_that_means_nothing_is_refused_and_leaves_no_trace(client: httpx.AsyncClient):
    draft = await written(client)
    for body, told in REFUSED:
        response = await client.post(decisions_path(draft), json=body)
        assert response.status_code == 400, f"{body}: {response.text}"
        assert told in response.json()["detail"], response.text
    assert (await client.get(decisions_path(draft))).json()["results"] == []


async def test_a_broken_merge_tag_in_an_edit_is_a_finding_not_a_fault(client: httpx.AsyncClient):
    draft = await written(client)
    made = await decided(client, draft, verdict="edited", fields={"title": "Hi {{ surname }}"})
    assert "words.leftover" in {check["rule"] for check in made["checks"] if not check["passed"]}


async def test_nothing_there_is_a_404(client: httpx.AsyncClient):
    draft = await written(client)
    for path in (
        "/v1/drafts/none/variants/x/decisions",
        f"/v1/drafts/{draft['id']}/variants/none/decisions",
    ):
        assert (await client.get(path)).status_code == 404
        assert (await client.post(path, json={"verdict": "accepted"})).status_code == 404


async def test_another_workspace_neither_sees_nor_decides(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        draft = await written(client)
        stranger = {"Authorization": f"Bearer {shop.keys['other/admin']}"}
        body = {"verdict": "rejected", "reason": "not mine"}
        response = await client.post(decisions_path(draft), json=body, headers=stranger)
        assert response.status_code == 404
        assert await standing(client, draft) == []


async def test_a_decision_sent_twice_under_one_key_is_made_once(client: httpx.AsyncClient):
    draft = await written(client)
    headers = {"Idempotency-Key": "once"}
    body = {"verdict": "accepted"}
    first = await client.post(decisions_path(draft), json=body, headers=headers)
    second = await client.post(decisions_path(draft), json=body, headers=headers)
    assert first.status_code == second.status_code == 201
    assert second.headers["idempotency-replayed"] == "true"
    assert len((await client.get(decisions_path(draft))).json()["results"]) == 1


async def test_of_people_who_decide_at_once_nobodys_word_is_lost(client: httpx.AsyncClient):
    draft = await written(client)
    bodies = [{"verdict": "rejected", "reason": f"reason {number}"} for number in range(4)]
    await asyncio.gather(*(client.post(decisions_path(draft), json=body) for body in bodies))
    history = (await client.get(decisions_path(draft))).json()["results"]
    assert [each["number"] for each in history] == [1, 2, 3, 4]
    assert {each["reason"] for each in history} == {body["reason"] for body in bodies}


async def test_a_key_without_the_scope_copy_decides_nothing(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        draft = await written(client)
        headers = {"Authorization": f"Bearer {shop.keys['default/batch']}"}
        body = {"verdict": "accepted"}
        assert (await client.post(decisions_path(draft), json=body, headers=headers)).status_code == 403
        assert (await client.get(decisions_path(draft), headers=headers)).status_code == 200


@pytest.mark.parametrize("field", ["standings"])
def test_a_draft_stored_before_there_were_decisions_is_read(field: str):
    import msgspec

    from service.drafts.examples import DRAFT

    old = {name: value for name, value in DRAFT.items() if name != field}
    assert msgspec.convert(old, Draft).standings == ()


async def test_copy_that_says_what_was_accepted_before_is_warned_of(client: httpx.AsyncClient):
    asked = {"item_id": "garden-0", "channel": "push", "n": 1, "seed": 5}
    first = (await client.post("/v1/drafts", json=asked)).raise_for_status().json()
    variant = first["variants"][0]
    assert all(check["rule"] != "duplicates.sent" for check in variant["checks"])
    path = f"/v1/drafts/{first['id']}/variants/{variant['id']}/decisions"
    (await client.post(path, json={"verdict": "accepted"})).raise_for_status()
    again = (await client.post("/v1/drafts", json=asked)).raise_for_status().json()["variants"][0]
    assert again["status"] == "passed"
    sent = next(check for check in again["checks"] if check["rule"] == "duplicates.sent")
    assert sent["passed"]
    assert f"{first['id']}/{variant['id']}" in sent["findings"][0]["reason"]
    other = {**asked, "item_id": "kitchen-1", "tone": "luxury", "seed": 8}
    apart = (await client.post("/v1/drafts", json=other)).raise_for_status().json()["variants"][0]
    sent = next(check for check in apart["checks"] if check["rule"] == "duplicates.sent")
    assert sent["findings"] == []
    elsewhere = (await client.post("/v1/drafts", json={**asked, "channel": "sms"})).json()["variants"][0]
    assert all(check["rule"] != "duplicates.sent" for check in elsewhere["checks"])
