"""ETags: what a client has already is not sent again, and nobody overwrites what they have not seen.

The answers of routes that say `conditional` carry a digest of what they say, after the version where there is
one (`"3-9f2c..."`). `If-None-Match` with it is answered 304 and no body while the answer would be the same.
The digest is of the whole answer and its workspace: it cannot be stale, and one workspace's tag fits no
other's answer. `If-Match` looks at the version alone.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any

from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from service.errors import PreconditionFailed, PreconditionMissing

_ETAG = re.compile(r'"?(\d{1,18})(?:-[0-9a-f]+)?"?')
_LISTED = re.compile(r'(?:W/)?("[^"]*")')
_OF_A_BODY = frozenset({b"content-type", b"content-length"})

IfMatch = Annotated[str | None, HeaderParameter(name="If-Match", description='The ETag, e.g. `"3"`, or `*`.')]


def etag(version: int) -> str:
    """Write a version as an ETag."""
    return f'"{version}"'


def digest_expected(if_match: str | None) -> str | None:
    """Read the digest out of an If-Match that may be left out; none when any version will do."""
    return None if if_match is None or if_match.strip() == "*" else if_match.strip().strip('"')


def matched(if_match: str | None, thing: str) -> int | None:
    """Read the version out of If-Match; none for `*`. Raises PreconditionMissing and PreconditionFailed."""
    if if_match is None:
        raise PreconditionMissing('send If-Match with the ETag the change was made from, e.g. If-Match: "3"')
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise PreconditionFailed(f"If-Match {if_match[:80]!r} is no ETag of a {thing}: get the {thing} again")
    return int(found[1])


class Conditional(ASGIMiddleware):
    """Wraps the routes that say `conditional` in their `opt`; after `Access`, which finds the workspace.

    The answer is worked out either way: what is spared is sending, reading and storing it.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if not scope["route_handler"].opt.get("conditional"):
            await next_app(scope, receive, send)
            return
        held: list[HTTPResponseStartEvent] = []
        parts: list[bytes] = []

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
            elif message["type"] == "http.response.body":
                parts.append(message["body"])

        await next_app(scope, receive, gather)
        for start in held:
            await _answer(scope, start, b"".join(parts), send)


async def _answer(scope: Scope, start: HTTPResponseStartEvent, body: bytes, send: Send) -> None:
    if 200 <= start["status"] < 300:
        others = [pair for pair in start["headers"] if pair[0].lower() != b"etag"]
        version = next((value for name, value in start["headers"] if name.lower() == b"etag"), b"")
        tag = _tag(version.decode("latin-1").strip('"'), scope["state"]["workspace"], body)
        if _has(Request[Any, Any, Any](scope).headers.getall("if-none-match", []), tag):
            others = [pair for pair in others if pair[0].lower() not in _OF_A_BODY]
            start, body = {**start, "status": 304}, b""
        start = {**start, "headers": [*others, (b"etag", tag.encode("latin-1"))]}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _tag(version: str, workspace: str, body: bytes) -> str:
    digest = blake2b(body, digest_size=16, key=blake2b(workspace.encode(), digest_size=32).digest())
    return f'"{version}{"-" if version else ""}{digest.hexdigest()}"'


def _has(if_none_match: Sequence[str], tag: str) -> bool:
    """Whether one of the listed tags is this one; weak ones count, what is no tag does not."""
    return any(line.strip() == "*" or tag in _LISTED.findall(line) for line in if_none_match)
