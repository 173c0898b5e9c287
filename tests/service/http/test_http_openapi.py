"""The OpenAPI document: complete, described, and changed on purpose only."""

import asyncio
import difflib
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.serialization import encode_json

from service.api_page import render_page
from service.app import create_app
from service.settings import Settings
from tests.service.http.shop import Shop, serving

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    schema = create_app(Settings()).openapi_schema.to_schema()
    found: dict[str, Any] = json.loads(encode_json(schema))
    found["info"]["version"] = "0"  # the golden file outlives releases
    return found


class Anything(dict[str, str]):
    """An id for every path parameter."""

    def __missing__(self, name: str) -> str:
        return "any"


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_document_is_the_golden_one(document: dict[str, Any]):
    now = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(now, encoding="utf-8")
    golden = GOLDEN.read_text(encoding="utf-8")
    difference = "\n".join(difflib.unified_diff(golden.splitlines(), now.splitlines(), "golden", "now", n=2))
    assert golden == now, f"{difference[:4000]}\nIf this is meant, run `make golden` and read the difference."


def test_it_is_openapi_3_1_with_every_reference_resolved(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1")
    names = set(document["components"]["schemas"])
    text = json.dumps(document)
    used = {part.split('"', 1)[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names


def test_every_operation_has_an_example_a_security_and_a_problem(document: dict[str, Any]):
    for name, operation in operations(document):
        answers = operation["responses"]
        successes = [answer for status, answer in answers.items() if status < "3"]
        assert successes, name
        for content in (c for answer in successes for c in answer.get("content", {}).values()):
            assert content.get("examples"), f"{name} has no example of its answer"
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            assert content.get("examples") or media == "application/x-ndjson", f"{name} has no example body"
        problems = [answer for status, answer in answers.items() if status >= "4"]
        assert problems, f"{name} names no problem"
        for answer in problems:
            assert set(answer["content"]) == {"application/problem+json"}, name
        public = name.split()[1] in {"/health/live", "/health/ready", "/metrics"}
        assert bool(operation.get("security")) is not public, name
        assert operation["summary"]
        assert operation["tags"]


def test_no_choice_is_left_open(document: dict[str, Any]):
    """An empty schema among others allows anything, and makes a value that fits another one ambiguous."""
    left: list[Any] = [document]
    while left:
        here = left.pop()
        left += here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        if isinstance(here, dict):
            assert {} not in here.get("oneOf", []), here


async def test_a_body_is_closed_where_unknown_fields_are_refused(
    document: dict[str, Any], client: httpx.AsyncClient
):
    """And open where they are ignored, as in Segment's calls."""
    closed = 0
    for name, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        schema = content["schema"]
        of_rows = schema.get("type") == "array"
        example = content["examples"]["example"]["value"]
        one = schema["items"] if of_rows else document["components"]["schemas"][schema["$ref"].split("/")[-1]]
        odd = {**(example[0] if of_rows else example), "nonsense": 1}
        method, path = name.split()
        answer = await client.request(method, path.format_map(Anything()), json=[odd] if of_rows else odd)
        refused = "unknown field `nonsense`" in answer.text
        assert refused is (one.get("additionalProperties") is False), f"{name}: {answer.text[:200]}"
        closed += refused
    assert closed > 20


def test_a_file_is_documented_by_its_media_types_whole_and_in_part(document: dict[str, Any]):
    answers = document["paths"]["/v1/exports/{export_id}/file"]["get"]["responses"]
    for status in ("200", "206"):
        assert set(answers[status]["content"]) == {
            "application/gzip",
            "application/vnd.apache.parquet",
            "application/x-ndjson",
            "text/csv",
        }


def test_the_examples_of_bodies_are_read_by_the_service(document: dict[str, Any]):
    import msgspec

    from indexing.definition import parse_definition
    from service.catalog.model import Item
    from service.drafts.model import Draft, DraftRequest
    from service.events.model import Event
    from service.profiles.model import Profile
    from service.segments.model import Written
    from service.segments.routes import NewSegment, ParseRequest

    bodies: dict[str, Any] = {
        "/v1/drafts": DraftRequest,
        "/v1/items": list[Item],
        "/v1/profiles": list[Profile],
        "/v1/events": list[Event],
        "/v1/segments": NewSegment,
        "/v1/segments/parse": ParseRequest,
        "/v1/segments/preview": Written,
    }
    for path, kind in bodies.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        value = content["examples"]["example"]["value"]
        read = msgspec.convert(value, kind)
        if isinstance(read, Written):
            parse_definition(read.tree())
    answer = document["paths"]["/v1/drafts"]["post"]["responses"]["201"]["content"]["application/json"]
    msgspec.convert(answer["examples"]["example"]["value"], Draft)


def test_the_page_loads_nothing_from_anywhere(document: dict[str, Any]):
    page = render_page(document, "/schema/openapi.json")
    assert "<script" not in page
    assert "http" not in page.replace("https://shop.example", "")
    for name, _ in operations(document):
        assert name.split()[1] in page


async def test_the_page_and_the_document_are_served(shop: Shop):
    app = create_app(shop.settings(), background=False)
    await asyncio.to_thread(lambda: app.openapi_schema.to_schema())
    async with serving(app) as client:
        page = await client.get("/schema")
        assert page.headers["content-type"].startswith("text/html")
        assert "/v1/drafts" in page.text
        found = await client.get("/schema/openapi.json")
    assert found.status_code == 200
    assert found.json()["info"]["title"] == "Pitchwright"
