"""What a snapshot's folder promises: its manifest, checksums, and their verification."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from indexing.errors import SnapshotCorrupt, SnapshotError, SnapshotMissing
from indexing.index import IndexInfo

FORMAT_VERSION = 4
"""What this version writes; whatever changes what a file holds raises it, and commits a fixture of it."""

READABLE_FORMATS = (2, 3, 4)
"""What this version reads: each has a fixture in `tests/indexing/snapshots`."""

MANIFEST = "manifest.json"

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A plain name: a manifest from elsewhere must not point out of its folder."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of the snapshot must be."""

    bytes: int
    sha256: str


class EmbedderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The encoder whose vectors the snapshot holds."""

    name: str
    dim: int
    digest: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much the snapshot holds."""

    items: int
    items_without_text: int
    profiles: int
    events: int
    interests: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is, and the checksums of all it holds."""

    format_version: int
    version: str
    """`YYYYMMDDTHHMMSSZ-<8 hex>`: when it was built and the first digits of `digest`; sorts by age."""
    digest: str
    """sha256 of this manifest's JSON with `version` and `digest` empty."""
    workspace: str
    built_at: datetime
    as_of: datetime
    """The reference time that windows and decay count from, UTC."""
    timezone: str
    counts: Counts
    embedder: EmbedderInfo
    event_weights: dict[str, float]
    half_life_days: float
    item_index: str
    """Kind of index: flat or ivf."""
    interest_index: str
    files: dict[str, FileEntry]
    seconds: dict[str, float]
    """Seconds per stage of the build."""
    peak_bytes: dict[str, int] = {}
    """Largest resident memory of the building process so far, at the end of each stage.

    Pages of mapped files that were touched count too, though the kernel takes them back when it needs them.
    """
    item_index_info: IndexInfo | None = None
    """Size, parameters and measured recall."""
    interest_index_info: IndexInfo | None = None
    encoded: int | None = None
    """Items whose text was encoded for this snapshot; the others' vectors come from the one before."""


class _Format(msgspec.Struct):
    format_version: int


def seal(manifest: Manifest) -> Manifest:
    """Fill in `digest` and `version`."""
    digest = _digest(msgspec.to_builtins(manifest, builtin_types=(datetime,)))
    return msgspec.structs.replace(manifest, digest=digest, version=_stamp(manifest.built_at, digest))


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write a sealed manifest as `manifest.json`; raises `OSError`."""
    (folder / MANIFEST).write_bytes(_encode(manifest))


def read_manifest(folder: Path) -> Manifest:
    """Read and verify `manifest.json`.

    Raises `SnapshotMissing` without one, `SnapshotError` for a format this version does not know,
    `SnapshotCorrupt` when it is not what was sealed.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SnapshotMissing(
            f"No snapshot in {folder}: build one with `pitchwright index build`."
        ) from error
    return parse_manifest(data, str(folder))


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Verify the bytes of a `manifest.json`; `where` is what errors call the snapshot.

    Raises as `read_manifest` does. The digest is checked over the JSON as it stands, so that a manifest
    written before a field existed, or after, stays what was sealed.
    """
    try:
        found = msgspec.json.decode(data, type=_Format).format_version
        if found not in READABLE_FORMATS:
            raise SnapshotError(
                f"{where}: {MANIFEST} has format version {found}, this version reads "
                f"{', '.join(map(str, READABLE_FORMATS))}: rebuild the snapshot with `pitchwright index "
                "build`, or use the version that wrote it."
            )
        manifest = msgspec.json.decode(data, type=Manifest)
        content = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _corrupt(MANIFEST, where) from error
    sealed = _stamp(manifest.built_at, _digest(content)), _digest(content)
    if data != _encode(content) or (manifest.version, manifest.digest) != sealed:
        raise _corrupt(MANIFEST, where)
    if not all(_FILE_NAME.fullmatch(name) for name in manifest.files):
        raise _corrupt(MANIFEST, where)
    return manifest


def describe_files(folder: Path, report: Callable[[int, int], None] | None = None) -> dict[str, FileEntry]:
    """Measure every file of a folder being built; `report(bytes done, bytes in all)`."""
    sizes = {path: path.stat().st_size for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    total, done = sum(sizes.values()), 0
    entries: dict[str, FileEntry] = {}
    for path, size in sizes.items():
        if report is not None:
            report(done, total)
        entries[path.name] = FileEntry(bytes=size, sha256=_sha256(path))
        done += size
    if report is not None:
        report(done, total)
    return entries


def verify_files(manifest: Manifest, folder: Path) -> None:
    """Raise `SnapshotCorrupt` naming the first file that is missing or differs from the sealed one."""
    for name in manifest.files:
        verify_file(manifest, folder, name)


def verify_file(manifest: Manifest, folder: Path, name: str, where: str | None = None) -> None:
    """Check one file as `verify_files` does; `where` is what an error calls the snapshot."""
    path, entry = folder / name, manifest.files[name]
    if not path.is_file():
        raise SnapshotCorrupt(
            f"{where or folder.name}: the file {name!r} is missing. Build another with "
            "`pitchwright index build`."
        )
    if path.stat().st_size != entry.bytes or _sha256(path) != entry.sha256:
        raise _corrupt(name, where or folder.name)


def _corrupt(name: str, where: str) -> SnapshotCorrupt:
    return SnapshotCorrupt(
        f"{where}: the file {name!r} is not the one that was built (its bytes differ). "
        "Build another with `pitchwright index build`."
    )


def _stamp(built_at: datetime, digest: str) -> str:
    return f"{built_at.astimezone(UTC).strftime('%Y%m%dT%H%M%SZ')}-{digest[:8]}"


def _encode(content: Manifest | dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(_encode({**content, "version": "", "digest": ""})).hexdigest()


def _sha256(path: Path) -> str:
    """Hash a file's bytes, a buffer at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
