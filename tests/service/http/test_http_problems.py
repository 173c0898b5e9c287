"""Bad input gets a problem that quotes it and says what to do; never a traceback."""

from typing import Any

import httpx
import pytest
from litestar import get

from service.app import create_app
from service.errors import ServiceError
from service.openapi import PUBLIC
from service.problems import PROBLEMS, kind_of
from tests.service.http.shop import Shop, client_of, serving

BRIEF: dict[str, Any] = {"item_id": "garden-0", "channel": "push", "n": 1}


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:pitchwright:problem:")
    assert body["title"]
    assert body["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    return body


WRONG_SHAPES: list[tuple[dict[str, Any], str, str]] = [
    ({"n": "many"}, "$.n", "many"),
    ({"offer": {"text": 3}}, "$.offer", ""),
    ({"tone": "sarcastic"}, "$.tone", "sarcastic"),
    ({"colour": "red"}, "$", "colour"),
    ({"product": {"id": "x", "title": 5}}, "$.product.title", "5"),
]


async def test_an_unknown_query_parameter_is_refused_by_name(client: httpx.AsyncClient):
    misspelt = problem(await client.get("/v1/items/garden-0/profiles?exclude_buyer=true"), 400)
    assert "'exclude_buyer': did you mean 'exclude_buyers'?" in misspelt["detail"]
    none = problem(await client.get("/v1/items/garden-0?verbose=1"), 400)
    assert "'verbose': this route takes none" in none["detail"]
    assert (await client.get("/health/live?probe=1")).status_code == 200


async def test_a_value_of_the_wrong_shape_is_named_by_its_path(client: httpx.AsyncClient):
    for changes, path, told in WRONG_SHAPES:
        body = problem(await client.post("/v1/drafts", json={**BRIEF, **changes}), 400)
        assert body["errors"][0]["path"].startswith(path)
        assert told in body["detail"]


async def test_what_is_none_of_a_list_is_told_the_list(client: httpx.AsyncClient):
    hook = {"url": "https://crm.example/hook", "events": ["export.ready", "segment.changed"]}
    body = problem(await client.post("/v1/webhooks", json=hook), 400)
    assert body["detail"].startswith("$.events[1]: 'segment.changed' is none of campaign.done, export.ready,")
    body = problem(await client.get("/v1/segments/gardeners/match/p-1?at=noon"), 400)
    assert body["detail"] == "at: 'noon' is none of live, snapshot"
    row = {"profile_id": "p-1", "channel": "email", "word": "yes"}
    counts = (await client.post("/v1/consents", json=[row])).json()
    assert counts["rejects"][0]["reason"] == "$.word: 'yes' is none of denied, granted"
    counts = (await client.post("/v1/batch", json={"batch": [{"type": "trick", "userId": "p-1"}]})).json()
    assert "$.type: 'trick' is none of" in counts["rejects"][0]["reason"]


async def test_a_missing_field_is_named(client: httpx.AsyncClient):
    body = problem(await client.post("/v1/drafts", json={"item_id": "garden-0"}), 400)
    assert "channel" in body["detail"]


async def test_a_body_that_is_no_object_is_refused(client: httpx.AsyncClient):
    headers = {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[1]", b"\xff\xfe", b'"text"', b"null"):
        problem(await client.post("/v1/drafts", content=content, headers=headers), 400)


async def test_a_body_of_hostile_depth_or_of_other_bytes_than_utf_8_is_refused(client: httpx.AsyncClient):
    headers = {"Content-Type": "application/json"}
    deep = b'{"definition":' + b'{"not":' * 5000 + b"1" + b"}" * 5001
    for path in ("/v1/drafts", "/v1/segments/preview"):
        body = problem(await client.post(path, content=deep, headers=headers), 400)
        assert "nested too deep" in body["detail"]
        body = problem(await client.post(path, content=b'"caf\xe9"', headers=headers), 400)
        assert "0xe9" in body["detail"]
    problem(await client.post("/v1/items", content=b"[" * 5000, headers=headers), 400)


async def test_rows_that_cannot_be_read_to_their_end_stop_no_other(client: httpx.AsyncClient):
    rows = [b"[", b'{"id":' + b"[" * 5000, b'{"id":"caf\xe9","title":"x"}', b'{"id":"kept","title":"A jug"}']
    headers = {"Content-Type": "application/x-ndjson"}
    counts = (await client.post("/v1/items", content=b"\n".join(rows), headers=headers)).json()
    assert (counts["stored"], counts["rejected"]) == (1, 3)
    assert [reject["row"] for reject in counts["rejects"]] == [0, 1, 2]


async def test_an_unknown_channel_names_the_known_ones(client: httpx.AsyncClient):
    body = problem(await client.post("/v1/drafts", json={**BRIEF, "channel": "fax"}), 422)
    assert "fax" in body["detail"]
    assert "email" in body["detail"]
    assert "push" in body["detail"]


@pytest.mark.parametrize(
    "path",
    ["/v1/items", "/v1/drafts", "/v1/segments", "/v1/segments/gardeners/members"],
)
async def test_a_limit_out_of_range_names_the_maximum(client: httpx.AsyncClient, path: str):
    for limit in ("1000000000", "0", "-1"):
        body = problem(await client.get(path, params={"limit": limit}), 400)
        assert limit in body["detail"]
        assert "500" in body["detail"]


async def test_only_a_listing_that_has_pages_says_so(client: httpx.AsyncClient):
    assert (
        problem(await client.get("/v1/items/garden-0/similar?k=0"), 400)["detail"]
        == "k is 0: ask for 1 to 500"
    )
    assert "page on" in problem(await client.get("/v1/items?limit=0"), 400)["detail"]


async def test_a_limit_that_is_no_number_is_quoted(client: httpx.AsyncClient):
    body = problem(await client.get("/v1/items", params={"limit": "lots"}), 400)
    assert body["errors"] == [{"path": "limit", "reason": body["errors"][0]["reason"], "value": "lots"}]


async def test_a_cursor_of_somebody_else_is_refused(client: httpx.AsyncClient):
    for after in ("nonsense", "e30", "AAAA", "💥"):
        body = problem(await client.get("/v1/items", params={"after": after}), 400)
        assert "start again without it" in body["detail"]


async def test_a_body_over_the_limit_is_too_large(shop: Shop):
    async with client_of(shop.settings(max_body_bytes=2048), shop.keys["default/crm"]) as client:
        body = problem(await client.post("/v1/items", content=b"[" + b" " * 4096 + b"]"), 413)
    assert "2,048" in body["detail"]


async def test_more_rows_than_allowed_are_too_large(shop: Shop):
    async with client_of(shop.settings(max_batch_rows=2), shop.keys["default/crm"]) as client:
        rows = [{"id": f"i{n}", "title": "x"} for n in range(3)]
        body = problem(await client.post("/v1/items", json=rows), 413)
        assert "3" in body["detail"]
        assert (await client.get("/v1/items/i0")).status_code == 404


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient):
    problem(await client.get("/v1/nothing"), 404)
    problem(await client.put("/v1/items"), 405)


async def test_an_unexpected_error_is_an_id_and_no_word_of_itself(
    shop: Shop, capsys: pytest.CaptureFixture[str]
):
    @get("/broken", opt={"scope": (PUBLIC,)})
    async def broken() -> None:
        raise RuntimeError("the secret is 42")

    app = create_app(shop.settings(), background=False)
    app.register(broken)
    async with serving(app) as client:
        response = await client.get("/broken", headers={"X-Request-Id": "look-me-up"})
    body = problem(response, 500)
    assert "42" not in response.text
    assert "look-me-up" in body["detail"]
    lines = [line for line in capsys.readouterr().err.splitlines() if "look-me-up" in line]
    assert any("the secret is 42" in line and "RuntimeError" in line for line in lines)


def _tree(base: type[Exception]) -> list[type[Exception]]:
    return [base, *(each for child in base.__subclasses__() for each in _tree(child))]


def test_every_deliberate_error_has_a_kind_of_its_own_or_its_parents():
    import indexing.errors as indexing_errors
    import prompts.errors as prompt_errors

    bases = (ServiceError, indexing_errors.IndexingError, prompt_errors.PromptError)
    for base in bases:
        for error in _tree(base)[1:]:
            if error.__module__.endswith(".errors") and "importing" not in error.__module__:
                known = any(parent in PROBLEMS for parent in error.__mro__)
                assert known or kind_of(error("x")).status == 500, error


async def test_a_build_that_no_index_fits_into_names_the_setting(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.snapshots.actions.MIB", 1)
    body = problem(await client.post("/v1/snapshots"), 503)
    assert body["type"] == "urn:pitchwright:problem:index-too-large"
    assert "holds no index of" in body["detail"]
    assert "PITCHWRIGHT_INDEX_MEMORY_MIB=2048" in body["detail"]
