"""Campaigns over HTTP: ordered, looked at while they are written, told what to do, made into send lists."""

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from service.campaigns import ordering
from service.campaigns.examples import JOB, ORDER, SEND_LIST, UNIT
from service.campaigns.job import Job, JobUnit, UnitState
from service.campaigns.model import Budget, Campaign
from service.campaigns.removal import delete_campaign
from service.campaigns.send_list_job import SendListOrder, start_send_list
from service.exports.model import Export
from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.runtime import Runtime

_LOOK, _WRITE, _SEND = ("batch", "crm", "copy"), ("batch",), ("batch", "crm")
_PATH = "/v1/campaigns/{campaign_id:str}"

Only = Annotated[UnitState | None, QueryParameter(name="state", description="Lists units in this state.")]


class Resumption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a campaign goes on."""

    budget: Budget | None = None
    """In the place of its own, which may be spent; left out, that holds on."""


@post(
    "/v1/campaigns",
    status_code=202,
    **route(
        _WRITE,
        tag="campaigns",
        summary="Order a campaign",
        description="The body is a campaign file as JSON: every segment meets its items on every channel, in "
        "every tone and language. Workers write the units one by one; `Location` says where to see how far "
        "they are. What is wrong with the order is refused at once; what goes wrong later fails its unit "
        "alone, with a reason. An identical unit that another campaign of the workspace has answered is "
        "answered the same, save with `fresh`.",
        request=ORDER,
        response=JOB,
        problems=(404, 409),
        idempotent=True,
    ),
)
async def order_campaign(
    data: JSONBody[Campaign], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[Job]:
    """Order a campaign."""
    job = await ordering.order_campaign(runtime, workspace, data)
    return Response(job, status_code=202, headers={"Location": f"/v1/campaigns/{job.id}"})


@get(
    "/v1/campaigns",
    **route(
        _LOOK,
        tag="campaigns",
        summary="List campaigns, newest first",
        response={"results": [JOB], "paging": {"next": None}},
    ),
)
async def show_campaigns(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> Results[Job]:
    """Page through the campaigns."""
    most = checked_limit(limit)
    found = await ordering.list_campaigns(runtime, workspace, after=decode_cursor(after, str), limit=most + 1)
    position = found[most - 1].id if len(found) > most else None
    return results_of(list(found[:most]), position, "/v1/campaigns", {"limit": limit})


@get(
    _PATH,
    **route(
        _LOOK,
        tag="campaigns",
        summary="Show a campaign",
        description="In the shape of OpenAI's batches: `status`, `request_counts`, `errors`. A completed "
        "campaign may hold failed units; one of which every unit failed has `failed`.",
        response=JOB,
        problems=(404,),
    ),
)
async def show_campaign(
    campaign_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Job:
    """Say how far a campaign is."""
    return await ordering.get_campaign(runtime, workspace, campaign_id)


@get(
    f"{_PATH}/units",
    **route(
        _LOOK,
        tag="campaigns",
        summary="Page through a campaign's units",
        description="In the campaign's order, as they stand: what is done has its variants while others are "
        "written.",
        response={"results": [UNIT], "paging": {"next": None}},
        problems=(404,),
    ),
)
async def show_units(
    campaign_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    only: Only = None,
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> Results[JobUnit]:
    """Page through the units, with their variants."""
    most = checked_limit(limit)
    found = await ordering.list_units(
        runtime, workspace, campaign_id, after=decode_cursor(after, int), limit=most + 1, state=only
    )
    position = found[most - 1][0] if len(found) > most else None
    path = f"/v1/campaigns/{campaign_id}/units"
    return results_of([unit for _, unit in found[:most]], position, path, {"limit": limit, "state": only})


@post(
    f"{_PATH}/pause",
    status_code=200,
    **route(
        _WRITE,
        tag="campaigns",
        summary="Pause a campaign",
        description="No further unit begins; those being written are finished. 409 when it is over.",
        response={**JOB, "status": "paused", "reason": "it was asked to pause"},
        problems=(404, 409),
        idempotent=True,
    ),
)
async def pause_campaign(
    campaign_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Job:
    """Let no further unit begin."""
    return await ordering.pause_campaign(runtime, workspace, campaign_id)


@post(
    f"{_PATH}/resume",
    status_code=200,
    **route(
        _WRITE,
        tag="campaigns",
        summary="Resume a paused campaign",
        description="A campaign that paused because its budget was spent goes on with a larger `budget`, "
        "which counts from its beginning. 409 without one, and when the campaign is over.",
        request={"budget": {"tokens": 4000000}},
        response=JOB,
        problems=(404, 409),
        idempotent=True,
    ),
)
async def resume_campaign(
    campaign_id: FromPath[str],
    data: JSONBody[Resumption],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Job:
    """Let it go on."""
    return await ordering.resume_campaign(runtime, workspace, campaign_id, data.budget)


@post(
    f"{_PATH}/cancel",
    status_code=200,
    **route(
        _WRITE,
        tag="campaigns",
        summary="Cancel a campaign",
        description="Finished units stay; what is being written is dropped. 409 when it is over.",
        response={**JOB, "status": "cancelled", "cancelled_at": "2026-11-26T16:16:38Z"},
        problems=(404, 409),
        idempotent=True,
    ),
)
async def cancel_campaign(
    campaign_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Job:
    """End it now."""
    return await ordering.cancel_campaign(runtime, workspace, campaign_id)


@post(
    f"{_PATH}/retry-failed",
    status_code=200,
    **route(
        _WRITE,
        tag="campaigns",
        summary="Try the failed units again",
        description="As if for the first time; a campaign that had ended goes on. 409 when it is cancelled.",
        response=JOB,
        problems=(404, 409),
        idempotent=True,
    ),
)
async def retry_failed(
    campaign_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Job:
    """Try what failed again."""
    return await ordering.retry_failed(runtime, workspace, campaign_id)


@post(
    f"{_PATH}/exports",
    status_code=202,
    **route(
        _SEND,
        tag="campaigns",
        summary="Export a campaign's send list",
        description="Begins a job that fills the campaign's copy for every member who may be written to, a "
        "row each, as `pitchwright campaign export` does: columns per merge tag, with consent, caps, "
        "suppressions and the holdout as they are now. `Location` says where to see how far it is, and, when "
        "it is ready, how many every rule removed (`send_list`); `GET /v1/exports/{export_id}/file` is it, "
        "in parts if need be. It is kept for a day, and holds names and addresses: keys that see "
        "pseudonyms cannot have it. Of a cancelled campaign it holds what was written; 409 while a "
        "campaign is not over.",
        request={"format": "csv", "pick": "best", "channel": "email"},
        response=SEND_LIST,
        problems=(404, 409),
        idempotent=True,
    ),
)
async def export_campaign(
    campaign_id: FromPath[str],
    data: JSONBody[SendListOrder],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Response[Export]:
    """Begin to write a campaign's send list."""
    export = await start_send_list(runtime, workspace, campaign_id, data)
    return Response(export, status_code=202, headers={"Location": f"/v1/exports/{export.id}"})


@delete(
    _PATH,
    **route(
        _WRITE,
        tag="campaigns",
        summary="Delete a campaign",
        description="With its units and what was written for them. 409 until it is over: cancel it first. "
        "Campaigns that are over are deleted by themselves after PITCHWRIGHT_CAMPAIGN_DAYS.",
        problems=(404, 409),
    ),
)
async def remove_campaign(
    campaign_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> None:
    """Delete it with all it holds."""
    await delete_campaign(runtime, workspace, campaign_id)


ROUTES = [
    order_campaign,
    show_campaigns,
    show_campaign,
    show_units,
    pause_campaign,
    resume_campaign,
    cancel_campaign,
    retry_failed,
    export_campaign,
    remove_campaign,
]
