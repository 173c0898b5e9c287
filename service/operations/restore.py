"""A backup read back into an empty folder, believed only as far as its digests go.

An archive may come from anywhere: only plain files with the names of a backup are taken, each is written
where it belongs by us, and nothing stands at its place before everything is found to be whole.
"""

import asyncio
import hashlib
import os
import re
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import inspect
from sqlalchemy.engine import URL, make_url

from service.db import Database
from service.errors import BackupNotValid, Conflict, InvalidInput
from service.migrations.upgrade import check_schema
from service.operations.backup import MANIFEST, OWNER_ONLY, PIECE_BYTES, SNAPSHOTS, STORE, run_tool
from service.operations.model import BackedUpFile, BackupManifest
from service.settings import Settings

STAGING = ".restoring"
LARGEST_MANIFEST = 64 * 2**20
_NAME = re.compile(
    rf"{re.escape(MANIFEST)}|{'|'.join(map(re.escape, STORE.values()))}"
    rf"|{SNAPSHOTS}/[a-z0-9][a-z0-9_-]{{0,62}}/\d{{8}}T\d{{6}}Z-[0-9a-f]{{8}}(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+"
)
"""Names of a backup's files: no part of one can lead out of the folder."""


def restore_backup(settings: Settings, backup: Path, into: Path) -> BackupManifest:
    """Put a backup into `into`, which must be empty or not there, to be served with it as data folder.

    A store of PostgreSQL goes into the database that the settings name, which must be empty. Raises
    `BackupNotValid` for an archive that is damaged, cut off or none of ours, `DatabaseTooNew` for
    a newer program's, `Conflict` for a folder or database with something in it, and `OSError`. Blocks, and
    runs an event loop of its own.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise Conflict(f"{str(into)!r} is not an empty folder: name one that is, or that is not there yet")
    into.mkdir(parents=True, exist_ok=True)
    staging = into / STAGING
    try:
        staging.mkdir(mode=0o700)
        manifest = _unpack(backup, staging)
        if manifest.database == "postgresql":
            _fill(settings, staging / STORE["postgresql"])
        for found in sorted(staging.iterdir(), key=lambda each: each.is_file()):  # the store comes last
            found.rename(into / found.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _fill(settings: Settings, dump: Path) -> None:
    """Restore a dump into the settings' database, in one transaction."""
    store: URL = make_url(settings.store_url)
    if not store.get_backend_name().startswith("postgres"):
        raise InvalidInput(
            "this is the backup of a store in PostgreSQL: set PITCHWRIGHT_DATABASE_URL to an empty database"
        )
    if tables := asyncio.run(_tables(settings)):
        raise Conflict(
            f"the database of PITCHWRIGHT_DATABASE_URL has {tables} tables: name one that is empty"
        )
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    run_tool("pg_restore", store, *options, str(dump))
    dump.unlink()


async def _tables(settings: Settings) -> int:
    database = await Database.open(settings.store_url)
    try:
        async with database.read() as session:
            connection = await session.connection()
            return await connection.run_sync(lambda each: len(inspect(each).get_table_names()))
    finally:
        await database.close()


def _unpack(backup: Path, staging: Path) -> BackupManifest:
    found = dict[str, BackedUpFile]()
    manifest: BackupManifest | None = None
    try:
        with tarfile.open(backup, mode="r|gz") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or not _NAME.fullmatch(member.name) or member.name in found or manifest:
                    raise BackupNotValid(
                        f"{backup} holds {member.name!r}, which no backup does: do not use it"
                    )
                if member.name == MANIFEST and member.size <= LARGEST_MANIFEST:
                    manifest = msgspec.json.decode(content.read(), type=BackupManifest)
                else:
                    found[member.name] = _take(content, staging / member.name)
    except (tarfile.TarError, EOFError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackupNotValid(f"{backup} is no whole backup ({error}): use another one") from error
    if manifest is None:
        raise BackupNotValid(f"{backup} is cut off, it has no {MANIFEST}: use another one")
    check_schema(manifest.schema, str(backup))
    differing = sorted(name for name in found | manifest.files if found.get(name) != manifest.files.get(name))
    if differing:
        raise BackupNotValid(f"{backup}: {differing[0]} is not what was backed up: use another backup")
    if STORE[manifest.database] not in found:
        raise BackupNotValid(f"{backup} holds no {STORE[manifest.database]}: use another one")
    return manifest


def _take(content: IO[bytes], path: Path) -> BackedUpFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
        while piece := content.read(PIECE_BYTES):
            sha256.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return BackedUpFile(bytes=size, sha256=sha256.hexdigest())
