"""The workspace's brand over HTTP.

Its ETag is a digest of what it says. A change may carry `If-Match` with the one it was made from; then two
people cannot overwrite each other unseen.
"""

from typing import Annotated

from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody

from prompts.brand import Brand, version
from service.etags import digest_expected
from service.openapi import route
from service.runtime import Runtime
from service.workspaces import actions

_BRAND = {
    "name": "Fernhill",
    "voice": "Plain and warm, a neighbour over the fence.",
    "banned_words": ["cheap", "hurry"],
    "required_words": [],
    "traits": [{"adjective": "warm", "do": ["Come and see."], "dont": ["You NEED this"]}],
    "glossary": [{"use": "planter", "never": ["pot"]}],
    "claims": {
        "guarantees": "forbid",
        "health": "forbid",
        "finance": "forbid",
        "superlatives": "forbid",
        "proof": "warn",
        "urgency": "warn",
        "free": "warn",
    },
    "disclaimers": [{"text": "Terms apply.", "channels": ["email"]}],
    "tones": ["friendly", "inspiring"],
    "allowed_domains": ["fernhill.example"],
}

IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="The ETag the change was made from, or `*`.")
]


@get(
    "/v1/brand",
    **route(("copy", "batch"), tag="brand", summary="Show the brand", response=_BRAND),
)
async def show_brand(runtime: NamedDependency[Runtime], workspace: NamedDependency[str]) -> Response[Brand]:
    """Show how the workspace's brand sounds and what it may say."""
    return _answer(await actions.get_brand(runtime, workspace))


@put(
    "/v1/brand",
    **route(
        ("admin",),
        tag="brand",
        summary="Replace the brand",
        description="The whole brand; what is left out goes back to its default. Drafts follow it, "
        "earlier ones keep theirs. With `If-Match` only if it is still the one the change was made from.",
        request=_BRAND,
        response=_BRAND,
        problems=(412, 413, 422),
    ),
)
async def replace_brand(
    data: JSONBody[Brand],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    if_match: IfMatch = None,
) -> Response[Brand]:
    """Store another brand for the workspace."""
    return _answer(await actions.set_brand(runtime, workspace, data, digest_expected(if_match)))


def _answer(brand: Brand) -> Response[Brand]:
    return Response(brand, headers={"ETag": f'"{version(brand)}"'})


ROUTES = [show_brand, replace_brand]
