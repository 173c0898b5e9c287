"""Who may ask what: a request's key opens the routes whose scope it holds, in its own workspace.

A route without a scope is opened by no key. `Authorization: Bearer KEY`, `X-API-Key: KEY` and, as Segment's
clients have it, HTTP basic auth with the key as user name are the same. The same layer reads the body once,
unpacked where it came as gzip, so that a refused value can be quoted back.
"""

import asyncio
import base64
import binascii
from typing import Any, cast

from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState

from service.compression import inflated, is_plain
from service.errors import TooLarge, TooSlow, Unauthenticated
from service.openapi import PUBLIC
from service.rate_limits import Allowance, RateLimits
from service.runtime import Runtime
from service.security import require_scope
from service.workspaces.actions import verify_key

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Access(ASGIMiddleware):
    """Checks the key and its scope before anything else of a request is looked at."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        needed = cast("tuple[str, ...]", scope["route_handler"].opt.get("scope", ()))
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        if needed != (PUBLIC,) and request.method != "OPTIONS":
            key = await verify_key(request.app.state.runtime, presented_key(request))
            scope["state"]["workspace"] = key.workspace
            scope["state"]["key"] = key
            limits: RateLimits | None = request.app.state.rate_limits
            if limits is not None:
                send = _telling(limits.take(key.id), send)
            require_scope(key.scopes, *needed)
        if request.method in _WITH_BODY:
            scope["state"]["body"] = await _body(request)
        await next_app(scope, receive, send)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """Read the whole body in time; unpacked, everything behind this layer finds it so."""
    runtime: Runtime = request.app.state.runtime
    settings = runtime.settings
    plain = is_plain(request.headers.get("content-encoding", ""))
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            body = await request.body()
    except RequestEntityTooLarge:
        limit = settings.max_body_bytes
        raise TooLarge(f"the body has more than {limit:,} bytes: send less, in several requests") from None
    except TimeoutError:
        raise TooSlow(
            f"the body did not arrive within {settings.body_timeout_seconds:g} s: send it in one go"
        ) from None
    if not plain:
        body = await runtime.run(inflated, body, settings.max_body_bytes)
        ScopeState.from_scope(request.scope).body = body
    return body


def _telling(allowance: Allowance, send: Send) -> Send:
    """Put what is left of the key's share into the answer's headers."""
    headers = [(name.lower().encode(), value.encode()) for name, value in allowance.headers().items()]

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return tell


def presented_key(request: Request[Any, Any, Any]) -> str:
    """Read the key out of the headers. Raises Unauthenticated when there is none, or there are two."""
    sent, plain = request.headers.get("authorization", ""), request.headers.get("x-api-key", "").strip()
    scheme, _, token = sent.partition(" ")
    read = {"bearer": str.strip, "basic": _user_name}.get(scheme.lower())
    key = read(token) if read is not None else ""
    if sent and not key:
        raise Unauthenticated(
            "the Authorization header is neither `Bearer KEY` nor basic auth with the key as user name: "
            "send it so, or send X-API-Key"
        )
    if key and plain and key != plain:
        raise Unauthenticated("Authorization and X-API-Key hold different keys: send one")
    if not (key or plain):
        raise Unauthenticated(
            "no API key was sent: send `Authorization: Bearer KEY`; `pitchwright keys create` makes one"
        )
    return key or plain


def _user_name(token: str) -> str:
    """Read who basic auth says it is (RFC 7617); empty for what is none."""
    try:
        return base64.b64decode(token.strip(), validate=True).decode().partition(":")[0].strip()
    except (binascii.Error, ValueError):
        return ""
