"""Whom may be written to, over HTTP: consent, suppressions, the policy, and how far an audience reaches."""

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, RawBody

from service.bulk import store_rows
from service.contact import actions
from service.contact.examples import CONSENT, CONSENT_CHANGE, FACT, POLICY, REACH, SUPPRESSION
from service.contact.model import EVERY_CHANNEL, ContactPolicy, Reach, Suppression
from service.contact.shapes import ConsentChange, ConsentFact, ProfileConsent, SuppressionEntry, shown
from service.counts import Counts
from service.etags import digest_expected
from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.runtime import Runtime
from service.workspaces.routes import IfMatch

_LOOK = ("crm", "batch")
_COUNT = (*_LOOK, "analyst")
_COUNTED: dict[str, Any] = {"read": 1, "stored": 1, "duplicate": 0, "rejected": 0, "rejects": []}


@put(
    "/v1/profiles/{profile_id:str}/consent",
    **route(
        _LOOK,
        tag="contact",
        summary="Note a profile's consent",
        description="What it said about some channels, `granted` or `denied`; the others stay. Of each "
        "channel the last word by `at` counts: an older one changes nothing. It holds from the answer on.",
        request=CONSENT_CHANGE,
        response=CONSENT,
        problems=(404,),
    ),
)
async def set_consent(
    profile_id: FromPath[str],
    data: JSONBody[ConsentChange],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> ProfileConsent:
    """Note what one profile said."""
    return shown(profile_id, await actions.set_consent(runtime, workspace, profile_id, data))


@get(
    "/v1/profiles/{profile_id:str}/consent",
    **route(_LOOK, tag="contact", summary="Show a profile's consent", response=CONSENT, problems=(404,)),
)
async def show_consent(
    profile_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> ProfileConsent:
    """Show what one profile said, by channel."""
    return shown(profile_id, await actions.list_consents(runtime, workspace, profile_id))


@post(
    "/v1/consents",
    status_code=200,
    **route(
        _LOOK,
        tag="contact",
        summary="Note the consent of many",
        description="One word about one channel a row. A row that cannot be stored, such as one of an "
        "unknown profile, is in `rejects` and stops no other; the status is 200 even then.",
        rows=ConsentFact,
        request=[FACT],
        response=_COUNTED,
        problems=(413,),
        idempotent=True,
    ),
)
async def set_consents(
    request: Request[Any, Any, Any],
    body: RawBody,
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Counts:
    """Note what many profiles said."""
    return await store_rows(
        runtime,
        body,
        request.content_type[0],
        ConsentFact,
        lambda rows: actions.set_consents(runtime, workspace, rows),
    )


@post(
    "/v1/suppressions",
    status_code=200,
    **route(
        _LOOK,
        tag="contact",
        summary="Suppress profiles and addresses",
        description="Each row has one of `profile_id`, `email` and `phone`, and a `channel`; without one it "
        "is every channel. An address is kept as a keyed hash: the list then names nobody and outlives "
        "erasure. Nobody on the list is written to, whatever was consented to.",
        rows=SuppressionEntry,
        request=[{"email": "ada@mail.example", "channel": "email", "reason": "bounced"}],
        response=_COUNTED,
        problems=(413,),
        idempotent=True,
    ),
)
async def add_suppressions(
    request: Request[Any, Any, Any],
    body: RawBody,
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Counts:
    """Put many on the list."""
    return await store_rows(
        runtime,
        body,
        request.content_type[0],
        SuppressionEntry,
        lambda rows: actions.suppress(runtime, workspace, rows),
    )


@get(
    "/v1/suppressions",
    **route(
        _LOOK,
        tag="contact",
        summary="List suppressions",
        description="Addresses by hash (`subject`), then profiles by id. `channel` lists the entries of that "
        "channel alone, `*` those that hold for all.",
        response={"results": [SUPPRESSION], "paging": {"next": None}},
    ),
)
async def show_suppressions(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    channel: FromQuery[str | None] = None,
) -> Results[Suppression]:
    """Page through the list."""
    page = await actions.list_suppressions(
        runtime,
        workspace,
        after=decode_cursor(after, tuple[str, str, str]),
        limit=checked_limit(limit),
        channel=channel,
    )
    last = None
    if page.next_after is not None:
        end = page.rows[-1]
        kind = "address" if end.profile_id is None else "profile"
        last = (kind, page.next_after, end.channel)
    return results_of(list(page.rows), last, "/v1/suppressions", {"limit": limit, "channel": channel})


@delete(
    "/v1/suppressions",
    **route(
        _LOOK,
        tag="contact",
        summary="Lift a suppression",
        description="Of one of `profile_id`, `email` and `phone`, on a `channel` or, without one, on the "
        "list of all channels (`*`); entries of single channels stay then. Consent holds again as it was "
        "given.",
        problems=(404,),
    ),
)
async def lift_suppression(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    profile_id: FromQuery[str | None] = None,
    email: FromQuery[str | None] = None,
    phone: FromQuery[str | None] = None,
    channel: FromQuery[str] = EVERY_CHANNEL,
) -> None:
    """Take one off the list."""
    entry = SuppressionEntry(profile_id=profile_id, email=email, phone=phone, channel=channel)
    await actions.lift_suppression(runtime, workspace, entry)


@get(
    "/v1/contact-policy",
    **route(_COUNT, tag="contact", summary="Show the contact policy", response=POLICY),
)
async def show_policy(
    runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[ContactPolicy]:
    """Show the workspace's rules on whom it writes to."""
    return _answer(await actions.get_policy(runtime, workspace))


@put(
    "/v1/contact-policy",
    **route(
        ("admin",),
        tag="contact",
        summary="Replace the contact policy",
        description="`opt_in` channels need consent; `caps` limit messages by channel and days; `holdout` is "
        "the share (0 to 0.5) that is never written to. What is left out goes back to its default. With "
        "`If-Match` only if it is still the one the change was made from.",
        request=POLICY,
        response=POLICY,
        problems=(412,),
    ),
)
async def replace_policy(
    data: JSONBody[ContactPolicy],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    if_match: IfMatch = None,
) -> Response[ContactPolicy]:
    """Store another policy for the workspace."""
    return _answer(await actions.set_policy(runtime, workspace, data, digest_expected(if_match)))


@get(
    "/v1/segments/{segment_id:str}/reach",
    **route(
        _COUNT,
        tag="contact",
        summary="Count whom of a segment may be written to",
        description="Members by the newest snapshot; consent, suppressions and messages by the store as it "
        "is now. Everybody is counted under the first rule that removes them, in this order, so the counts "
        "add up.",
        response=REACH,
        problems=(404, 409, 422),
    ),
)
async def show_reach(
    segment_id: FromPath[str],
    channel: FromQuery[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Reach:
    """Count who is left of an audience on a channel, and whom each rule removes."""
    return await actions.reach_segment(runtime, workspace, segment_id, channel)


def _answer(policy: ContactPolicy) -> Response[ContactPolicy]:
    return Response(policy, headers={"ETag": f'"{actions.policy_version(policy)}"'})


ROUTES = [
    set_consent,
    show_consent,
    set_consents,
    add_suppressions,
    show_suppressions,
    lift_suppression,
    show_policy,
    replace_policy,
    show_reach,
]
