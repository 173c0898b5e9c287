"""Rewrites over HTTP: a stored variant in, a draft of its own out."""

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.drafts.examples import REWRITE, REWRITTEN
from service.drafts.model import Draft, RewriteOrder
from service.drafts.rewriting import rewrite_variant
from service.openapi import route
from service.runtime import Runtime
from service.telemetry import Metrics


@post(
    "/v1/drafts/{draft_id:str}/variants/{variant_id:str}/rewrite",
    **route(
        ("copy", "batch"),
        tag="drafts",
        summary="Write a variant again",
        description="By a word (`shorter`, `warmer`, `bolder`), by free text where the engine is an instruct "
        "model, or just some `fields`, the others staying byte for byte. It starts from the variant as it "
        "stands, edits included, keeps to the facts of its brief and meets the same checks. The answer is a "
        "draft of its own; its `parent` and the other's `children` name each other.",
        request=REWRITE,
        response=REWRITTEN,
        problems=(404, 409, 413, 422, 429, 502, 503, 504),
        idempotent=True,
    ),
)
async def rewrite(
    draft_id: FromPath[str],
    variant_id: FromPath[str],
    data: JSONBody[RewriteOrder],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    metrics: NamedDependency[Metrics],
) -> Response[Draft]:
    """Write a variant again."""
    with metrics.engine_in_flight.track_inprogress():
        draft = await rewrite_variant(runtime, workspace, draft_id, variant_id, data)
    metrics.count_variants(draft.brief.channel, draft.variants)
    return Response(draft, status_code=201, headers={"Location": f"/v1/drafts/{draft.id}"})


ROUTES = [rewrite]
