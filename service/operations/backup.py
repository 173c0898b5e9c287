"""A backup: one archive of the store as it is at one moment, and of the snapshots, made while serving.

The archive is a tar of plain files, compressed by gzip, written beside its name and renamed when it is whole.
Its last member is `manifest.json` with the digest of every other, so one that was cut off cannot be taken for
whole. What can be made anew is left out: exports, caches and rejected rows of imports.
"""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL, make_url

from eval.figures import version
from indexing.shelf import SnapshotShelf
from service.db import Database
from service.errors import DatabaseUnavailable, ExtraMissing, NotFound
from service.migrations.upgrade import current_schema
from service.operations.model import BackedUpFile, BackupManifest
from service.profiles.tables import TraitKeyRow
from service.settings import Settings
from service.sqlite import sqlite_file

MANIFEST = "manifest.json"
STORE = {"sqlite": "pitchwright.db", "postgresql": "pitchwright.dump"}
"""The store's name in the archive: the file itself, or what `pg_dump --format=custom` writes."""
SNAPSHOTS = "snapshots"
COMPRESSION = 1
"""Of gzip: vectors hardly become smaller, and a backup should not take the service's processor for long."""
OWNER_ONLY = 0o600
PIECE_BYTES = 1 << 20
POSTGRES = Path("/usr/lib/postgresql")
"""Where Debian keeps PostgreSQL's tools, a folder for each version; the newest reads older servers."""


async def make_backup(settings: Settings, out: Path, now: datetime) -> BackupManifest:
    """Write a backup to `out`, which is replaced only by a whole one, readable by its owner alone.

    The schema is left as it is: a backup comes before an upgrade. Raises `NotFound` where there is no store
    yet, `DatabaseUnavailable` for one that cannot be copied or is damaged, `ExtraMissing` where PostgreSQL's
    tools are not installed, and `OSError` for a folder or disk that takes no more.
    """
    file = sqlite_file(settings.store_url)
    if file is not None and not file.exists():
        raise NotFound(f"there is no store at {file} to back up: check PITCHWRIGHT_DATA_DIR")
    database = await Database.open(settings.store_url)
    try:
        async with database.read() as session:
            schema, keys = await (await session.connection()).run_sync(_state)
    finally:
        await database.close()
    if schema is None:
        raise NotFound(f"the store at {database.url} is empty, there is nothing to back up")
    manifest = BackupManifest(
        made_at=now,
        version=version(),
        database="sqlite" if file else "postgresql",
        schema=schema,
        trait_keys=keys,
        files={},
    )
    return await asyncio.to_thread(_write, settings, out, manifest)


def _state(connection: Connection) -> tuple[str | None, tuple[str, ...]]:
    """Return a store's schema and the fingerprints of the keys its traits are encrypted with."""
    keys = TraitKeyRow.__tablename__
    held = inspect(connection).has_table(keys)
    query = text(f"SELECT fingerprint FROM {keys} ORDER BY fingerprint")  # noqa: S608 -- a table of ours
    return current_schema(connection), tuple(connection.execute(query).scalars()) if held else ()


def _write(settings: Settings, out: Path, manifest: BackupManifest) -> BackupManifest:
    store = make_url(settings.store_url)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.part")
    try:
        with (
            tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder,
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "wb") as file,
        ):
            copy = Path(folder, STORE[manifest.database])
            if manifest.database == "sqlite":
                copy_sqlite(store, copy)
            else:
                dump_postgres(store, copy)
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION) as archive:
                with copy.open("rb") as opened:
                    manifest.files[copy.name] = _add(archive, copy.name, opened)
                for workspace in sorted(settings.snapshots_folder.glob("*/")):
                    for snapshot in SnapshotShelf(workspace).list():
                        name = f"{SNAPSHOTS}/{workspace.name}/{snapshot}"
                        manifest.files.update(_add_snapshot(archive, workspace / snapshot, name))
                _add(archive, MANIFEST, BytesIO(msgspec.json.format(msgspec.json.encode(manifest), indent=1)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _add_snapshot(archive: tarfile.TarFile, folder: Path, name: str) -> dict[str, BackedUpFile]:
    """Add a snapshot's files; one that is swept before all of them are open is left out whole."""
    with _opened(folder) as files:
        return {f"{name}/{each}": _add(archive, f"{name}/{each}", opened) for each, opened in files.items()}


@contextmanager
def _opened(folder: Path) -> Generator[Mapping[str, IO[bytes]]]:
    """Open every file of a snapshot: what is open stays readable when its name goes."""
    with ExitStack() as stack:
        files = dict[str, IO[bytes]]()
        try:
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                files[path.relative_to(folder).as_posix()] = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            files = {}
        # Sweeping takes the folder's name away before its files: while it is there, none was missing.
        yield files if folder.is_dir() else {}


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.sha256.update(piece)
        return piece


def _add(archive: tarfile.TarFile, name: str, file: IO[bytes]) -> BackedUpFile:
    member = tarfile.TarInfo(name)
    member.size, member.mode = file.seek(0, os.SEEK_END), OWNER_ONLY
    file.seek(0)
    hashing = _Hashing(file)
    archive.addfile(member, hashing)
    return BackedUpFile(bytes=member.size, sha256=hashing.sha256.hexdigest())


def copy_sqlite(store: URL, copy: Path) -> None:
    """Copy the file as it is at one moment, by SQLite's online backup: writers go on beside it."""
    try:
        with (
            closing(sqlite3.connect(str(store.database))) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)  # in one step: a reader's view of one moment, in WAL mode beside writers
            target.execute("PRAGMA journal_mode=DELETE")  # the copy is one file
            found = target.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise DatabaseUnavailable(
            f"the store cannot be copied ({error}): put it right from a backup"
        ) from error
    if found != "ok":
        raise DatabaseUnavailable(f"the store is damaged ({found}): put it right from an earlier backup")


def dump_postgres(store: URL, dump: Path) -> None:
    """Have `pg_dump` write the database as it is at one moment."""
    run_tool("pg_dump", store, "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")


def run_tool(name: str, store: URL, *options: str) -> None:
    """Run one of PostgreSQL's tools on a database; its password travels in the environment.

    Raises `ExtraMissing` when it is not installed, and `DatabaseUnavailable` with what it says.
    """
    installed = sorted(POSTGRES.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    tool = str(installed[-1]) if installed else shutil.which(name)
    if tool is None:
        raise ExtraMissing(f"{name} is not installed: install PostgreSQL's client (apt: postgresql-client)")
    query = {"sslmode" if key == "ssl" else key: value for key, value in store.query.items()}
    url = URL.create("postgresql", store.username, None, store.host, store.port, store.database, query)
    environment = {**os.environ, **({"PGPASSWORD": str(store.password)} if store.password else {})}
    command = [tool, *options, f"--dbname={url.render_as_string(hide_password=False)}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise DatabaseUnavailable(f"{name} failed: {' '.join(done.stderr.split()) or done.returncode}")
