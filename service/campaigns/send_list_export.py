"""Write a send list: whom each channel reaches of each segment, filled and written some members at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.channels import CHANNELS
from prompts.readers import FIRST_NAME
from prompts.variant import Fields
from service.campaigns.job import JobUnit
from service.campaigns.model import Campaign, Row, languages_of
from service.campaigns.send_list import Candidate, SendList, units_of
from service.campaigns.send_list_counts import (
    REFUSALS,
    ChannelReach,
    Pick,
    SendFormat,
    SendListSummary,
    UnitRows,
)
from service.campaigns.send_list_files import SendListFiles
from service.campaigns.send_list_filling import SendUnit
from service.campaigns.send_list_members import MemberReader, Stored
from service.contact.actions import resolve_selection
from service.contact.model import PERSONAL
from service.drafts.decision_store import DecisionStore
from service.drafts.sent_store import Sent, SentStore
from service.errors import InvalidInput
from service.runtime import Runtime
from service.segments.selection import selected

if TYPE_CHECKING:
    from indexing.snapshot import Snapshot

ROWS_AT_ONCE = 30_000
"""Rows in memory at a time, whatever the members and units they are of."""

Progress = Callable[[str, int, int | None], None]
Allowed = Mapping[str, NDArray[np.bool_]]
"""By channel, bool[n]: who of some members may be written to."""


async def export_send_list(
    runtime: Runtime,
    workspace: str,
    campaign: str,
    units: Sequence[SendUnit],
    out: Path,
    form: SendFormat,
    *,
    pick: Pick,
    snapshot: "Snapshot",
    progress: Progress | None = None,
) -> SendListSummary:
    """Write a campaign's units, filled for every member who may be written to, into the file `out`.

    Members are those of the snapshot; who of them may be written to, and what copy shows of them, is as the
    store has it now. Rows come by segment, profile id, item and channel, so that the same store gives the
    same bytes; what they say counts as sent from then on. Raises NotFound, IndexingError, `SlotError` for a
    merge tag of no known trait, and what `SendListFiles` raises.
    """
    send_list = await runtime.run(SendList, campaign, units, {FIRST_NAME, *snapshot.traits.names})
    counts, reach = Counter[tuple[int, str]](), list[ChannelReach]()
    async with _opened(SendListFiles(out, form, send_list.schema)) as files:
        for name in dict.fromkeys(unit.segment for unit in units):
            _, selection = await selected(runtime, workspace, name, snapshot=snapshot.manifest.version)
            allowed: dict[str, NDArray[np.bool_]] = {}
            channels = dict.fromkeys(unit.channel for unit in units if unit.segment == name)
            for on in filter(PERSONAL.__contains__, channels):
                found = await resolve_selection(runtime, workspace, on, selection)
                allowed[on], left = found.allowed, int(found.allowed.sum())
                audience = left + sum(each.removed for each in found.removed)
                reach.append(
                    ChannelReach(
                        segment=name, channel=on, audience=audience, allowed=left, removed=found.removed
                    )
                )
            ids = selection.ids(slice(None))
            counts.update(
                await write_members(runtime, workspace, send_list, files, name, ids, allowed, progress)
            )
        summary = SendListSummary(
            campaign=campaign,
            out=str(out),
            format=form,
            pick=pick,
            snapshot=snapshot.manifest.version,
            as_of=snapshot.manifest.as_of,
            rows=sum(times for (_, what), times in counts.items() if what == "written"),
            refused=sum(times for (_, what), times in counts.items() if what in REFUSALS),
            reach=tuple(reach),
            units=tuple(_unit_rows(unit, place, counts) for place, unit in enumerate(units)),
        )
        await runtime.run(files.finish, summary)
    async with runtime.database.write() as session:
        await SentStore(session, workspace).add(_sent(campaign, units, counts, runtime.now()))
    return summary


@asynccontextmanager
async def _opened(files: SendListFiles) -> AsyncGenerator[SendListFiles]:
    """Enter and leave files beside the event loop, which waits for no disk."""
    await asyncio.to_thread(files.__enter__)
    try:
        yield files
    finally:
        await asyncio.to_thread(files.__exit__, None, None, None)


async def write_members(
    runtime: Runtime,
    workspace: str,
    send_list: SendList,
    files: SendListFiles,
    segment: str,
    ids: pl.Series,
    allowed: Allowed,
    progress: Progress | None = None,
) -> Counter[tuple[int, str]]:
    """Write the rows of a segment's members, some at a time; return the counts of `Filled`, and `gone`."""
    reader = MemberReader(runtime.vault, send_list.names)
    sent, counts = send_list.channels(segment), Counter[tuple[int, str]]()
    anywhere = np.logical_or.reduce([allowed[channel] for channel in sent]) if sent else np.zeros(0)
    places, size = np.flatnonzero(anywhere), max(ROWS_AT_ONCE // max(send_list.most_rows(segment), 1), 1)

    def fill_and_write(stored: Sequence[Stored], present: Allowed) -> Counter[tuple[int, str]]:
        filled = send_list.fill(segment, reader.columns(stored), present)
        files.write(filled.rows, filled.refused)
        return filled.counts

    for start in range(0, len(places), size):
        part = places[start : start + size]
        wanted = ids.gather(part)
        async with runtime.database.read() as session:
            stored = await reader.stored(session, workspace, wanted.to_list())
        there = wanted.is_in([row[0] for row in stored]).to_numpy()
        present = {channel: allowed[channel][part[there]] for channel in sent}
        counts.update(await runtime.run(fill_and_write, stored, present))
        absent = {channel: allowed[channel][part[~there]] for channel in sent}
        counts.update(send_list.missing(segment, wanted.filter(pl.Series(~there)).to_list(), absent))
        if progress is not None:
            progress(f"members of {segment}", start + len(part), len(places))
    return counts


async def send_units(
    runtime: Runtime, workspace: str, rows: Iterable[Candidate], pick: Pick
) -> tuple[SendUnit, ...]:
    """Choose what is sent of each unit."""
    listed = tuple(rows)
    return units_of(listed, pick, await _accepted(runtime, workspace, listed) if pick == "accepted" else {})


def check_wanted(
    segments: Iterable[str], channels: Iterable[str], segment: str | None, channel: str | None
) -> None:
    """Refuse with InvalidInput a segment or channel that a campaign lacks, or that reaches nobody."""
    for what, asked, known in (("segment", segment, segments), ("channel", channel, channels)):
        listed = tuple(dict.fromkeys(known))
        if asked is not None and asked not in listed:
            raise InvalidInput(f"the campaign has no {what} {asked[:80]!r}: it has {', '.join(listed)}")
    if channel is not None and channel not in PERSONAL:
        raise InvalidInput(
            f"a {CHANNELS[channel].title} has no one reader: name one of {', '.join(PERSONAL)}"
        )


def is_wanted(unit: Row | JobUnit, segment: str | None, channel: str | None, language: str | None) -> bool:
    """Whether a unit is of the segment, channel and language that are asked for; none is any."""
    asked = ((segment, unit.segment), (channel, unit.channel), (language, unit.language))
    return all(wanted in (None, own) for wanted, own in asked)


def check_language(campaign: Campaign, asked: str | None) -> None:
    """Refuse with InvalidInput a language that a campaign lacks, and to choose none where it has several."""
    known = languages_of(campaign)
    if asked is None and len(known) > 1:
        raise InvalidInput(f"the campaign is in {', '.join(known)}: name the `language` of this send list")
    if asked is not None and asked not in known:
        raise InvalidInput(f"the campaign has no language {asked[:80]!r}: it has {', '.join(known)}")


async def _accepted(runtime: Runtime, workspace: str, rows: tuple[Candidate, ...]) -> dict[str, Fields]:
    """Return the copy of those variants that people accepted last, as it stood then, by variant.

    A draft of the same brief, prompt and model has variants of the same ids.
    """
    written = {row.id: row for row in rows}
    async with runtime.database.read() as session:
        decided = await DecisionStore(session, workspace).of_variants(written)
    accepted: dict[str, Fields] = {}
    for variant, decisions in decided.items():
        if decisions[-1].verdict == "accepted":
            edits = [each.fields for each in decisions if each.fields is not None]
            accepted[variant] = edits[-1] if edits else written[variant].fields
    return accepted


def _sent(
    campaign: str, units: Sequence[SendUnit], counts: Counter[tuple[int, str]], now: datetime
) -> list[Sent]:
    """List the copy of the rows that were written, that of most rows first; none written for one person."""
    places = [place for place, unit in enumerate(units) if unit.profile_id is None]
    places.sort(key=lambda place: -counts[place, "written"])
    return [
        Sent(
            channel=units[place].channel,
            variant_id=variant.id,
            campaign=campaign,
            fields=variant.fields,
            sent_at=now,
        )
        for place in places
        if counts[place, "written"]
        for variant in units[place].variants
    ]


def _unit_rows(unit: SendUnit, place: int, counts: Counter[tuple[int, str]]) -> UnitRows:
    return UnitRows(
        segment=unit.segment,
        item_id=unit.item_id,
        channel=unit.channel,
        variants=tuple(each.id for each in unit.variants),
        left_out=unit.left_out,
        written=counts[place, "written"],
        defaulted=counts[place, "defaulted"],
        shortened=counts[place, "shortened"],
        unaddressed=counts[place, "unaddressed"],
        refused={rule: counts[place, rule] for rule in REFUSALS},
        gone=counts[place, "gone"],
    )
