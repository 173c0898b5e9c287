"""Decisions over HTTP: accept, reject or edit a variant, and read who did."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.drafts.deciding import decide, list_decisions
from service.drafts.decision import Actor, Decision, DecisionRequest
from service.drafts.examples import DECISION, EDIT
from service.openapi import route
from service.paging import Results
from service.runtime import Runtime
from service.workspaces.model import ApiKey

_PATH = "/v1/drafts/{draft_id:str}/variants/{variant_id:str}/decisions"


@post(
    _PATH,
    **route(
        ("copy",),
        tag="drafts",
        summary="Accept, reject or edit a variant",
        description="The last decision counts and all are kept, each with the key's name and the time. "
        "`rejected` needs a `reason`. `edited` takes the `fields` that change; the copy is checked again by "
        "the same rules, and the draft keeps what was written. Copy that fails a check cannot be `accepted`: "
        "409. Where a variant stands is in its draft's `standings`.",
        request=EDIT,
        response=DECISION,
        problems=(404, 409),
        idempotent=True,
    ),
)
async def add_decision(
    draft_id: FromPath[str],
    variant_id: FromPath[str],
    data: JSONBody[DecisionRequest],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    key: NamedDependency[ApiKey],
) -> Response[Decision]:
    """Decide about a variant."""
    by = Actor(key_id=key.id, name=key.name)
    decision = await decide(runtime, workspace, draft_id, variant_id, data, by)
    return Response(decision, status_code=201, headers={"Location": f"/v1/drafts/{draft_id}"})


@get(
    _PATH,
    **route(
        ("copy", "batch"),
        tag="drafts",
        summary="List the decisions about a variant, oldest first",
        response={"results": [DECISION], "paging": {"next": None}},
        problems=(404,),
    ),
)
async def show_decisions(
    draft_id: FromPath[str],
    variant_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Results[Decision]:
    """Read a variant's history."""
    return Results(results=list(await list_decisions(runtime, workspace, draft_id, variant_id)))


ROUTES = [add_decision, show_decisions]
