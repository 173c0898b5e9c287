"""Write a send list: whom each channel reaches of each segment, filled and written some members at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.channels import CHANNELS
from prompts.readers import FIRST_NAME
from prompts.variant import Fields
from service.campaigns.model import Row
from service.campaigns.send_list import Pick, Refusal, SendList, SendUnit, units_of
from service.campaigns.send_list_files import SendFormat, SendListFiles
from service.campaigns.send_list_members import MemberReader, Stored
from service.contact.actions import resolve_selection
from service.contact.model import PERSONAL, Removed
from service.drafts.decision_store import DecisionStore
from service.errors import InvalidInput
from service.runtime import Runtime
from service.segments.selection import selected

ROWS_AT_ONCE = 30_000
"""Rows in memory at a time, whatever the members and units they are of."""
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)

Progress = Callable[[str, int, int | None], None]
Allowed = Mapping[str, NDArray[np.bool_]]
"""By channel, bool[n]: who of some members may be written to."""


class ChannelReach(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a channel reaches of a segment, as `service.contact.model.Reach` counts it."""

    segment: str
    channel: str
    audience: int
    allowed: int
    removed: tuple[Removed, ...]


class UnitRows(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one unit: `written`, all `refused` and `gone` add up to `allowed` of its channel."""

    segment: str
    item_id: str
    channel: str
    variants: tuple[str, ...]
    """Ids of those that are sent."""
    left_out: str | None
    """Why nothing of it is sent."""
    written: int
    defaulted: int
    """Of the written rows, those in which a merge tag's default stands for a trait the profile lacks."""
    shortened: int
    """Of the written rows, those in which defaults stand for values that made a text too long."""
    unaddressed: int
    """Of the written rows, those whose profile has no address for the channel: the CRM must know one."""
    refused: dict[Refusal, int]
    gone: int
    """Erased while the list was written."""


class SendListSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a send list holds. No time of day is in it: the same store gives the same summary."""

    campaign: str
    out: str
    format: SendFormat
    pick: Pick
    snapshot: str
    as_of: datetime
    rows: int
    refused: int
    reach: tuple[ChannelReach, ...]
    units: tuple[UnitRows, ...]


async def export_send_list(
    runtime: Runtime,
    workspace: str,
    campaign: str,
    rows: Iterable[Row],
    out: Path,
    form: SendFormat,
    *,
    pick: Pick = "best",
    segment: str | None = None,
    channel: str | None = None,
    progress: Progress | None = None,
) -> SendListSummary:
    """Write a campaign's variants, filled for every member who may be written to, into the file `out`.

    Members are those of the newest snapshot; who of them may be written to, and what copy shows of them, is
    as the store has it now. With `segment` and `channel` only rows of those. Rows come by segment, profile
    id, item and channel, so that the same store gives the same bytes. Raises InvalidInput for a segment or
    channel the rows lack, NotFound, IndexingError, `SlotError` for a merge tag of no known trait, and what
    `SendListFiles` raises.
    """
    kept = _kept(tuple(rows), segment, channel)
    units = units_of(kept, pick, await _accepted(runtime, workspace, kept) if pick == "accepted" else {})
    snapshot = await runtime.snapshot(workspace)
    send_list = await runtime.run(SendList, campaign, units, {FIRST_NAME, *snapshot.traits.names})
    counts, reach = Counter[tuple[int, str]](), list[ChannelReach]()
    with SendListFiles(out, form, send_list.schema) as files:
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
    return summary


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
    units, counts = send_list.sent(segment), Counter[tuple[int, str]]()
    sent = {unit.channel for _, unit in units}
    anywhere = np.logical_or.reduce([allowed[channel] for channel in sent]) if sent else np.zeros(0)
    places, size = np.flatnonzero(anywhere), max(ROWS_AT_ONCE // max(len(units), 1), 1)

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
        for place, unit in units:
            counts[place, "gone"] += int(allowed[unit.channel][part[~there]].sum())
        if progress is not None:
            progress(f"members of {segment}", start + len(part), len(places))
    return counts


def _kept(rows: tuple[Row, ...], segment: str | None, channel: str | None) -> tuple[Row, ...]:
    for what, asked, known in (
        ("segment", segment, [row.segment for row in rows]),
        ("channel", channel, [row.channel for row in rows]),
    ):
        if asked is not None and asked not in known:
            raise InvalidInput(
                f"the campaign has no {what} {asked[:80]!r}: it has {', '.join(dict.fromkeys(known))}"
            )
    if channel is not None and channel not in PERSONAL:
        raise InvalidInput(
            f"a {CHANNELS[channel].title} has no one reader: name one of {', '.join(PERSONAL)}"
        )
    return tuple(row for row in rows if segment in (None, row.segment) and channel in (None, row.channel))


async def _accepted(runtime: Runtime, workspace: str, rows: tuple[Row, ...]) -> dict[str, Fields]:
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
