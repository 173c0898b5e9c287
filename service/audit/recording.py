"""Every change over HTTP goes on record before it is answered: who did what, when, from where.

What changes nothing (GET) is left out, save routes that say `audited`, such as the export of one person's
data; routes that take what customers did say they are not. Refusals are on record too, once the key is known.
"""

from typing import Any

from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.audit.actions import record_request
from service.problems import kind_of
from service.telemetry import request_id
from service.workspaces.model import ApiKey

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Recording(ASGIMiddleware):
    """Goes around `Access`, which finds the key."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        audited: bool | None = scope["route_handler"].opt.get("audited")
        method = Request[Any, Any, Any](scope).method
        if not (method not in _READING if audited is None else audited):
            await next_app(scope, receive, send)
            return
        recorded = False

        async def record_first(message: Message) -> None:
            nonlocal recorded
            if message["type"] == "http.response.start":
                recorded = True
                await _record(scope, message["status"])
            await send(message)

        try:
            await next_app(scope, receive, record_first)
        except Exception as error:
            if not recorded:
                await _record(scope, kind_of(error).status)
            raise


async def _record(scope: Scope, status: int) -> None:
    key: ApiKey | None = scope["state"].get("key")
    if key is None:  # nobody we know; the access log counts it
        return
    request: Request[Any, Any, Any] = Request(scope)
    await record_request(
        request.app.state.runtime,
        key,
        f"{request.method} {scope['path_template']}",
        {name: str(value) for name, value in request.path_params.items()},
        status,
        origin=request.client.host if request.client else "",
        request_id=request_id(scope),
    )
