"""Drafts over HTTP: a brief in, ranked variants out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response.sse import ServerSentEvent, ServerSentEventMessage

from service.drafts.actions import create_draft, get_draft, list_drafts, prepare_brief
from service.drafts.decision_routes import ROUTES as DECISIONS
from service.drafts.examples import DRAFT, REQUEST
from service.drafts.model import Draft, DraftRequest
from service.drafts.render_routes import ROUTES as RENDERING
from service.drafts.rewrite_routes import ROUTES as REWRITES
from service.drafts.streaming import Telling
from service.errors import InvalidInput
from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.runtime import Runtime
from service.telemetry import Metrics

EVENTS = "text/event-stream"
_SCOPES = ("copy", "batch")


@post(
    "/v1/drafts",
    **route(
        _SCOPES,
        tag="drafts",
        summary="Write a draft",
        description="Send a full brief (`product`, `audience`, ...) or the short form that names stored "
        "things (`item_id`, and `segment` or `profile_id`). Variants that passed every check come first; one "
        "that failed keeps its text and says why. With `Accept: text/event-stream` it is told while it is "
        "written, as events: `token` (`variant`, `attempt`, `text`: a piece of a raw answer), `variant` "
        "(`variant`, `result`: whole, checked, scored), `done` (the draft), `error` (a problem); going away "
        "ends the writing.",
        request=REQUEST,
        response=DRAFT,
        problems=(404, 409, 413, 422, 429, 502, 503, 504),
        idempotent=True,
    ),
)
async def write_draft(
    data: JSONBody[DraftRequest],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    metrics: NamedDependency[Metrics],
    request: Request[Any, Any, Any],
) -> Response[Draft]:
    """Write variants for a brief."""
    if _wants_events(request):
        return cast("Response[Draft]", await _tell_draft(data, runtime, workspace, metrics, request))
    with metrics.engine_in_flight.track_inprogress():
        draft = await create_draft(runtime, workspace, data)
    metrics.count_variants(draft.brief.channel, draft.variants)
    return Response(draft, status_code=201, headers={"Location": f"/v1/drafts/{draft.id}"})


def _wants_events(request: Request[Any, Any, Any]) -> bool:
    wanted = request.headers.get("accept", "")
    return any(part.split(";")[0].strip().lower() == EVENTS for part in wanted.split(","))


async def _tell_draft(
    asked: DraftRequest,
    runtime: Runtime,
    workspace: str,
    metrics: Metrics,
    request: Request[Any, Any, Any],
) -> ServerSentEvent:
    """Take the brief and a turn, or refuse as any request is refused; then tell what is written."""
    if request.headers.get("idempotency-key") is not None:
        raise InvalidInput(
            "a stream of events cannot be replayed: send Idempotency-Key without `Accept: text/event-stream`"
        )
    prepared = await prepare_brief(runtime, workspace, asked)
    telling = await Telling.begin(runtime, workspace, asked, prepared)
    describe = partial(request.app.state.problems.describe, request)

    async def events() -> AsyncGenerator[ServerSentEventMessage]:
        with metrics.engine_in_flight.track_inprogress():
            async with aclosing(telling.events(describe)) as told:
                async for event in told:
                    yield event

    return ServerSentEvent(events(), status_code=200)


@get(
    "/v1/drafts",
    **route(
        _SCOPES,
        tag="drafts",
        summary="List drafts, newest first",
        response={"results": [DRAFT], "paging": {"next": None}},
        conditional=True,
    ),
)
async def show_drafts(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    text: FromQuery[str | None] = None,
    item_id: FromQuery[str | None] = None,
    channel: FromQuery[str | None] = None,
) -> Results[Draft]:
    """Page through what was written: all, or what holds a text, is about an item or for a channel."""
    wanted: dict[str, Any] = {"text": text, "item_id": item_id, "channel": channel}
    most = checked_limit(limit)
    page = await list_drafts(runtime, workspace, decode_cursor(after, str), most, **wanted)
    return results_of(list(page.rows), page.next_after, "/v1/drafts", {"limit": limit, **wanted})


@get(
    "/v1/drafts/{draft_id:str}",
    **route(_SCOPES, tag="drafts", summary="Show a draft", response=DRAFT, problems=(404,), conditional=True),
)
async def show_draft(
    draft_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Draft:
    """Show one draft."""
    return await get_draft(runtime, workspace, draft_id)


ROUTES = [write_draft, show_drafts, show_draft, *DECISIONS, *REWRITES, *RENDERING]
