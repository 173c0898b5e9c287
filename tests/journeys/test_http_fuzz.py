"""Hostile requests of every operation of the service's own OpenAPI document: problems, never failures."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexing.definition import definition_schema
from prompts.brief import Audience, Brief, Product
from prompts.variant import Provenance, Variant
from service.app import create_app
from service.campaigns.model import Campaign, places
from service.campaigns.store import CampaignStore
from service.drafts.model import Draft
from service.drafts.store import DraftStore
from service.runtime import open_runtime
from service.settings import Settings
from service.webhooks.model import Webhook, new_secret
from service.webhooks.store import WebhookStore
from tests.contracts.stores import Store
from tests.contracts.stores import store as store
from tests.journeys.hostile import anything, changed, encoded, from_schema, in_path, in_query, raw_bodies
from tests.service.http.shop import NOW, Shop, client_of, make_shop

pytestmark = pytest.mark.slow

DOCUMENT: dict[str, Any] = create_app(
    Settings(embedder="offline"), background=False
).openapi_schema.to_schema()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]
OPERATIONS.sort(key=lambda operation: operation[0] == "delete")  # what is deleted is asked for before
EXAMPLES = 250
_VARIANT = "/v1/drafts/{draft_id}/variants/{variant_id}"
COSTLY = {
    ("post", "/v1/drafts"): 180,
    ("post", f"{_VARIANT}/rewrite"): 120,
    ("post", "/v1/score"): 180,
    ("post", "/v1/snapshots"): 8,
}
"""Fewer examples where one answer takes long: it generates text, encodes it, or builds a snapshot."""

KNOWN_IDS = {
    "item_id": ("garden-0", "music-5"),
    "profile_id": ("p-1", "p-40"),
    "segment_id": ("gardeners",),
    "draft_id": ("20261122T120000000000-000000000000",),
    "variant_id": ("fuzzed-1", "fuzzed-2"),
    "erasure_id": ("0" * 32,),
    "export_id": ("0" * 32,),
    "webhook_id": ("0" * 12,),
    "campaign_id": ("20261122T120000000000-000000000000",),
    "delivery_id": ("msg_" + "0" * 32,),
    "name": ("push.pocket", "email.full"),
}
BODIES = {"patch": b"{}", "put": b'{"source": ""}', "post": b'{"revision": 0}'}
"""What is well formed for an operation that changes one thing."""
ORDERS = {
    "/v1/segments/{segment_id}/exports": b"{}",
    f"{_VARIANT}/decisions": b'{"verdict": "accepted"}',
    f"{_VARIANT}/rewrite": b'{"fields": ["text"]}',
    "/v1/profiles/{profile_id}/consent": b'{"channels": {"email": "granted"}}',
    "/v1/campaigns/{campaign_id}/resume": b"{}",
    "/v1/campaigns/{campaign_id}/exports": b"{}",
    "/v1/webhooks/{webhook_id}/rotate": b'{"overlap_hours": 1}',
    "/v1/webhooks/{webhook_id}/replay": b'{"created_since": "2026-11-22T00:00:00Z"}',
}
"""The same, by path."""
NEEDED = {
    "/v1/segments/{segment_id}/changes": "?since=20261122T000000Z-00000000",
    "/v1/segments/{segment_id}/reach": "?channel=email",
}
"""Parameters without which an operation is refused."""
ROWS = ("/v1/items", "/v1/profiles", "/v1/events")
DEFINITIONS = from_schema(definition_schema(), definition_schema()["$defs"])
HEADERS = {
    "If-Match": ('"1"', '"2"', '"3"', "*", "1", 'W/"1"', " ", "x" * 300),
    "Range": ("bytes=0-", "bytes=-1", "bytes=9-1", "lines=1", " "),
    "If-Range": ('"1"', "*", " "),
    "Idempotency-Key": (*(f"key-{number}" for number in range(40)), " ", "x" * 300),
}
SHORT_FORM = {"channel": "sms", "item_id": "garden-0", "segment": "gardeners", "n": 1}


class Sent(msgspec.Struct, frozen=True):
    """One request."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


Ask = Callable[[Sent], httpx.Response]


@pytest.fixture(scope="module")
def ask(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Send requests to the real service on one event loop, which must bear all of them."""
    url = store.empty()
    with asyncio.Runner() as runner:
        shop: Shop = runner.run(make_shop(tmp_path_factory.mktemp("fuzz") / "var", url))
        runner.run(keep_known(shop.settings()))
        serving = client_of(shop.settings(), shop.keys["default/admin"])
        client = runner.run(serving.__aenter__())

        def send(sent: Sent) -> httpx.Response:
            request = client.request(sent.method, sent.url, headers=sent.headers, content=sent.body)
            return runner.run(asyncio.wait_for(request, timeout=60))

        yield send
        runner.run(serving.__aexit__(None, None, None))


async def keep_known(settings: Settings) -> None:
    """Store one of each under the known ids, so that what is done with one meets one."""
    texts = ("A trowel for Sunday.", "Dig {{ first_name | default: 'in' }}!")
    asked = Brief(channel="sms", product=Product(id="1", title="Trowel"), audience=Audience(name="All"))
    made_by = Provenance(prompt="sms/pocket.v2", prompt_digest="0", engine="e", model="m", seed=1, attempts=1)
    variants = tuple(
        Variant(id=name, status="passed", fields={"text": text}, checks=(), provenance=made_by)
        for name, text in zip(KNOWN_IDS["variant_id"], texts, strict=True)
    )
    draft = Draft(id=KNOWN_IDS["draft_id"][0], created_at=NOW, brief=asked, variants=variants)
    webhook = Webhook(
        id=KNOWN_IDS["webhook_id"][0],
        url="https://crm.example/hook",
        events=("export.ready",),
        created_at=NOW,
        updated_at=NOW,
    )
    campaign = Campaign(name="known", segments=("gardeners",), channels=("sms",))
    units = list(places(campaign, {"gardeners": ["garden-0", "garden-1"]}))
    async with open_runtime(settings) as runtime, runtime.database.write() as session:
        await CampaignStore(session, "default").add(KNOWN_IDS["campaign_id"][0], campaign, units, NOW)
        await DraftStore(session, "default").add(draft)
        await WebhookStore(session, "default").add(webhook, new_secret())


def requests_of(method: str, path: str) -> st.SearchStrategy[Sent]:
    """Nearly right requests of one operation."""
    operation: dict[str, Any] = DOCUMENT["paths"][path][method]
    parameters: list[dict[str, Any]] = operation.get("parameters", [])
    names = [each["name"] for each in parameters if each["in"] == "query"]

    @st.composite
    def build(draw: st.DrawFn) -> Sent:
        url = path
        for each in parameters:
            if each["in"] == "path":
                url = url.replace(f"{{{each['name']}}}", draw(in_path(KNOWN_IDS[each["name"]])))
        query = [(name, draw(in_query)) for name in names if draw(st.integers(0, 3)) == 0]
        if draw(st.integers(0, 19)) == 0:
            query.append(("nonsense", "1"))
        url += "?" * bool(query) + "&".join(f"{name}={value}" for name, value in query)
        headers = {"Content-Type": draw(st.sampled_from(_media_types(operation)))}
        for name, values in HEADERS.items():
            if draw(st.integers(0, 3)) == 0 or (name == "If-Match" and "{" in path):
                headers[name] = draw(st.sampled_from(values))
        body = draw(_bodies(path, operation)) if "requestBody" in operation else None
        return Sent(method.upper(), url, headers, body)

    return build()


def _media_types(operation: dict[str, Any]) -> list[str]:
    declared = list(operation.get("requestBody", {}).get("content", {"application/json": {}}))
    return [*declared * 6, "text/plain", "application/json; charset=utf-7", "nonsense"]


def _bodies(path: str, operation: dict[str, Any]) -> st.SearchStrategy[bytes]:
    content = operation["requestBody"]["content"]["application/json"]
    example = content["examples"]["example"]["value"]
    values: list[st.SearchStrategy[Any]] = [
        changed(example),
        from_schema(content["schema"], SCHEMAS),
        anything,
    ]
    if path in ROWS:
        values.append(st.lists(changed(example[0]), max_size=4))
    if "definition" in str(content["schema"]) or "egment" in str(content["schema"]):
        trees = DEFINITIONS | st.just({"like": "music"})
        values.append(st.fixed_dictionaries({"name": st.text(max_size=9), "definition": trees}))
        values.append(st.fixed_dictionaries({"definition": trees}))
    if path.endswith("/rewrite"):
        values = [each.map(_short) for each in [*values, changed({"instruction": "shorter", "n": 1})]]
    if path == "/v1/drafts":
        values = [each.map(_short) for each in [*values, changed(SHORT_FORM), changed(SHORT_FORM)]]
    return st.one_of(values).map(encoded) | raw_bodies


def _short(request: Any) -> Any:
    """Ask for one variant where more would be written: twenty of each would take minutes."""
    if isinstance(request, dict) and request.get("n", 3) in range(1, 21):
        return {**request, "n": 1}
    return request


def judge(sent: Sent, response: httpx.Response, declared: set[int]) -> None:
    """Hold an answer to what every answer promises."""
    told = f"{sent}\n{response.status_code} {response.text[:2000]}"
    assert response.status_code < 500, told
    assert response.status_code in declared, told
    assert "Traceback" not in response.text, told
    assert 'File "/' not in response.text, told
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == "application/problem+json", told
    problem = response.json()
    assert problem["status"] == response.status_code, told
    assert problem["type"].startswith("urn:pitchwright:problem:"), told
    assert problem["title"], told
    assert problem["detail"], told
    assert problem["request_id"] == response.headers["x-request-id"], told


WITH_IDS = [(method, path) for method, path in OPERATIONS if "{" in path]


@pytest.mark.parametrize(("method", "path"), WITH_IDS)
def test_an_unknown_id_is_not_found(ask: Ask, method: str, path: str):
    body = ORDERS.get(path, BODIES[method]) if method in BODIES else None
    for name, known in KNOWN_IDS.items():
        if f"{{{name}}}" not in path:
            continue
        url = path.replace(f"{{{name}}}", "nobody-knows-this") + NEEDED.get(path, "")
        for other, ids in KNOWN_IDS.items():
            url = url.replace(f"{{{other}}}", ids[0])
        response = ask(
            Sent(method.upper(), url, {"If-Match": '"1"', "Content-Type": "application/json"}, body)
        )
        assert response.status_code == 404, (url, response.text)
        assert "nobody-knows-this" in response.json()["detail"], known


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_answers_whatever_it_is_sent(ask: Ask, method: str, path: str):
    declared = {int(status) for status in DOCUMENT["paths"][path][method]["responses"]}

    @settings(
        max_examples=COSTLY.get((method, path), EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(sent=requests_of(method, path))
    def hold(sent: Sent) -> None:
        judge(sent, ask(sent), declared)

    hold()
    assert ask(Sent("GET", "/health/live", {}, None)).status_code == 200
