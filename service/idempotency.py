"""`Idempotency-Key`: the same request sent twice is done once, and answered the same, also after a restart.

A key belongs to a workspace and to one request (method, path, query and body). While the first is being
worked on a second gets 409; another request with the same key gets 422; afterwards the stored answer is
replayed. Only successes are kept: after a failure the key is free again. An answer that holds a secret is
kept sealed where there is a key to seal with.
"""

import hashlib
from datetime import timedelta
from typing import Any

import msgspec
from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from service.errors import InvalidInput
from service.runtime import Runtime
from service.workspaces.model import Remembered
from service.workspaces.store import IdempotencyStore

LONGEST_KEY = 200
CLAIM_LASTS = timedelta(minutes=15)
"""After this a request that never ended (its process was killed) no longer holds its key."""
ANSWER_LASTS = timedelta(days=1)

_KEPT_HEADERS = frozenset({"content-type", "location", "etag"})


class Idempotency(ASGIMiddleware):
    """Wraps the routes that say `idempotent` in their `opt`; after `Access`, which finds the workspace."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        key = request.headers.get("idempotency-key")
        if key is None or not scope["route_handler"].opt.get("idempotent"):
            await next_app(scope, receive, send)
            return
        if not key.strip() or len(key) > LONGEST_KEY or not key.isprintable():
            raise InvalidInput(
                f"Idempotency-Key has {len(key)} characters: send 1 to {LONGEST_KEY} printable ones"
            )
        runtime: Runtime = request.app.state.runtime
        claim = _Claim(runtime, scope["state"]["workspace"], key)
        known = await claim.begin(_fingerprint(request))
        if known is not None:
            await _replay(known, send)
            return
        await self._first(claim, scope, receive, send, next_app)

    async def _first(
        self, claim: "_Claim", scope: Scope, receive: Receive, send: Send, next_app: ASGIApp
    ) -> None:
        """Do the request, remember a success, and only then answer: nobody has seen what a crash forgets."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await next_app(scope, receive, keep)
        except BaseException:
            await claim.forget()
            raise
        answer = _answer(messages)
        if answer is not None and 200 <= answer.status < 300:
            await claim.finish(answer, confidential=scope["route_handler"].opt["confidential"])
        else:
            await claim.forget()
        for message in messages:
            await send(message)


class _Claim:
    """One key in one workspace, between its first and its last moment."""

    def __init__(self, runtime: Runtime, workspace: str, key: str) -> None:
        self._runtime = runtime
        self._workspace = workspace
        self._key = key

    async def begin(self, fingerprint: str) -> Remembered | None:
        async with self._runtime.database.write() as session:
            store = IdempotencyStore(session, self._workspace)
            known = await store.begin(self._key, fingerprint, self._runtime.now(), CLAIM_LASTS)
        if known is None:
            return None
        return msgspec.structs.replace(known, body=self._runtime.vault.opened_body(known.body))

    async def finish(self, answer: Remembered, *, confidential: bool) -> None:
        if confidential:
            answer = msgspec.structs.replace(answer, body=self._runtime.vault.sealed_body(answer.body))
        async with self._runtime.database.write() as session:
            store = IdempotencyStore(session, self._workspace)
            await store.finish(self._key, answer, self._runtime.now() + ANSWER_LASTS)

    async def forget(self) -> None:
        async with self._runtime.database.write() as session:
            await IdempotencyStore(session, self._workspace).forget(self._key)


def _fingerprint(request: Request[Any, Any, Any]) -> str:
    scope = request.scope
    parts = [request.method.encode(), scope["path"].encode(), scope["query_string"], scope["state"]["body"]]
    return hashlib.sha256(b"\n".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _answer(messages: list[Message]) -> Remembered | None:
    start: HTTPResponseStartEvent | None = None
    body = b""
    for message in messages:
        if message["type"] == "http.response.start":
            start = message
        elif message["type"] == "http.response.body":
            body += message["body"]
    if start is None:
        return None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    kept = {name: value for name, value in headers.items() if name in _KEPT_HEADERS}
    return Remembered(status=start["status"], headers=kept, body=body)


async def _replay(known: Remembered, send: Send) -> None:
    headers = {**known.headers, "content-length": str(len(known.body)), "idempotency-replayed": "true"}
    await send(
        {
            "type": "http.response.start",
            "status": known.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": known.body, "more_body": False})
