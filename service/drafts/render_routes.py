"""Filled copy over HTTP: a stored variant or given fields, as one profile reads them."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from service.drafts.examples import RENDER, RENDERED
from service.drafts.rendering import Rendered, RenderRequest, render_copy
from service.openapi import route
from service.runtime import Runtime
from service.security import require_scope
from service.workspaces.model import ApiKey

_PROFILE_SCOPES = ("crm", "batch")
"""What a stored profile's traits are opened by; made-up `traits` any key may send."""


@post(
    "/v1/render",
    **route(
        ("copy", "crm", "batch"),
        tag="drafts",
        summary="Fill copy for a profile",
        description="A preview and what is sent are the same: this. Merge tags take the profile's traits, or "
        "their defaults where it has none. Refused with 422: an unknown tag, a tag without a default where "
        "somebody in the audience lacks the trait, and copy over a hard limit for this profile or for "
        "anybody in the audience. `profile_id` needs a key with scope crm or batch.",
        request=RENDER,
        response=RENDERED,
        problems=(404, 409, 422, 429, 503),
    ),
    status_code=200,
)
async def render(
    data: JSONBody[RenderRequest],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    key: NamedDependency[ApiKey],
) -> Rendered:
    """Fill copy."""
    if data.profile_id is not None:
        require_scope(key.scopes, *_PROFILE_SCOPES)
    return await render_copy(runtime, workspace, data)


ROUTES = [render]
