"""Fill copy for a profile, and prove before sending that it fits for everybody who might read it."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal
from weakref import WeakKeyDictionary

import msgspec

from prompts.channels import find_channel
from prompts.errors import OutputError
from prompts.measure import Length, measure
from prompts.output import read_fields
from prompts.personal import (
    Copy,
    Value,
    fill_copy,
    prove,
    read_copy,
    refuse_too_long,
    traits_named,
    value_text,
)
from prompts.readers import ASSUMED
from prompts.variant import Fields
from service.drafts.actions import get_draft
from service.drafts.deciding import find_variant, history_of
from service.drafts.decision import Verdict, copy_of
from service.drafts.readers import Reach, find_reach, readers_of
from service.errors import Conflict, InvalidInput
from service.profiles.actions import get_profile
from service.refusals import json_refusal
from service.runtime import Runtime

REMEMBERED = 64
"""Proofs kept per process, so that copy that is filled for many is proven once."""

_Key = tuple[str, str, str | None, str | None, bytes]
_PROOFS: "WeakKeyDictionary[Runtime, OrderedDict[_Key, tuple[Copy, Proof]]]" = WeakKeyDictionary()


class RenderRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to fill and for whom.

    Either `draft_id` and `variant_id`, or `channel` and `fields`. At most one of `profile_id` and `traits`;
    without either every tag shows its default.
    """

    draft_id: str | None = None
    variant_id: str | None = None
    channel: str | None = None
    fields: Fields | None = None
    profile_id: str | None = None
    traits: dict[str, Value] | None = None
    """Values to fill in, of somebody who need not exist."""
    segment: str | None = None
    """Name or id of who will read it; left out, the draft's own segment, else everybody."""


class FilledTag(msgspec.Struct, frozen=True, kw_only=True):
    """One merge tag, and where what stands in its place came from."""

    field: str
    name: str
    filled_from: Literal["trait", "default"]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for everybody who might read the copy, in the newest snapshot."""

    segment: str | None
    """None for everybody."""
    profiles: int
    without: dict[str, int]
    """How many of them lack each trait the copy uses, and so read the default."""
    longest: tuple[Length, ...]
    """Each text against each limit, for whoever makes it longest."""
    as_of: datetime
    snapshot: str


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """Copy as one profile reads it."""

    channel: str
    fields: Fields
    tags: tuple[FilledTag, ...]
    lengths: tuple[Length, ...]
    """Each filled text against each limit."""
    proof: Proof | None
    """None for copy without merge tags, which reads the same for everybody."""
    status: Literal["passed", "failed"] | None = None
    """Of a stored variant's copy as it stands: whether it passed its checks."""
    verdict: Verdict | None = None
    """The last decision about a stored variant."""


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    channel: str
    fields: Fields
    segment: str | None = None
    status: Any = None
    verdict: Verdict | None = None


async def render_copy(runtime: Runtime, workspace: str, request: RenderRequest) -> Rendered:
    """Fill a stored variant as it stands, or given fields, for a profile.

    Raises NotFound; InvalidInput for a request that names too much or too little, or fields the channel
    cannot hold; Conflict for a variant without copy; `SlotError` for a merge tag that is malformed, of no
    known trait, or without a default where somebody lacks the trait; `LengthError` where the copy is over a
    hard limit for this profile or for anybody; `indexing.errors.SnapshotMissing` for copy with merge tags
    before there is a snapshot to prove it by.
    """
    _check(request)
    source = await _source(runtime, workspace, request)
    values = await _values(runtime, workspace, request)
    copy, proof = await _proven(runtime, workspace, source, request.segment)
    filled = await runtime.run(fill_copy, copy, values)
    lengths = await runtime.run(measure, copy.channel, filled)
    refuse_too_long(lengths, whose="for this profile")
    return Rendered(
        channel=source.channel,
        fields=filled,
        tags=tuple(
            FilledTag(
                field=text.label, name=tag.name, filled_from="trait" if values.get(tag.name) else "default"
            )
            for text in copy.texts
            for tag in text.tags
        ),
        lengths=lengths,
        proof=proof,
        status=source.status,
        verdict=source.verdict,
    )


def _check(request: RenderRequest) -> None:
    stored = request.draft_id is not None and request.variant_id is not None
    given = request.channel is not None and request.fields is not None
    named = [request.draft_id, request.variant_id, request.channel, request.fields]
    if stored == given or sum(value is not None for value in named) != 2:
        raise InvalidInput("name what to render: `draft_id` and `variant_id`, or `channel` and `fields`")
    if request.profile_id is not None and request.traits is not None:
        raise InvalidInput("profile_id and traits both say for whom: send one of them, or neither")
    if refused := json_refusal("traits", request.traits or {}):
        raise InvalidInput(refused)


async def _source(runtime: Runtime, workspace: str, request: RenderRequest) -> _Source:
    if request.draft_id is None or request.variant_id is None:
        channel = find_channel(request.channel or "").name
        try:
            return _Source(channel=channel, fields=read_fields(channel, request.fields or {}))
        except OutputError as error:
            raise InvalidInput(f"the fields cannot be rendered: {error}") from error
    draft = await get_draft(runtime, workspace, request.draft_id)
    variant = find_variant(draft, request.variant_id)
    history = (await history_of(runtime, workspace, draft.id)).get(variant.id, ())
    copy = copy_of(variant, history)
    if not copy.fields:
        raise Conflict(f"variant {variant.id!r} is malformed and has no copy to render")
    return _Source(
        channel=draft.brief.channel,
        fields=copy.fields,
        segment=draft.segment,
        status=copy.status,
        verdict=history[-1].verdict if history else None,
    )


async def _values(runtime: Runtime, workspace: str, request: RenderRequest) -> dict[str, str | None]:
    traits: Mapping[str, Value] = request.traits or {}
    if request.profile_id is not None:
        traits = (await get_profile(runtime, workspace, request.profile_id)).traits
    return {name: value_text(value) for name, value in traits.items()}


async def _proven(
    runtime: Runtime, workspace: str, source: _Source, segment: str | None
) -> tuple[Copy, Proof | None]:
    """Read the copy's merge tags and hold them against everybody who might read it."""
    if not traits_named(source.fields):
        return read_copy(source.channel, source.fields, ASSUMED), None
    reach = await find_reach(runtime, workspace, asked=segment, own=source.segment)
    remembered = _PROOFS.setdefault(runtime, OrderedDict())
    members = reach.members
    among = None if members is None else blake2b(members.rows.tobytes(), digest_size=16).hexdigest()
    copy = msgspec.json.encode((source.channel, source.fields))
    key = (workspace, reach.snapshot.version, reach.segment, among, copy)
    proven = remembered.get(key)
    if proven is None:
        proven = await runtime.run(_prove, source, reach)
        remembered[key] = proven
        while len(remembered) > REMEMBERED:
            remembered.popitem(last=False)
    return proven


def _prove(source: _Source, reach: Reach) -> tuple[Copy, Proof]:
    readers = readers_of(reach, source.fields)
    copy = read_copy(source.channel, source.fields, readers)
    return copy, Proof(
        segment=reach.segment,
        profiles=readers.profiles or 0,
        without=dict(readers.without),
        longest=prove(copy, readers),
        as_of=reach.snapshot.as_of,
        snapshot=reach.snapshot.version,
    )
