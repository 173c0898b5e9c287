"""Segment's tracking API over HTTP."""

from typing import Any

from litestar import post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from service.errors import InvalidInput, TooLarge
from service.openapi import route
from service.quality.model import source_of
from service.runtime import Runtime
from service.tracking.actions import receive
from service.tracking.model import Batch, Call, Message, Received
from service.tracking.translation import Arrival, arrival, read_calls
from service.workspaces.model import ApiKey

_SCOPES = ("ingest", "crm", "batch")
_WHO: dict[str, Any] = {"userId": "p-17", "messageId": "m-1", "timestamp": "2026-11-21T18:04:11Z"}
_ANSWER: dict[str, Any] = {
    "success": True,
    "read": 1,
    "stored": 1,
    "duplicate": 0,
    "rejected": 0,
    "rejects": [],
}
_EXAMPLES: dict[Call, dict[str, Any]] = {
    "identify": {**_WHO, "anonymousId": "a-1", "traits": {"city": "Leeds", "plan": "free"}},
    "track": {
        **_WHO,
        "event": "Product Added",
        "properties": {"product_id": "trowel-1", "price": 18.5, "quantity": 2},
    },
    "page": {**_WHO, "name": "Home", "properties": {"path": "/"}},
    "screen": {**_WHO, "name": "Home"},
    "group": {**_WHO, "groupId": "g-1", "traits": {"name": "Fernhill"}},
    "alias": {**_WHO, "previousId": "a-1"},
}
_SUMMARIES: dict[Call, str] = {
    "identify": "Say who a profile is: its traits, and the anonymous profile it was",
    "track": "Record what a profile did",
    "page": "Record that a profile saw a page",
    "screen": "Record that a profile saw a screen",
    "group": "Record that a profile belongs to a group",
    "alias": "Merge one profile into another, with its history",
}
_DESCRIPTION = (
    "Segment's call of this name, with a key as user name of basic auth. Sent again with the same messageId "
    "it changes nothing; with another body it is refused."
)


def _call_route(call: Call) -> HTTPRouteHandler:
    @post(
        f"/v1/{call}",
        status_code=200,
        name=f"receive_{call}",
        **route(
            _SCOPES,
            tag="tracking",
            summary=_SUMMARIES[call],
            description=_DESCRIPTION,
            request=_EXAMPLES[call],
            response=_ANSWER,
            problems=(408, 413),
            idempotent=True,
            audited=False,
        ),
    )
    async def receive_call(
        data: JSONBody[Message],
        runtime: NamedDependency[Runtime],
        workspace: NamedDependency[str],
        key: NamedDependency[ApiKey],
    ) -> Received:
        came = arrival(runtime.now(), data.sent_at)
        received = await receive(runtime, workspace, source_of(key), [(0, call, data)], came)
        if received.rejected == received.read:
            raise InvalidInput("; ".join(each.reason for each in received.rejects))
        return received

    return receive_call


async def _receive_batch(
    runtime: Runtime, workspace: str, key: ApiKey, data: Batch, came: Arrival
) -> Received:
    most = runtime.settings.max_batch_rows
    if len(data.batch) > most:
        raise TooLarge(f"{len(data.batch):,} calls in one body: send {most:,} at most, in several requests")
    calls, rejects = await runtime.run(read_calls, data.batch)
    return await receive(runtime, workspace, source_of(key), calls, came, rejects)


@post(
    "/v1/batch",
    status_code=200,
    **route(
        _SCOPES,
        tag="tracking",
        summary="Take many calls at once",
        description="As Segment's libraries send them; the body may be gzip. A call that cannot be stored is "
        "in `rejects` with its place and stops no other; the status is 200 even then.",
        request={"batch": [{"type": "track", **_EXAMPLES["track"]}], "sentAt": "2026-11-21T18:04:12Z"},
        response=_ANSWER,
        problems=(408, 413),
        idempotent=True,
        audited=False,
    ),
)
async def receive_batch(
    data: JSONBody[Batch],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    key: NamedDependency[ApiKey],
) -> Received:
    """Take many calls."""
    return await _receive_batch(runtime, workspace, key, data, arrival(runtime.now(), data.sent_at))


@post(
    "/v1/import",
    status_code=200,
    **route(
        _SCOPES,
        tag="tracking",
        summary="Take many calls of the past",
        description="As `/v1/batch`, with the times taken as they are said.",
        request={"batch": [{"type": "track", **_EXAMPLES["track"]}]},
        response=_ANSWER,
        problems=(408, 413),
        idempotent=True,
        audited=False,
    ),
)
async def receive_import(
    data: JSONBody[Batch],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    key: NamedDependency[ApiKey],
) -> Received:
    """Take many calls of the past."""
    return await _receive_batch(runtime, workspace, key, data, Arrival(received_at=runtime.now()))


ROUTES = [*map(_call_route, _EXAMPLES), receive_batch, receive_import]
