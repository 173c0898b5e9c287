"""Headers that keep browsers from making anything of an answer but what it is."""

from typing import Any

from service.telemetry import AsgiApp, AsgiReceive, AsgiScope, AsgiSend

HEADERS: dict[bytes, bytes] = {
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"cache-control": b"no-store",
}
"""Unless the answer says otherwise. The page of the API has styles of its own and nothing else."""


class ProtectiveHeaders:
    """Adds them to every answer, also of paths that no route knows."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        async def protected(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                said = {name.lower() for name, _ in given}
                added = [pair for pair in HEADERS.items() if pair[0] not in said]
                message["headers"] = [*given, *added]
            await send(message)

        await self._app(scope, receive, protected)
