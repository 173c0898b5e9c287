"""Analysts see pseudonyms: the layer that masks every answer to a key of scope `analyst`, and reads paths.

A profile in a path is named by its pseudonym; the handler behind gets the profile's id. Files of exports are
masked as they are written and pass through; any other answer that is no JSON fails rather than passes.
"""

import re
from typing import Any, NamedTuple

import msgspec
from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send
from sqlalchemy import select

from service.errors import NotFound
from service.privacy.masks import PREFIX, Masks
from service.privacy.model import naming
from service.privacy.store import ErasureStore
from service.profiles.tables import ProfileRow, is_shown
from service.runtime import Runtime
from service.workspaces.model import ANALYST, ApiKey

IDS_AT_ONCE = 10_000
_NAMED = "profile_id"


class Subject(NamedTuple):
    """Whom a path names: the id as it stands in a text, and the pseudonym that was given."""

    own: re.Pattern[str]
    given: str


class Masking(ASGIMiddleware):
    """Goes behind `Access`, which finds the key, and around `Idempotency`, whose answers are unmasked."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        key: ApiKey | None = scope["state"].get("key")
        if key is None or ANALYST not in key.scopes:
            await next_app(scope, receive, send)
            return
        runtime: Runtime = Request[Any, Any, Any](scope).app.state.runtime
        masks = await masks_of(runtime, key.workspace)
        scope["state"]["masks"] = masks
        given = scope["path_params"].get(_NAMED)
        subject: Subject | None = None
        if given is not None:
            profile_id = await find_masked(runtime, key.workspace, masks, given)
            # A dictionary of its own: the router keeps the one that was there for the next such path.
            scope["path_params"] = {**scope["path_params"], _NAMED: profile_id}
            subject = Subject(naming(profile_id), given)
        await next_app(scope, receive, _masked(masks, send, subject))


async def masks_of(runtime: Runtime, workspace: str) -> Masks:
    """Return the masks of a workspace; encrypted traits identify as well. Raises NotFound."""
    async with runtime.database.read() as session:
        secret = await ErasureStore(session, workspace).key()
    return Masks(secret, {*runtime.settings.identifying_traits, *runtime.settings.encrypted_traits})


async def find_masked(runtime: Runtime, workspace: str, masks: Masks, given: str) -> str:
    """Return the id of the profile with a pseudonym, by trying all of the workspace; raises NotFound."""
    if given.startswith(PREFIX):
        query = select(ProfileRow.id).where(ProfileRow.workspace_id == workspace, is_shown())
        async with runtime.database.read() as session:
            async for ids in (await session.stream_scalars(query)).partitions(IDS_AT_ONCE):
                found = await runtime.run(masks.among, ids, given)
                if found is not None:
                    return found
    raise NotFound(
        f"no profile {given[:80]!r} in workspace {workspace!r}: this key names profiles by the pseudonyms it "
        "is shown"
    )


def _masked(masks: Masks, send: Send, subject: Subject | None) -> Send:
    """Hold an answer back until it is whole, then send it masked; a problem names the subject as given."""
    start: HTTPResponseStartEvent | None = None
    passes = False
    body = b""

    async def mask(message: Message) -> None:
        nonlocal start, passes, body
        if message["type"] == "http.response.start":
            start, passes = message, _is_file(message)
            if passes:
                await send(message)
        elif message["type"] == "http.response.body" and start is not None and not passes:
            body += message["body"]
            if not message["more_body"]:
                if subject is not None and start["status"] >= 400:
                    body = subject.own.sub(subject.given, body.decode()).encode()
                whole = msgspec.json.encode(masks.answer(msgspec.json.decode(body))) if body else body
                await send(_resized(start, len(whole)))
                await send({"type": "http.response.body", "body": whole, "more_body": False})
        else:
            await send(message)

    return mask


def _is_file(start: HTTPResponseStartEvent) -> bool:
    return any(name.lower() == b"content-disposition" for name, _ in start["headers"])


def _resized(start: HTTPResponseStartEvent, size: int) -> HTTPResponseStartEvent:
    kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    return {**start, "headers": [*kept, (b"content-length", str(size).encode())]}
