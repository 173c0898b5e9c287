"""Exports: asked for, written by a job of this process, looked up, downloaded, expired."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from indexing.errors import IndexingError
from prompts.errors import PromptError
from service.campaigns.send_list_files import refused_file
from service.contact.actions import resolve_selection
from service.contact.model import Removed, checked_channel
from service.errors import Conflict, Gone, NotFound, ServiceError
from service.executor import stop_if_abandoned
from service.exports.model import Export, Format
from service.exports.store import ExportStore
from service.exports.writing import write_members
from service.privacy.masks import Masks
from service.runtime import Runtime
from service.segments.selection import Selection, erased_among, selected
from service.webhooks.model import Event
from service.webhooks.store import DeliveryStore

LIFETIME = timedelta(days=1)
"""After so long the file goes, downloaded or not."""
SILENCE = timedelta(seconds=60)
"""A job that was not heard of for so long has died with its process."""
HEARTBEAT_SECONDS = 10.0

STOPPED = "its writer was stopped before it was done: ask for another export"

_TOLD = (
    "campaign",
    "segment",
    "definition_version",
    "snapshot",
    "as_of",
    "format",
    "masked",
    "count",
    "bytes",
    "expires_at",
)
"""What webhooks are told of an export that is ready."""


async def start_export(
    runtime: Runtime,
    workspace: str,
    segment: str,
    form: Format,
    *,
    channel: str | None = None,
    masks: Masks | None = None,
) -> Export:
    """Begin to write a segment's members into a file, as the newest snapshot has them.

    With a channel only those who may be written to there, by the store as it is now; with `masks` under
    pseudonyms. The segment is evaluated before this returns, so that what cannot be evaluated is refused
    here. Raises `NotFound`, `IndexingError`, and `InvalidInput` for an unknown channel.
    """
    if channel is not None:
        checked_channel(channel)
    found, selection = await selected(runtime, workspace, segment)
    now = runtime.now()  # before the look at who is erased: `export_file` minds whoever is from now on
    kept, removed = await _kept(runtime, workspace, selection, channel)
    export = Export(
        id=uuid4().hex,
        segment=found.id,
        definition_version=found.version,
        snapshot=selection.members.snapshot_version,
        as_of=selection.members.as_of,
        channel=channel,
        removed=removed,
        format=form,
        status="running",
        count=0,
        bytes=None,
        error=None,
        masked=masks is not None,
        created_at=now,
        touched_at=now,
        expires_at=now + LIFETIME,
    )
    job = partial(_write, runtime, workspace, export, selection, kept, masks)
    await begin_job(runtime, workspace, export, job)
    return export


async def begin_job(
    runtime: Runtime, workspace: str, export: Export, job: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Store a new export and start its job, which ends as `run_job` does; older ones are swept first."""
    await sweep_exports(runtime, workspace)
    async with runtime.database.write() as session:
        await ExportStore(session, workspace).add(export)
    with structlog.contextvars.bound_contextvars(job=export.id):
        runtime.start(job())


async def get_export(runtime: Runtime, workspace: str, export_id: str) -> Export:
    """Look an export up; one past its time is expired, one whose job fell silent has failed.

    Raises `NotFound`.
    """
    async with runtime.database.read() as session:
        export = await ExportStore(session, workspace).get(export_id)
    if export is None:
        raise NotFound(f"no export {export_id!r} in workspace {workspace!r}")
    if export.expires_at <= runtime.now():
        return msgspec.structs.replace(export, status="expired")
    if export.status == "running" and runtime.now() - export.touched_at > SILENCE:
        return msgspec.structs.replace(export, status="failed", error=STOPPED)
    return export


async def export_file(
    runtime: Runtime, workspace: str, export_id: str, *, masked: bool = False, refused: bool = False
) -> tuple[Export, Path]:
    """Return a finished export and its file, or of a send list that of those who were `refused` a row.

    Raises `NotFound`, for an export of ids too where it is to be `masked`, `Conflict` for one that is still
    written or failed, and `Gone` for one that expired, whose file is not on this machine, or that was made
    before somebody was erased: the file may name them.
    """
    export = await get_export(runtime, workspace, export_id)
    if masked and not export.masked:
        raise NotFound(f"export {export_id!r} holds ids: begin one with this key")
    if refused and export.campaign is None:
        raise NotFound(f"export {export_id!r} is no send list: no member of a segment is refused a row")
    if export.status in ("running", "failed"):
        why = export.error or f"{export.count:,} members are written so far: ask again"
        raise Conflict(f"export {export_id!r} is {export.status}: {why}")
    async with runtime.database.read() as session:
        erased = await ExportStore(session, workspace).erased_since(export.created_at)
    file = export_path(runtime, workspace, export)
    if erased:
        await asyncio.to_thread(_remove, file)
        raise Gone(f"a profile was erased after export {export_id!r} was begun: ask for another export")
    if refused:
        file = refused_file(file)
    if export.status == "expired" or not await asyncio.to_thread(file.is_file):
        raise Gone(f"the file of export {export_id!r} is gone: ask for another export")
    return export, file


def _remove(file: Path) -> None:
    """Remove an export's file, and of a send list those who were refused a row, which stand beside it."""
    for each in (file, refused_file(file)):
        each.unlink(missing_ok=True)


async def sweep_exports(runtime: Runtime, workspace: str) -> None:
    """Remove the files of exports past their time."""
    async with runtime.database.write() as session:
        expired = await ExportStore(session, workspace).expire(runtime.now())
    for export in expired:
        await asyncio.to_thread(_remove, export_path(runtime, workspace, export))


async def _kept(
    runtime: Runtime, workspace: str, selection: Selection, channel: str | None
) -> tuple[NDArray[np.bool_], tuple[Removed, ...]]:
    """Say which members belong into the file, and which rules removed the others."""
    if channel is not None:
        recipients = await resolve_selection(runtime, workspace, channel, selection)
        return recipients.allowed, recipients.removed
    erased = await erased_among(runtime, workspace, selection)
    if not erased:
        return np.ones(selection.members.size, dtype=np.bool_), ()
    found = (each not in erased for each in selection.each_id())
    return await runtime.run(np.fromiter, found, np.bool_, selection.members.size), ()


async def _write(
    runtime: Runtime,
    workspace: str,
    export: Export,
    selection: Selection,
    kept: NDArray[np.bool_],
    masks: Masks | None,
) -> None:
    file, count = export_path(runtime, workspace, export), [0]

    def report(so_far: int) -> None:
        stop_if_abandoned("export", so_far, selection.members.size)
        count[0] = so_far

    async def written() -> Export:
        of = (selection, kept, file, export.format, report, masks)
        return msgspec.structs.replace(export, count=await runtime.run(write_members, *of))

    await run_job(runtime, workspace, export, written(), lambda: count[0])


async def run_job(
    runtime: Runtime,
    workspace: str,
    export: Export,
    work: Coroutine[Any, Any, Export],
    so_far: Callable[[], int],
) -> None:
    """Do the work of an export, which returns what its file holds; say meanwhile that it lives."""
    file = export_path(runtime, workspace, export)
    writing = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([writing], timeout=HEARTBEAT_SECONDS))[0]:
            await _change(runtime, workspace, export, count=so_far(), touched_at=runtime.now())
        written = writing.result()
        size = await asyncio.to_thread(lambda: file.stat().st_size)
    except (OSError, ServiceError, IndexingError, PromptError) as error:
        await _change(runtime, workspace, export, status="failed", error=str(error))
        return
    except asyncio.CancelledError:  # the process ends: said at once, instead of by silence
        await _change(runtime, workspace, export, status="failed", error=STOPPED)
        raise
    finally:
        writing.cancel()
    if not await _finish(runtime, workspace, msgspec.structs.replace(written, status="ready", bytes=size)):
        # Withdrawn meanwhile, since somebody was erased.
        await asyncio.to_thread(_remove, file)


async def _finish(runtime: Runtime, workspace: str, done: Export) -> bool:
    """Say that the file is whole, and tell webhooks; False when the export has been withdrawn."""
    facts = {name: getattr(done, name) for name in _TOLD}
    ready = Event(
        type="export.ready",
        timestamp=runtime.now(),
        data={"export": done.id, **facts, "file": f"/v1/exports/{done.id}/file"},
        segment=done.segment,
    )
    async with runtime.database.write() as session:
        finished = await ExportStore(session, workspace).change(
            done.id,
            status=done.status,
            count=done.count,
            bytes=done.bytes,
            send_list=msgspec.to_builtins(done.send_list),
        )
        if finished:
            await DeliveryStore(session, workspace).tell(ready, runtime.now())
    return finished


async def _change(runtime: Runtime, workspace: str, export: Export, **values: object) -> bool:
    async with runtime.database.write() as session:
        return await ExportStore(session, workspace).change(export.id, **values)


def export_path(runtime: Runtime, workspace: str, export: Export) -> Path:
    """Say where an export's file lies, or is to lie."""
    return runtime.settings.exports_folder / workspace / export.file_name
