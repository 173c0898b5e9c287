"""Keys, scopes and the walls between workspaces, over every route the application has."""

import re
from collections.abc import Iterator

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from service.app import create_app
from service.openapi import PUBLIC
from service.settings import Settings
from tests.service.http.shop import Shop, client_of

SCOPES = {"copy", "crm", "batch", "ingest", "admin"}
PUBLIC_PATHS = {"/health/live", "/health/ready", "/metrics"}


def handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                yield method, route.path_format, handler


ROUTES = [(method, path, handler.opt) for method, path, handler in handlers(create_app(Settings()))]


@pytest.mark.parametrize(("method", "path", "opt"), ROUTES, ids=[f"{m} {p}" for m, p, _ in ROUTES])
def test_every_route_says_who_may_use_it(method: str, path: str, opt: dict[str, object]):
    scope = opt.get("scope")
    assert scope, f"{method} {path} has no scope: give it one with service.openapi.route"
    assert isinstance(scope, tuple)
    public = path in PUBLIC_PATHS or path.startswith("/schema")
    assert scope == (PUBLIC,) if public else set(scope) <= SCOPES


def concrete(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)


async def test_no_route_that_needs_a_key_answers_without_one(shop: Shop):
    async with client_of(shop.settings()) as client:
        for method, path, opt in ROUTES:
            if opt["scope"] == (PUBLIC,):
                continue
            response = await client.request(method, concrete(path))
            assert response.status_code == 401, f"{method} {path}"
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert response.headers["content-type"] == "application/problem+json"


async def test_each_route_is_closed_to_the_scopes_it_does_not_name(shop: Shop):
    async with client_of(shop.settings()) as client:
        for method, path, opt in ROUTES:
            for scope in sorted({"copy", "crm", "batch", "ingest"} - set(opt["scope"])):  # type: ignore[call-overload]
                if opt["scope"] == (PUBLIC,):
                    continue
                headers = {"X-API-Key": shop.keys[f"default/{scope}"]}
                response = await client.request(method, concrete(path), headers=headers)
                assert response.status_code == 403, f"{method} {path} with {scope}"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Authorization": "Basic abc"}, "Bearer KEY"),
        ({"Authorization": "Bearer pw_abcdefgh_" + "0" * 48}, "unknown or revoked"),
        ({"X-API-Key": "sk-123"}, "no API key"),
        ({"X-API-Key": "a", "Authorization": "Bearer b"}, "different keys"),
    ],
)
async def test_a_bad_key_is_refused_and_never_quoted(shop: Shop, headers: dict[str, str], told: str):
    async with client_of(shop.settings()) as client:
        response = await client.get("/v1/items", headers=headers)
    assert response.status_code == 401
    assert told in response.json()["detail"]
    assert "0" * 48 not in response.text


async def test_one_workspace_never_sees_anothers_rows(shop: Shop):
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        written = await client.post("/v1/drafts", json=DRAFT)
        assert written.status_code == 201, written.text
        export = await client.post(f"/v1/segments/{shop.segment}/exports", json={})
        theirs = {
            "{export_id}": export.json()["id"],
            "{item_id}": "garden-0",
            "{profile_id}": "p-0",
            "{segment_id}": shop.segment,
            "{draft_id}": written.json()["id"],
        }
        stranger = {"Authorization": f"Bearer {shop.keys['other/admin']}"}
        for method, path, opt in ROUTES:
            if opt["scope"] == (PUBLIC,) or method in {"POST", "PUT", "PATCH"}:
                continue
            path = path.replace("{name}", "push.pocket")  # a prompt of every workspace
            concrete_path = path
            for name, value in theirs.items():
                concrete_path = concrete_path.replace(name, value)
            needed = {"since": "x"} if path.endswith("/changes") else None
            headers = {**stranger, "If-Match": "*"}
            response = await client.request(method, concrete_path, headers=headers, params=needed)
            if concrete_path == path:
                assert response.status_code == 200, f"{method} {path}: {response.text}"
                assert not any(value in response.text for value in theirs.values()), f"{method} {path}"
            else:
                # 409: that workspace has no snapshot, which says nothing about these rows.
                assert response.status_code in {404, 409}, f"{method} {path}: {response.text}"
        assert (await client.get("/v1/items/garden-0")).status_code == 200
        assert (await client.get(f"/v1/segments/{shop.segment}")).status_code == 200


DRAFT = {"item_id": "garden-0", "audience": "gardening", "channel": "push", "n": 1}


async def test_the_same_key_opens_by_either_header(shop: Shop):
    key = shop.keys["default/copy"]
    async with client_of(shop.settings()) as client:
        by_bearer = await client.get("/v1/items", headers={"Authorization": f"bearer {key}"})
        by_header = await client.get("/v1/items", headers={"X-API-Key": key})
    assert by_bearer.status_code == by_header.status_code == 200
    assert by_bearer.json() == by_header.json()


async def test_health_and_documentation_need_no_key(client: httpx.AsyncClient):
    client.headers.pop("Authorization")
    for path in (*PUBLIC_PATHS, "/schema", "/schema/openapi.json"):
        assert (await client.get(path)).status_code in {200, 503}, path
