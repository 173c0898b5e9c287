"""Exports over HTTP: begin one, see how far it is, download its file in parts."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.response import Response, Stream

from service.errors import RangeNotSatisfiable
from service.exports import actions
from service.exports.model import MEDIA_TYPES, SEND_LISTS, Export, Format
from service.openapi import route
from service.privacy.masks import Masks
from service.runtime import Runtime

_LOOK = ("crm", "batch", "analyst")
BYTES_AT_ONCE = 2**18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

Range = Annotated[str | None, HeaderParameter(name="Range", description="Such as `bytes=1000-`.")]
IfRange = Annotated[str | None, HeaderParameter(name="If-Range", description="The ETag of the first part.")]

EXPORT: dict[str, Any] = {
    "id": "6d1f0a3c5b7e4f2a9c8d0e1f2a3b4c5d",
    "segment": "5f0c1d",
    "definition_version": 1,
    "campaign": None,
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "as_of": "2026-11-22T00:00:00Z",
    "channel": "email",
    "removed": [
        {"rule": "suppressed", "removed": 2},
        {"rule": "denied", "removed": 14},
        {"rule": "no_consent", "removed": 96},
        {"rule": "holdout", "removed": 0},
        {"rule": "frequency_cap", "removed": 8},
    ],
    "send_list": None,
    "format": "ndjson",
    "status": "running",
    "count": 0,
    "bytes": None,
    "error": None,
    "masked": False,
    "created_at": "2026-11-22T10:00:00Z",
    "touched_at": "2026-11-22T10:00:00Z",
    "expires_at": "2026-11-23T10:00:00Z",
}


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the file is to be written."""

    format: Format = "ndjson"
    channel: str | None = None
    """Only those who may be written to on this channel (`GET /v1/segments/{id}/reach`)."""


@post(
    "/v1/segments/{segment_id:str}/exports",
    status_code=202,
    **route(
        _LOOK,
        tag="segments",
        summary="Export a segment's members",
        description="Begins a job: `Location` says where to see how far it is. NDJSON and CSV are compressed "
        "by gzip. The file holds `profile_id` and `score` by id, and is kept for a day. With a "
        "`channel` it holds only those who may be written to there when it is begun; `removed` says how many "
        "each rule removed.",
        request={"format": "ndjson", "channel": "email"},
        response=EXPORT,
        problems=(404, 409, 422),
        idempotent=True,
    ),
)
async def start_export(
    segment_id: FromPath[str],
    data: JSONBody[ExportRequest],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    masks: NamedDependency[Masks | None],
) -> Response[Export]:
    """Begin to write the members of a segment into a file."""
    export = await actions.start_export(
        runtime, workspace, segment_id, data.format, channel=data.channel, masks=masks
    )
    return Response(export, status_code=202, headers={"Location": f"/v1/exports/{export.id}"})


@get(
    "/v1/exports/{export_id:str}",
    **route(_LOOK, tag="segments", summary="Show an export", response=EXPORT, problems=(404,)),
)
async def show_export(
    export_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Export:
    """Say how far an export is."""
    return await actions.get_export(runtime, workspace, export_id)


@get(
    "/v1/exports/{export_id:str}/file",
    **route(
        _LOOK,
        tag="segments",
        summary="Download an export",
        description="A download that broke off goes on with `Range` and, in `If-Range`, the ETag (206). 409 "
        "while it is written; 410 when it expired, or when somebody was erased since: it may name them.",
        response='{"profile_id":"p-17","score":0.61}',
        problems=(404, 409, 410, 416),
        files=tuple(dict.fromkeys((*MEDIA_TYPES.values(), *(media for _, media in SEND_LISTS.values())))),
    ),
)
async def download_export(
    export_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    masks: NamedDependency[Masks | None],
    part: Range = None,
    if_range: IfRange = None,
) -> Stream:
    """Stream a file, or the part of it that is still wanted."""
    export, file = await actions.export_file(runtime, workspace, export_id, masked=masks is not None)
    return _sent(file, export.bytes or 0, f'"{export.id}"', export.media_type, part, if_range)


@get(
    "/v1/exports/{export_id:str}/refused",
    **route(
        ("crm", "batch"),
        tag="segments",
        summary="Download who was refused a row",
        description="Of a send list: a line for each member who may be written to and has no row, with the "
        "rule (`merged`, `lacks_trait`, `too_long`) and the reason; empty where nobody is. Parts, 409 and "
        "410 as for its file; 404 for an export of a segment.",
        response='{"profile_id":"p-17","segment":"gold","item_id":"oak-2","channel":"sms","variant_id":"8c1f",'
        '"rule":"lacks_trait","reason":"text: the profile has no `first_name`, and the tag no default"}',
        problems=(404, 409, 410, 416),
        files=(SEND_LISTS["ndjson"][1],),
    ),
)
async def download_refused(
    export_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    part: Range = None,
    if_range: IfRange = None,
) -> Stream:
    """Stream who was set aside, with the reason."""
    export, file = await actions.export_file(runtime, workspace, export_id, refused=True)
    size = (await asyncio.to_thread(file.stat)).st_size
    return _sent(file, size, f'"{export.id}-refused"', SEND_LISTS["ndjson"][1], part, if_range)


def _sent(file: Path, size: int, tag: str, media_type: str, part: str | None, if_range: str | None) -> Stream:
    """Answer with a file of so many bytes, or the part of it that is asked for."""
    asked = wanted_part(part, size) if if_range in (None, tag) else None
    first, last = asked or (0, size - 1)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Content-Length": str(last - first + 1),
        "Content-Disposition": f'attachment; filename="{file.name}"',
    }
    if asked is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 200 if asked is None else 206
    return Stream(_bytes(file, first, last), status_code=status, headers=headers, media_type=media_type)


def wanted_part(part: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header: first and last byte; none for the whole file, and for what is no single range.

    Raises `RangeNotSatisfiable` for a part that lies beyond the file.
    """
    found = _RANGE.fullmatch(part.strip()) if part is not None else None
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first > last:
        raise RangeNotSatisfiable(f"Range {part!r}: the file has {size:,} bytes")
    return first, last


async def _bytes(file: Path, first: int, last: int) -> AsyncGenerator[bytes]:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        await asyncio.to_thread(opened.seek, first)
        left = last - first + 1
        while left > 0 and (piece := await asyncio.to_thread(opened.read, min(left, BYTES_AT_ONCE))):
            left -= len(piece)
            yield piece
    finally:
        await asyncio.to_thread(opened.close)


ROUTES = [start_export, show_export, download_export, download_refused]
