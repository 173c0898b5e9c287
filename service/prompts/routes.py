"""Prompts over HTTP: see what is used, put a next version in use, go back.

A prompt's ETag is its revision, `"0"` while the workspace has never changed it. A change needs `If-Match`.
"""

import msgspec
from litestar import Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from service.etags import IfMatch, etag, matched
from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.prompts.actions import get_prompt, list_prompts, prompt_history, put_prompt, rollback_prompt
from service.prompts.examples import CHANGE, NEW, PROMPT, PROMPT_TEXT
from service.prompts.model import Change, NewPrompt, Prompt, PromptText, Revision, Rollback
from service.runtime import Runtime


class Place(msgspec.Struct, frozen=True):
    """Where a page of a history starts."""

    before: Revision


_READ, _WRITE = ("copy", "batch"), ("admin",)


@get(
    "/v1/prompts",
    **route(
        _READ,
        tag="prompts",
        summary="List the prompts in use",
        description="One for each channel and dialect: shipped, from the operator's folder, or your own.",
        response={"results": [PROMPT], "paging": {"next": None}},
    ),
)
async def show_prompts(runtime: NamedDependency[Runtime], workspace: NamedDependency[str]) -> Results[Prompt]:
    """List what is written with."""
    return Results(results=list(await list_prompts(runtime, workspace)))


@get(
    "/v1/prompts/{name:str}",
    **route(
        _READ,
        tag="prompts",
        summary="Show a prompt",
        description="With its text and the partials it includes; `revision` shows how an earlier one stood.",
        response=PROMPT_TEXT,
        problems=(404,),
    ),
)
async def show_prompt(
    name: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    revision: FromQuery[Revision | None] = None,
) -> Response[PromptText]:
    """Show one prompt."""
    found = await get_prompt(runtime, workspace, name, revision)
    return Response(found, headers={"ETag": etag(found.revision)})


@put(
    "/v1/prompts/{name:str}",
    **route(
        _WRITE,
        tag="prompts",
        summary="Put the next version of a prompt in use",
        description="Needs If-Match. The text passes the checks of `pitchwright prompts check`, or 422 lists "
        "every problem with its line. Partials it includes are kept with it, so that it stays as it is.",
        request=NEW,
        response=PROMPT_TEXT,
        problems=(404, 412, 422, 428),
    ),
)
async def write_prompt(
    name: FromPath[str],
    data: JSONBody[NewPrompt],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    if_match: IfMatch = None,
) -> Response[PromptText]:
    """Make a prompt's next version the one in use."""
    revision = matched(if_match, "prompt")
    written = await put_prompt(runtime, workspace, name, data, revision=revision)
    return Response(written, headers={"ETag": etag(written.revision)})


@get(
    "/v1/prompts/{name:str}/history",
    **route(
        _READ,
        tag="prompts",
        summary="List what was changed about a prompt, newest first",
        response={"results": [CHANGE], "paging": {"next": None}},
        problems=(404,),
    ),
)
async def show_history(
    name: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> Results[Change]:
    """Page through the changes of one prompt."""
    place, most = decode_cursor(after, Place), checked_limit(limit)
    page = await prompt_history(runtime, workspace, name, place.before if place else None, most)
    position = None if page.next_after is None else Place(before=int(page.next_after))
    return results_of(list(page.rows), position, f"/v1/prompts/{name}/history", {"limit": limit})


@post(
    "/v1/prompts/{name:str}/rollback",
    status_code=200,
    **route(
        _WRITE,
        tag="prompts",
        summary="Go back to an earlier revision of a prompt",
        description="Needs If-Match. A change of its own, so nothing is lost; revision 0 goes back to what "
        "is shipped or in the folder.",
        request={"revision": 0, "note": "the old one sold more"},
        response=PROMPT_TEXT,
        problems=(404, 412, 422, 428),
        idempotent=True,
    ),
)
async def roll_back(
    name: FromPath[str],
    data: JSONBody[Rollback],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    if_match: IfMatch = None,
) -> Response[PromptText]:
    """Put an earlier revision in use again."""
    revision = matched(if_match, "prompt")
    restored = await rollback_prompt(runtime, workspace, name, data, revision=revision)
    return Response(restored, headers={"ETag": etag(restored.revision)})


ROUTES = [show_prompts, show_prompt, write_prompt, show_history, roll_back]
