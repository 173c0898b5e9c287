"""A campaign's send list over HTTP: an export whose rows are its copy, filled for each member."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from prompts.variant import Fields
from service.campaigns.job import ENDED, Job, JobUnit
from service.campaigns.model import targets
from service.campaigns.send_list_counts import Pick, SendFormat, counts_of
from service.campaigns.send_list_export import (
    check_language,
    check_wanted,
    export_send_list,
    is_wanted,
    send_units,
)
from service.campaigns.send_list_files import summary_file
from service.campaigns.send_list_filling import SendUnit
from service.campaigns.store import CampaignStore
from service.errors import Conflict
from service.exports.actions import LIFETIME, begin_job, export_path, run_job
from service.exports.model import Export, Format
from service.runtime import Runtime
from service.segments.actions import get_segment

if TYPE_CHECKING:
    from indexing.snapshot import Snapshot

UNITS_AT_ONCE = 500
"""Units read of the store at a time, with all their variants."""
NOT_WRITTEN = "it was not written: its unit says why"
_PLACE = attrgetter("segment", "item_id", "channel", "profile_id")
_FORMATS: dict[Format, SendFormat] = {"ndjson": "jsonl", "csv": "csv", "parquet": "parquet"}


class SendListOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a campaign is wanted, and how."""

    format: Format = "csv"
    pick: Pick = "best"
    """`best`: the first variant of a unit that passed; `accepted`: the first that a person accepted, in a
    draft of the same brief, prompt and model; `spread`: all that passed, spread over the members."""
    segment: str | None = None
    """Only members of this one, as the campaign names it."""
    channel: str | None = None
    """Only this channel."""
    language: str | None = None
    """Which of the campaign's languages, where it has several: a member is sent one."""


class _Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A variant of a stored unit, as a send list looks at it."""

    segment: str
    item_id: str
    channel: str
    profile_id: str | None
    number: int
    id: str
    status: str
    fields: Fields


async def start_send_list(runtime: Runtime, workspace: str, campaign_id: str, order: SendListOrder) -> Export:
    """Begin to write the send list of a campaign that is over, as the newest snapshot has its members.

    Of a cancelled campaign it holds what was written until then. Raises NotFound, Conflict for a campaign
    that is not over or of which nothing was written, InvalidInput for a segment or channel it lacks, and
    IndexingError without a snapshot.
    """
    async with runtime.database.read() as session:
        store = CampaignStore(session, workspace)
        job, ordered = await store.get(campaign_id, runtime.now()), await store.definition(campaign_id)
    _check_over(job)
    named = [target.segment for target in targets(ordered)]
    check_wanted(named, ordered.channels, order.segment, order.channel)
    check_language(ordered, order.language)
    found = None if order.segment is None else await get_segment(runtime, workspace, order.segment)
    now = runtime.now()  # before anybody is looked up: `export_file` minds whoever is erased from now on
    snapshot = await runtime.snapshot(workspace)
    export = Export(
        id=uuid4().hex,
        segment=found and found.id,
        definition_version=found and found.version,
        campaign=campaign_id,
        snapshot=snapshot.manifest.version,
        as_of=snapshot.manifest.as_of,
        channel=order.channel,
        format=order.format,
        status="running",
        count=0,
        bytes=None,
        error=None,
        created_at=now,
        touched_at=now,
        expires_at=now + LIFETIME,
    )
    job = partial(_write, runtime, workspace, export, campaign_id, ordered.name, order, snapshot)
    await begin_job(runtime, workspace, export, job)
    return export


def _check_over(job: Job) -> None:
    counts = job.request_counts
    if job.status not in ENDED:
        raise Conflict(
            f"campaign {job.id!r} is {job.status}, with {counts.completed:,} of {counts.total:,} units "
            "written: wait until it is completed, or cancel it and send what is written"
        )
    if not counts.completed:
        raise Conflict(f"campaign {job.id!r} is {job.status} and no unit of it was written: nothing to send")


async def _write(
    runtime: Runtime,
    workspace: str,
    export: Export,
    campaign_id: str,
    name: str,
    order: SendListOrder,
    snapshot: "Snapshot",
) -> None:
    file = export_path(runtime, workspace, export)

    async def written() -> Export:
        stored = stored_units(runtime, workspace, campaign_id, order)
        summary = await export_send_list(
            runtime,
            workspace,
            name,
            [unit async for units in stored for unit in units],
            file,
            _FORMATS[order.format],
            pick=order.pick,
            snapshot=snapshot,
        )
        await asyncio.to_thread(summary_file(file).unlink, missing_ok=True)  # the counts stand in the export
        return msgspec.structs.replace(export, count=summary.rows, send_list=counts_of(summary))

    await run_job(runtime, workspace, export, written(), lambda: 0)


async def stored_units(
    runtime: Runtime, workspace: str, campaign_id: str, order: SendListOrder
) -> AsyncGenerator[tuple[SendUnit, ...]]:
    """Read a campaign's units some at a time, and choose what of them is sent.

    Units of one segment, item and channel (and person), which stand beside one another, are one to a send
    list: the tones they were written in. Raises NotFound and Conflict for one that is deleted meanwhile.
    """
    last, read, tail = -1, 0, list[JobUnit]()
    while True:
        async with runtime.database.read() as session:
            store = CampaignStore(session, workspace)
            found = await store.units(campaign_id, last, UNITS_AT_ONCE)
            total = (await store.get(campaign_id, runtime.now())).request_counts.total
        read += len(found)
        wanted = (order.segment, order.channel, order.language)
        tail += [unit for _, unit in found if is_wanted(unit, *wanted)]
        groups = [list(units) for _, units in itertools.groupby(tail, _PLACE)]
        tail = groups.pop() if found and groups else []  # the next page may go on with it
        yield await _sent(runtime, workspace, groups, order.pick)
        if not found:
            if read < total:
                raise Conflict(f"campaign {campaign_id!r} was being deleted while its send list was written")
            return
        last = found[-1][0]


async def _sent(
    runtime: Runtime, workspace: str, groups: Sequence[Sequence[JobUnit]], pick: Pick
) -> tuple[SendUnit, ...]:
    variants = [variant for units in groups for variant in _variants(units)]
    chosen = {_PLACE(unit): unit for unit in await send_units(runtime, workspace, variants, pick)}
    return tuple(chosen.get(_PLACE(units[0])) or _left_out(units[0]) for units in groups)


def _left_out(unit: JobUnit) -> SendUnit:
    return SendUnit(
        segment=unit.segment,
        item_id=unit.item_id,
        channel=unit.channel,
        profile_id=unit.profile_id,
        variants=(),
        left_out=NOT_WRITTEN,
    )


def _variants(units: Sequence[JobUnit]) -> Iterator[_Variant]:
    for unit in units:
        for number, variant in enumerate(unit.variants, start=1):
            yield _Variant(
                segment=unit.segment,
                item_id=unit.item_id,
                channel=unit.channel,
                profile_id=unit.profile_id,
                number=number,
                id=variant.id,
                status=variant.status,
                fields=variant.fields,
            )
