"""Keys and scopes, over every route the application has; `test_http_isolation.py` tries the walls."""

import re
import threading
from collections.abc import Iterator

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import OpenAPI

from service.app import create_app
from service.openapi import PUBLIC
from service.settings import Settings
from tests.service.http.shop import Shop, client_of

SCOPES = {"copy", "crm", "batch", "ingest", "counts", "analyst", "admin"}
PUBLIC_PATHS = {"/health/live", "/health/ready", "/metrics"}


def handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                yield method, route.path_format, handler


ROUTES = sorted(
    ((method, path, handler.opt) for method, path, handler in handlers(create_app(Settings()))),
    key=lambda route: route[:2],
)


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


async def test_the_documentation_is_not_built_on_the_event_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    built_by: list[str] = []
    whole = OpenAPIConfig.to_openapi_schema

    def noted(config: OpenAPIConfig) -> OpenAPI:
        built_by.append(threading.current_thread().name)
        return whole(config)

    monkeypatch.setattr(OpenAPIConfig, "to_openapi_schema", noted)
    first, second = [await client.get("/schema/openapi.json") for _ in range(2)]
    assert first.json() == second.json()
    assert len(built_by) == 1
    assert built_by[0] != threading.current_thread().name
