"""Every operation of the OpenAPI document, tried with another workspace's key on this one's ids.

Made from the document: a route added later is tried by itself. One with a new kind of id fails until
`THEIRS` says where to find one.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
from litestar.serialization import encode_json
from sqlalchemy import select

from service.app import create_app
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.migrations.schema import metadata
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from tests.service.http.shop import Shop, client_of
from tests.service.http.test_http_send_lists import exported, write

MARK = "zweikampf"
"""Stands in everything the victim has, and in nothing else."""

EVERYWHERE = {"name"}
"""Path parameters that name what every workspace has: the shipped prompts."""


class Tried(NamedTuple):
    method: str
    path: str
    operation: dict[str, Any]

    @property
    def parameters(self) -> set[str]:
        return {each["name"] for each in self.operation.get("parameters", ()) if each["in"] == "path"}

    @property
    def needed(self) -> set[str]:
        """Query parameters it cannot do without."""
        listed = self.operation.get("parameters", ())
        return {each["name"] for each in listed if each["in"] == "query" and each.get("required")}


def operations() -> Iterator[Tried]:
    document = json.loads(encode_json(create_app(Settings()).openapi_schema.to_schema()))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post", "put", "patch", "delete"} and operation.get("security"):
                yield Tried(method.upper(), path, operation)


def body_of(tried: Tried, theirs: dict[str, str]) -> dict[str, Any]:
    """The documented example, with the victim's id wherever it names something by id."""
    content = tried.operation.get("requestBody", {}).get("content", {}).get("application/json")
    return {} if content is None else {"json": _renamed(content["examples"]["example"]["value"], theirs)}


def _renamed(value: Any, theirs: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(each, theirs) for each in value]
    if not isinstance(value, dict):
        return value
    named = {**theirs, "segment": theirs["segment_id"]}
    return {
        key: named[key] if key in named and isinstance(each, str) else _renamed(each, theirs)
        for key, each in value.items()
    }


OPERATIONS = tuple(operations())


async def rows_of(runtime: Runtime, workspace: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    async with runtime.database.read() as session:
        for table in metadata.sorted_tables:
            if table.name == "trait_keys":  # the whole store's
                continue
            owner = table.c.id if table.name == "workspaces" else table.c.workspace_id
            columns = [column for column in table.c if column.name != "last_used_at"]
            rows = await session.execute(select(*columns).where(owner == workspace))
            found[table.name] = sorted(map(repr, rows.tuples()))
    return found


async def furnish(shop: Shop, client: httpx.AsyncClient, runtime: Runtime) -> dict[str, str]:
    """Give the victim one of everything, and name it by the path parameter it goes by."""
    item = Item(id="garden-0", title=f"{MARK} trowel", category="garden", price=5.0)
    await upsert_items(runtime, "default", [item])
    people = [Profile(id=name, traits={"plan": MARK}) for name in ("p-0", "p-40")]
    await upsert_profiles(runtime, "default", people)
    await build_snapshot(runtime, "default")
    await build_snapshot(runtime, "other")
    brand = (await client.get("/v1/brand")).json()
    (await client.put("/v1/brand", json={**brand, "name": MARK})).raise_for_status()
    asked = {"item_id": "garden-0", "profile_id": "p-0", "channel": "push", "n": 1}
    draft = (await client.post("/v1/drafts", json=asked)).raise_for_status().json()
    variant = f"/v1/drafts/{draft['id']}/variants/{draft['variants'][0]['id']}"
    decision = {"verdict": "rejected", "reason": MARK}
    (await client.post(f"{variant}/decisions", json=decision)).raise_for_status()
    named = {"name": MARK, "definition": {"trait": "plan", "value": MARK}, "note": MARK}
    (await client.post("/v1/segments", json=named)).raise_for_status()
    erased = (await client.delete("/v1/profiles/p-40")).raise_for_status().json()
    hook = {"url": f"https://crm.example/{MARK}", "events": ["export.ready"]}
    webhook = (await client.post("/v1/webhooks", json=hook)).raise_for_status().json()
    sent = (await client.post(f"/v1/webhooks/{webhook['id']}/test")).raise_for_status().json()
    ordered = {"name": MARK, "segments": [MARK], "channels": ["push"], "items": ["garden-0"]}
    campaign = (await client.post("/v1/campaigns", json=ordered)).raise_for_status().json()
    await write(shop, campaign["id"], 1)
    export = await exported(client, campaign["id"])
    return {
        "campaign_id": campaign["id"],
        "item_id": "garden-0",
        "profile_id": "p-0",
        "segment_id": shop.segment,
        "draft_id": draft["id"],
        "variant_id": draft["variants"][0]["id"],
        "erasure_id": erased["id"],
        "export_id": export["id"],
        "since": export["snapshot"],
        "channel": "email",
        "name": "push.pocket",
        "webhook_id": webhook["id"],
        "delivery_id": sent["id"],
    }


async def test_no_operation_gives_a_stranger_anything_or_changes_anything(shop: Shop):
    settings = shop.settings()
    async with (
        open_runtime(settings) as runtime,
        client_of(settings, shop.keys["default/admin"]) as client,
    ):
        theirs = await furnish(shop, client, runtime)
        before = await rows_of(runtime, "default")
        assert any(MARK in row for rows in before.values() for row in rows)
        stranger = {"Authorization": f"Bearer {shop.keys['other/admin']}", "If-Match": "*"}
        seen: list[str] = []
        for tried in OPERATIONS:
            unknown = tried.parameters - theirs.keys()
            assert not unknown, f"{tried.path}: say in furnish() what {unknown} of the victim is"
            query = {name: theirs[name] for name in tried.needed}
            path = tried.path.format(**theirs)
            response = await client.request(
                tried.method, path, params=query, headers=stranger, **body_of(tried, theirs)
            )
            told = f"{tried.method} {tried.path}: {response.status_code} {response.text[:300]}"
            assert response.status_code < 500, told
            assert MARK not in response.text, told
            if tried.parameters - EVERYWHERE:
                assert response.status_code == 404, told
            seen.append(told)
        assert len(seen) > 30
        assert await rows_of(runtime, "default") == before
        for tried in OPERATIONS:  # so that 404 above means something
            if tried.method == "GET" and tried.parameters - EVERYWHERE:
                query = {name: theirs[name] for name in tried.needed}
                own = await client.get(tried.path.format(**theirs), params=query)
                assert own.status_code == 200, f"{tried.path}: {own.text[:300]}"


def test_every_operation_has_an_example_body_to_try_it_with():
    for tried in OPERATIONS:
        content = tried.operation.get("requestBody", {}).get("content", {})
        assert not content or "examples" in content.get("application/json", {}), tried.path
