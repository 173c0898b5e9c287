"""Everything about one person in one archive: the store's rows, and what was worked out from them."""

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from indexing.errors import IndexingError, NotFound, SnapshotMissing
from service.contact.addresses import suppressed_addresses
from service.privacy.store import ErasureStore
from service.privacy.subjects import ids_of, subject_tables
from service.profiles.actions import get_profile
from service.runtime import Runtime
from service.segments.selection import select_segment
from service.segments.store import SegmentStore

if TYPE_CHECKING:
    from indexing.snapshot import Snapshot

_ABOUT = (
    "One JSON file for each kind of record about this profile. `snapshot.json` is what was worked out from "
    "them: interests as unit vectors of the encoder named, each with its share, and how much each item is "
    "liked. `segments.json` says which audiences that snapshot puts the profile into."
)
_WITHIN_A_ZIP = (1980, 1, 1, 0, 0, 0)
"""No file carries a time: the same data gives the same archive."""


async def access_archive(runtime: Runtime, workspace: str, profile_id: str) -> bytes:
    """Collect everything about a profile as a zip of JSON files; raises NotFound, also for an erased one.

    Rows of every table that names profiles, of those merged into it too, and its suppressed addresses; then
    interests, tastes and segments of the newest snapshot.
    """
    own = (await get_profile(runtime, workspace, profile_id)).id
    files: dict[str, Any] = {}
    async with runtime.database.read() as session:
        ids = await ids_of(session, workspace, own)
        for each in subject_tables():
            columns = [column for column in each.table.columns if column.name != "workspace_id"]
            query = select(*columns).where(each.about(workspace, ids))
            ordered = query.order_by(*each.table.primary_key.columns)
            rows = (await session.execute(ordered)).mappings()
            files[str(each.table.name)] = [{str(name): value for name, value in row.items()} for row in rows]
        key = await ErasureStore(session, workspace).key()
        traits = [row["traits"] for row in files["profiles"]]
        files["suppressed_addresses"] = await suppressed_addresses(session, workspace, key, traits)
    try:
        snapshot = await runtime.snapshot(workspace)
        row = await runtime.run(snapshot.profile_row, own)
    except (SnapshotMissing, NotFound):  # nothing was worked out yet
        return await runtime.run(_zipped, files)
    files["snapshot"] = await runtime.run(_worked_out, snapshot, row)
    files["segments"] = await _segments(runtime, workspace, snapshot, row)
    return await runtime.run(_zipped, files)


def _worked_out(snapshot: "Snapshot", row: int) -> dict[str, Any]:
    interests, tastes = snapshot.interests, snapshot.tastes
    own = slice(*interests.offsets[row : row + 2].tolist())
    liked = slice(*tastes.offsets[row : row + 2].tolist())
    weights = tastes.weights[liked].tolist()
    items = snapshot.items["id"].gather(tastes.items[liked]).to_list()
    return {
        "snapshot": snapshot.version,
        "as_of": snapshot.as_of,
        "encoder": snapshot.manifest.embedder.name,
        "interests": [
            {"share": share, "vector": vector}
            for share, vector in zip(
                interests.weights[own].tolist(), interests.vectors[own].tolist(), strict=True
            )
        ],
        "tastes": [{"item_id": item, "weight": weight} for item, weight in zip(items, weights, strict=True)],
    }


async def _segments(runtime: Runtime, workspace: str, snapshot: "Snapshot", row: int) -> list[dict[str, Any]]:
    async with runtime.database.read() as session:
        segments = await SegmentStore(session, workspace).all()
    found: list[dict[str, Any]] = []
    for segment in segments:
        try:
            selection = await select_segment(runtime, workspace, snapshot, segment, segments)
        except IndexingError:  # visible on the segment; whom it selects cannot be said
            continue
        if row in selection.members.rows:
            found.append({"id": segment.id, "name": segment.name, "version": segment.version})
    return found


def _zipped(files: Mapping[str, Any]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"about": {"about": _ABOUT, "files": sorted(files)}, **files}.items():
            info = zipfile.ZipInfo(f"{name}.json", _WITHIN_A_ZIP)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, msgspec.json.format(msgspec.json.encode(content), indent=2))
    return written.getvalue()
