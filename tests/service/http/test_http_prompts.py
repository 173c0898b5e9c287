"""Prompts of a workspace over HTTP: seen, changed under the same checks, taken back, never another's."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from prompts.catalog import Catalog
from tests.service.http.shop import Shop, client_of

SHIPPED = Path(__file__).resolve().parents[3] / "prompts" / "templates"
POCKET = (SHIPPED / "push" / "pocket.v2.md.j2").read_text()
PARTIAL = (SHIPPED / "partials" / "pocket.v2.j2").read_text()
PATH = "/v1/prompts/push.pocket"


def version(number: int) -> str:
    """The shipped prompt as another version, with a partial of its own."""
    text = POCKET.replace("version: 2\n", f"version: {number}\n")
    text = text.replace("{version: 2,", f"{{version: {number},")
    return text.replace('"partials/pocket.v2.j2"', '"partials/mine.j2"')


def body(number: int, **changes: Any) -> dict[str, Any]:
    return {"source": version(number), "partials": {"partials/mine.j2": PARTIAL}} | changes


async def put(client: httpx.AsyncClient, number: int, match: str, **changes: Any) -> httpx.Response:
    return await client.put(PATH, json=body(number, **changes), headers={"If-Match": match})


async def draft(client: httpx.AsyncClient, item: str = "garden-0") -> dict[str, Any]:
    asked = {"item_id": item, "channel": "push", "audience": "gardeners", "n": 1, "seed": 1}
    response = await client.post("/v1/drafts", json=asked)
    assert response.status_code == 201, response.text
    return response.json()["variants"][0]["provenance"]


async def test_the_shipped_prompts_are_listed_and_shown(client: httpx.AsyncClient):
    listed = (await client.get("/v1/prompts")).json()["results"]
    assert len(listed) == 12
    assert {(each["origin"], each["revision"]) for each in listed} == {("shipped", 0)}
    shown = await client.get(PATH)
    assert shown.headers["etag"] == '"0"'
    template = Catalog.load().get("push", "pocket")
    assert shown.json()["source"] == POCKET
    assert shown.json()["partials"] == template.partials
    assert {each["name"]: each["digest"] for each in listed}["push.pocket"] == template.digest[:16]
    assert (await client.get(f"{PATH}/history")).json()["results"] == []
    assert (await client.get("/v1/prompts/push.grand")).status_code == 404
    assert (await client.get("/v1/prompts/..")).status_code == 404


async def test_a_next_version_is_used_by_drafts_and_its_digest_stored_with_each_variant(
    client: httpx.AsyncClient,
):
    before = await draft(client)
    assert before["prompt"] == "push/pocket.v2"
    written = await put(client, 3, '"0"', note="our own")
    assert written.status_code == 200, written.text
    assert written.headers["etag"] == '"1"'
    now = written.json()
    assert (now["prompt"], now["origin"], now["revision"]) == ("push/pocket.v3", "workspace", 1)
    assert list(now["partials"]) == ["partials/mine.j2"]
    after = await draft(client)
    assert (after["prompt"], after["prompt_digest"]) == ("push/pocket.v3", now["digest"])
    assert after["prompt_digest"] != before["prompt_digest"]
    assert (await client.get(PATH)).json() == now


async def test_one_workspace_never_sees_anothers(client: httpx.AsyncClient, shop: Shop):
    ours = client.headers["Authorization"]
    assert (await put(client, 3, '"0"')).status_code == 200
    client.headers["Authorization"] = f"Bearer {shop.keys['other/admin']}"
    assert (await client.get(PATH)).json()["origin"] == "shipped"
    assert (await client.get(f"{PATH}/history")).json()["results"] == []
    assert (await client.get(PATH, params={"revision": 1})).status_code == 404
    back = await client.post(f"{PATH}/rollback", json={"revision": 1}, headers={"If-Match": "*"})
    assert back.status_code == 404
    assert (await draft(client, "theirs-1"))["prompt"] == "push/pocket.v2"
    assert (await put(client, 3, '"0"', note="theirs")).json()["revision"] == 1
    client.headers["Authorization"] = ours
    history = (await client.get(f"{PATH}/history")).json()["results"]
    assert [each["note"] for each in history] == [""]


async def test_every_problem_comes_back_with_its_line_and_nothing_is_stored(client: httpx.AsyncClient):
    source = version(3).replace("user:\n", "user:\n{{ prodct }}\n{% for x in y %}{% endfor %}\n")
    response = await put(
        client,
        3,
        '"0"',
        source=source,
        partials={"partials/mine.j2": "{{ slots.nil }}", "x.j2": "{{ 1 + 1 }}"},
    )
    assert response.status_code == 422
    problem = response.json()
    assert problem["type"] == "urn:pitchwright:problem:prompt-not-valid"
    told = {(each["path"], each["reason"].split(":")[0], each["value"]) for each in problem["errors"]}
    line = source.split("{{ prodct")[0].count("\n") + 1
    assert ("$.source", f"line {line}", "{{ prodct }}") in told
    assert ("$.source", f"line {line + 1}", "{% for x in y %}{% endfor %}") in told
    assert ("$.partials['partials/mine.j2']", "line 1", "{{ slots.nil }}") in told
    assert any("is no name of a partial" in each["reason"] for each in problem["errors"])
    assert (await client.get(PATH)).json()["revision"] == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": ""}, "must open with front matter"),
        ({"source": "x" * 100_001}, "at most 100000"),
        ({"source": POCKET}, "version 2 is taken: write version 3"),
        (
            {"source": version(3).replace("dialect: pocket", "dialect: full")},
            "and the prompt is 'push.pocket'",
        ),
        ({"source": version(3).replace("channel: push", "channel: sms")}, "`channel` is 'sms'"),
        ({"source": version(3).replace("version: 3\n", "version: 99999999999999999999\n")}, "<= 999999"),
        ({"source": version(3).replace("user:\n", "user:\n<|end|>")}, "special token"),
        ({"source": version(3).replace("user:\n", "user:\nread\u202ethis")}, "U+202E"),
        ({"source": version(3).replace("user:\n", "user:\nhidden\U000e0041")}, "U+E0041"),
        ({"partials": {}}, "no partial 'partials/mine.j2'"),
        ({"partials": {"partials/mine.j2": '{% include "partials/mine.j2" %}'}}, "includes itself"),
        ({"partials": {"../mine.j2": "x"}}, "is no name of a partial"),
    ],
)
async def test_a_prompt_that_does_not_pass_the_checks_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], reason: str
):
    response = await put(client, 3, '"0"', **changes)
    assert response.status_code == 422
    assert any(reason in each["reason"] for each in response.json()["errors"]), response.json()["errors"]
    assert (await client.get(PATH)).json()["revision"] == 0


async def test_a_change_needs_the_revision_it_was_made_from(client: httpx.AsyncClient):
    assert (await client.put(PATH, json=body(3))).status_code == 428
    assert (await put(client, 3, '"1"')).status_code == 412
    assert (await put(client, 3, "abc")).status_code == 412
    assert (await put(client, 3, '"0"')).status_code == 200
    assert (await put(client, 4, '"0"')).status_code == 412
    assert (await put(client, 4, "*")).headers["etag"] == '"2"'
    again = await put(client, 3, "*")
    assert again.status_code == 422
    assert "version 3 is taken: write version 5" in again.text
    without = await client.post(f"{PATH}/rollback", json={"revision": 0})
    assert without.status_code == 428


async def test_a_rollback_is_a_change_of_its_own_and_nothing_is_lost(client: httpx.AsyncClient):
    first = (await put(client, 3, '"0"', note="warm")).json()
    assert (await put(client, 4, '"1"', note="cold")).status_code == 200

    async def back(to: int, match: str) -> httpx.Response:
        order = {"revision": to, "note": "sold more"}
        return await client.post(f"{PATH}/rollback", json=order, headers={"If-Match": match})

    restored = await back(1, '"2"')
    assert restored.status_code == 200
    assert restored.headers["etag"] == '"3"'
    assert restored.json()["source"] == first["source"]
    assert (await draft(client))["prompt_digest"] == first["digest"]
    shipped = await back(0, '"3"')
    assert (shipped.json()["origin"], shipped.json()["prompt"]) == ("shipped", "push/pocket.v2")
    assert (await draft(client))["prompt"] == "push/pocket.v2"
    assert (await back(9, "*")).status_code == 404
    history = (await client.get(f"{PATH}/history")).json()["results"]
    assert [(each["revision"], each["prompt"], each["restored"]) for each in history] == [
        (4, None, 0),
        (3, "push/pocket.v3", 1),
        (2, "push/pocket.v4", None),
        (1, "push/pocket.v3", None),
    ]
    assert (await client.get(PATH, params={"revision": 2})).json()["version"] == 4
    assert (await client.get(PATH, params={"revision": 0})).json()["source"] == POCKET
    page = (await client.get(f"{PATH}/history", params={"limit": 3})).json()
    assert [each["revision"] for each in page["results"]] == [4, 3, 2]
    rest = (await client.get(page["paging"]["next"]["link"])).json()
    assert [each["revision"] for each in rest["results"]] == [1]


async def test_a_key_for_copy_reads_and_does_not_change(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/copy"]) as copywriter:
        assert (await copywriter.get(PATH)).status_code == 200
        assert (await put(copywriter, 3, '"0"')).status_code == 403


async def test_a_folder_goes_before_what_is_shipped_for_its_workspace_alone(shop: Shop, tmp_path: Path):
    mine = tmp_path / "prompts" / "default"
    (mine / "push").mkdir(parents=True)
    (mine / "partials").mkdir()
    (mine / "push" / "pocket.v3.md.j2").write_text(version(3))
    (mine / "partials" / "mine.j2").write_text(PARTIAL)
    settings = shop.settings(prompts_dir=str(tmp_path / "prompts"))
    async with client_of(settings, shop.keys["default/admin"]) as client:
        shown = (await client.get(PATH)).json()
        assert (shown["prompt"], shown["origin"], shown["revision"]) == ("push/pocket.v3", "folder", 0)
        assert (await client.get("/v1/prompts/email.full")).json()["origin"] == "shipped"
        assert (await draft(client))["prompt_digest"] == shown["digest"]
        assert (await put(client, 3, '"0"')).status_code == 422
        assert (await put(client, 4, '"0"')).json()["origin"] == "workspace"
        wrong = version(3).replace("user:\n", "user:\n{{ x.y }}\n")
        await asyncio.to_thread((mine / "push" / "pocket.v3.md.j2").write_text, wrong)
        broken = await client.get(PATH)
        assert broken.status_code == 500
        assert "push/pocket.v3.md.j2" in broken.json()["detail"]
        assert "pitchwright prompts check" in broken.json()["detail"]
    async with client_of(settings, shop.keys["other/admin"]) as theirs:
        assert (await theirs.get(PATH)).json()["origin"] == "shipped"
    async with client_of(shop.settings(prompts_dir="/nowhere"), shop.keys["other/admin"]) as lost:
        answer = await lost.get(PATH)
        assert answer.status_code == 500
        assert "PITCHWRIGHT_PROMPTS_DIR is '/nowhere'" in answer.json()["detail"]
