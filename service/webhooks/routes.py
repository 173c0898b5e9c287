"""Webhooks over HTTP: made, changed, rotated, tested; deliveries looked at and sent again."""

from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from service.openapi import route
from service.paging import Moment, Results, checked_limit, decode_cursor, results_of
from service.runtime import Runtime
from service.webhooks import actions
from service.webhooks.examples import DELIVERY, NEW_WEBHOOK, WEBHOOK, WITH_SECRET
from service.webhooks.model import Delivery, EventType, Status, Webhook, WebhookPatch, WebhookWithSecret

_LOOK, _WRITE = ("crm", "batch"), ("crm",)
_ENDED = Annotated[tuple[Status, ...], msgspec.Meta(min_length=1)]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to tell of what."""

    url: str
    """https, on a host that the server's settings allow."""
    events: tuple[EventType, ...]
    segments: tuple[str, ...] = ()
    """Ids or names of segments whose changes and exports it is told of; all of them without any."""
    note: str = ""
    active: bool = True


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a secret gives way to the next."""

    overlap_hours: float = 24.0
    """So long the former one signs as well, up to 168."""


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be sent again."""

    created_since: Moment
    """Deliveries made at this moment or later."""
    statuses: _ENDED = ("dead",)
    """`dead` alone, or `delivered` as well, such as for a receiver that lost what it had."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries are on their way again."""

    replayed: int


@post(
    "/v1/webhooks",
    **route(
        _WRITE,
        tag="webhooks",
        summary="Create a webhook",
        description="The secret that signs its deliveries (Standard Webhooks) is in this answer and in no "
        "later one. The URL's host must be allowed by the server's settings; nothing is sent to private "
        "addresses, and redirects are not followed.",
        request=NEW_WEBHOOK,
        response=WITH_SECRET,
        problems=(404, 409),
        idempotent=True,
        confidential=True,
    ),
)
async def create_webhook(
    data: JSONBody[NewWebhook], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[WebhookWithSecret]:
    """Make a webhook."""
    made = await actions.create_webhook(
        runtime,
        workspace,
        data.url,
        data.events,
        segments=data.segments,
        note=data.note,
        active=data.active,
    )
    return Response(made, status_code=201, headers={"Location": f"/v1/webhooks/{made.id}"})


@get(
    "/v1/webhooks",
    **route(
        _LOOK,
        tag="webhooks",
        summary="List webhooks by id",
        response={"results": [WEBHOOK], "paging": {"next": None}},
    ),
)
async def show_webhooks(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> Results[Webhook]:
    """Page through the webhooks."""
    most = checked_limit(limit)
    found = await actions.list_webhooks(runtime, workspace, after=decode_cursor(after, str), limit=most + 1)
    position = found[most - 1].id if len(found) > most else None
    return results_of(list(found[:most]), position, "/v1/webhooks", {"limit": limit})


@get(
    "/v1/webhooks/{webhook_id:str}",
    **route(_LOOK, tag="webhooks", summary="Show a webhook", response=WEBHOOK, problems=(404,)),
)
async def show_webhook(
    webhook_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Webhook:
    """Show one webhook, without its secret."""
    return await actions.get_webhook(runtime, workspace, webhook_id)


@patch(
    "/v1/webhooks/{webhook_id:str}",
    **route(
        _WRITE,
        tag="webhooks",
        summary="Change a webhook",
        description="What is left out stays. `active: false` pauses it: what happens meanwhile is not told, "
        "what was on its way waits.",
        request={"active": False},
        response={**WEBHOOK, "active": False},
        problems=(404,),
    ),
)
async def change_webhook(
    webhook_id: FromPath[str],
    data: JSONBody[WebhookPatch],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Webhook:
    """Change one webhook."""
    return await actions.update_webhook(runtime, workspace, webhook_id, data)


@delete(
    "/v1/webhooks/{webhook_id:str}",
    **route(
        _WRITE,
        tag="webhooks",
        summary="Delete a webhook",
        description="With everything that is on its way to it, and the record of what was sent.",
        problems=(404,),
    ),
)
async def remove_webhook(
    webhook_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> None:
    """Delete one webhook."""
    await actions.delete_webhook(runtime, workspace, webhook_id)


@post(
    "/v1/webhooks/{webhook_id:str}/rotate",
    status_code=200,
    **route(
        _WRITE,
        tag="webhooks",
        summary="Rotate a webhook's secret",
        description="The new secret is in this answer and in no later one. For `overlap_hours` each delivery "
        "is signed with both, so that receivers may change over when it suits them.",
        request={"overlap_hours": 24},
        response={**WITH_SECRET, "former_secret_until": "2026-11-23T10:00:00Z"},
        problems=(404,),
        idempotent=True,
        confidential=True,
    ),
)
async def rotate_secret(
    webhook_id: FromPath[str],
    data: JSONBody[Rotation],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> WebhookWithSecret:
    """Put another secret in use."""
    overlap = timedelta(hours=min(max(data.overlap_hours, -1.0), 1e6))
    return await actions.rotate_secret(runtime, workspace, webhook_id, overlap)


@post(
    "/v1/webhooks/{webhook_id:str}/test",
    status_code=202,
    **route(
        _WRITE,
        tag="webhooks",
        summary="Send a test delivery",
        description="Of type `webhook.test`, signed and tried again as any other; `Location` says where to "
        "see what became of it. 409 while the webhook is inactive.",
        response={**DELIVERY, "type": "webhook.test", "attempts": 0, "last_status": None, "last_error": None},
        problems=(404, 409),
        idempotent=True,
    ),
)
async def send_test(
    webhook_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[Delivery]:
    """Put a test on its way."""
    sent = await actions.send_test(runtime, workspace, webhook_id)
    return Response(sent, status_code=202, headers=_location(webhook_id, sent))


@get(
    "/v1/webhooks/{webhook_id:str}/deliveries",
    **route(
        _LOOK,
        tag="webhooks",
        summary="List deliveries, newest first",
        description="`status=dead` lists those that were given up. Deliveries are kept for 30 days.",
        response={"results": [DELIVERY], "paging": {"next": None}},
        problems=(404,),
    ),
)
async def show_deliveries(
    webhook_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    status: FromQuery[Status | None] = None,
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> Results[Delivery]:
    """Page through what was sent, or is to be."""
    most = checked_limit(limit)
    found = await actions.list_deliveries(
        runtime,
        workspace,
        webhook_id,
        after=decode_cursor(after, tuple[Moment, str]),
        limit=most + 1,
        status=status,
    )
    last = found[most - 1] if len(found) > most else None
    position = None if last is None else (last.created_at, last.id)
    path = f"/v1/webhooks/{webhook_id}/deliveries"
    return results_of(list(found[:most]), position, path, {"status": status, "limit": limit})


@get(
    "/v1/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}",
    **route(_LOOK, tag="webhooks", summary="Show a delivery", response=DELIVERY, problems=(404,)),
)
async def show_delivery(
    webhook_id: FromPath[str],
    delivery_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Delivery:
    """Show one delivery: what is sent, and what became of it."""
    return await actions.get_delivery(runtime, workspace, webhook_id, delivery_id)


@post(
    "/v1/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/replay",
    status_code=202,
    **route(
        _WRITE,
        tag="webhooks",
        summary="Send a delivery again",
        description="With the same `webhook-id`: a receiver that has had it may leave it out. 409 while it "
        "is on its way, or the webhook is inactive.",
        response={**DELIVERY, "attempts": 0},
        problems=(404, 409),
        idempotent=True,
    ),
)
async def replay_delivery(
    webhook_id: FromPath[str],
    delivery_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Response[Delivery]:
    """Put a delivery that has ended on its way again."""
    again = await actions.replay_delivery(runtime, workspace, webhook_id, delivery_id)
    return Response(again, status_code=202, headers=_location(webhook_id, again))


@post(
    "/v1/webhooks/{webhook_id:str}/replay",
    status_code=202,
    **route(
        _WRITE,
        tag="webhooks",
        summary="Send deliveries again",
        description="All that were made since a moment and have ended, such as after a receiver was down for "
        "days. Under their ids, the oldest first.",
        request={"created_since": "2026-11-20T00:00:00Z", "statuses": ["dead"]},
        response={"replayed": 14},
        problems=(404, 409),
        idempotent=True,
    ),
)
async def replay_since(
    webhook_id: FromPath[str],
    data: JSONBody[Replay],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Replayed:
    """Put what has ended since then on its way again."""
    count = await actions.replay_since(runtime, workspace, webhook_id, data.created_since, data.statuses)
    return Replayed(replayed=count)


def _location(webhook_id: str, delivery: Delivery) -> dict[str, str]:
    return {"Location": f"/v1/webhooks/{webhook_id}/deliveries/{delivery.id}"}


ROUTES = [
    create_webhook,
    show_webhooks,
    show_webhook,
    change_webhook,
    remove_webhook,
    rotate_secret,
    send_test,
    show_deliveries,
    show_delivery,
    replay_delivery,
    replay_since,
]
