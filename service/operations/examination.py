"""The doctor's examination: everything the service needs, looked at without changing any of it.

Unlike the start of any other command it neither makes the data folder nor brings the schema up to date: a
look must be safe beside a service of another version.
"""

import asyncio
import importlib.metadata
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import text

from eval.errors import EvalError
from eval.figures import version
from indexing.errors import IndexingError, SnapshotMissing
from prompts.errors import EngineError
from service.db import Database
from service.errors import ServiceError
from service.health import staleness
from service.migrations.upgrade import check_schema, current_schema, newest_schema
from service.operations.engine_check import check_engines
from service.operations.model import Check, CheckStatus, failed
from service.profiles.sealing import missing_keys
from service.runtime import Runtime, utc_now
from service.settings import Settings, shown_value
from service.snapshots.store import last_change
from service.sqlite import sqlite_file
from service.vault import Vault, locked
from service.workspaces.actions import list_all_workspaces

if TYPE_CHECKING:
    from indexing.embedder import Embedder

LITTLE_BYTES, LEAST_BYTES = 2**30, 100 * 2**20
"""Free disk below which the doctor warns, and below which a snapshot or a transaction soon fails."""
APART_WARNING, APART_FAILED = timedelta(seconds=5), timedelta(seconds=30)
"""Clocks of two machines this far apart: leases are of 60 s, and what is dated ahead is refused."""
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows less."""
LATEST_YEARS = timedelta(days=36500)
LIBRARIES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "litestar",
    "sqlalchemy",
    "granian",
)

EXPECTED = (ServiceError, EngineError, IndexingError, EvalError, OSError)
"""What a check may raise: it is what is wrong, and its message says what to do."""


async def examine(settings: Settings) -> AsyncGenerator[Check]:
    """Look at everything these settings name, one check after the other."""
    yield _settings_check(settings)
    yield await asyncio.to_thread(_folder_check, settings)
    yield _clock_check(utc_now())
    check, embedder = await _encoder_check(settings)
    yield check
    async for check in _store_checks(settings, embedder):
        yield check
    async for check in check_engines(settings):
        yield check
    yield _versions_check()


def _settings_check(settings: Settings) -> Check:
    usual = Settings()
    changed = [
        f"{name}={shown_value(name, value)}"
        for name, value in msgspec.structs.asdict(settings).items()
        if value != getattr(usual, name)
    ]
    return Check(name="settings", status="ok", detail=", ".join(changed) or "all as they come")


def _folder_check(settings: Settings) -> Check:
    folder = Path(settings.data_dir).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(
            name="data folder",
            status="failed",
            detail=f"nothing can be written in {there} ({error.strerror}): set PITCHWRIGHT_DATA_DIR to a "
            "folder you may write to, or give this user the right",
        )
    store = sqlite_file(settings.store_url)
    wanted = max(LITTLE_BYTES, 2 * store.stat().st_size if store is not None and store.exists() else 0)
    room = f"{free / 2**30:,.1f} GiB free"
    status: CheckStatus = "ok" if free >= wanted else "warning" if free >= LEAST_BYTES else "failed"
    if status != "ok":
        room += f", less than the {wanted / 2**30:,.1f} GiB that snapshots and a store written anew may need"
        room += ": make room, or move the data folder"
    made = "writable" if there == folder else f"not there yet, will be made in {there}"
    return Check(name="data folder", status=status, detail=f"{folder}, {made}; {room}")


def _clock_check(now: datetime) -> Check:
    if not EARLIEST <= now <= EARLIEST + LATEST_YEARS:
        return Check(
            name="clock",
            status="failed",
            detail=f"this machine says {now:%Y-%m-%d %H:%M} UTC, which cannot be: set it, as by NTP",
        )
    return Check(name="clock", status="ok", detail=f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _versions_check() -> Check:
    found = [f"pitchwright {version()}", f"Python {platform.python_version()}"]
    found += [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return Check(name="versions", status="ok", detail=", ".join([*found, f"SQLite {sqlite3.sqlite_version}"]))


async def _store_checks(settings: Settings, embedder: "Embedder | None") -> AsyncGenerator[Check]:
    file = sqlite_file(settings.store_url)
    if file is not None and not file.exists():
        detail = f"no store at {file} yet: `pitchwright serve`, or any command that stores, makes it"
        yield Check(name="store", status="warning", detail=detail)
        return
    try:
        vault = Vault(settings.trait_keys, settings.encrypted_traits)
        database = await Database.open(settings.store_url, vault)
    except EXPECTED as error:
        yield failed("store", error)
        return
    runtime = Runtime(settings, database, utc_now, vault)
    try:
        check = await _schema_check(database)
        yield check
        if database.dialect == "postgresql":
            yield await _apart_check(database)
        if check.status == "ok":
            async for each in _content_checks(runtime, embedder):
                yield each
    except EXPECTED as error:
        yield failed("store", error)
    finally:
        await runtime.close()


async def _schema_check(database: Database) -> Check:
    async with database.read() as session:
        connection = await session.connection()
        schema = await connection.run_sync(current_schema)
        check_schema(schema, "the database")
        server = await session.scalar(text("SHOW server_version")) if database.dialect == "postgresql" else ""
    where = f"{database.url}, {database.dialect}{f' {server}' if server else ''}"
    if schema == newest_schema():
        return Check(name="store", status="ok", detail=f"{where}, schema {schema}")
    detail = (
        f"{where} has schema {schema or 'none'}, this program's is {newest_schema()}: make a backup; the "
    )
    detail += "next `serve` or other command brings it up to date"
    return Check(name="store", status="warning", detail=detail)


async def _apart_check(database: Database) -> Check:
    """Hold the store's clock against this machine's, which must agree wherever several share a store."""
    async with database.read() as session:
        await session.scalar(text("SELECT 1"))  # connects, so that only the question is timed
        before = utc_now()
        theirs: datetime = await session.scalar(text("SELECT clock_timestamp()")) or before
        after = utc_now()
    apart = abs(theirs - (before + (after - before) / 2))
    detail = f"{apart.total_seconds():.3f} s apart"
    if apart <= APART_WARNING:
        return Check(name="clock of the store", status="ok", detail=detail)
    detail += ": leases and times of events need clocks that agree, set both by NTP"
    status: CheckStatus = "warning" if apart <= APART_FAILED else "failed"
    return Check(name="clock of the store", status=status, detail=detail)


async def _encoder_check(settings: Settings) -> "tuple[Check, Embedder | None]":
    """Load the sentence encoder, which holds its files against their digest, and encode one sentence.

    Without the cache of encodings: a sentence that lies in it says nothing of the model.
    """
    from indexing.sentence import load_embedder

    try:
        embedder = await asyncio.to_thread(load_embedder, settings.embedder)
        vectors = await asyncio.to_thread(embedder.encode, ["A garden trowel for small hands."])
    except EXPECTED as error:
        return failed("encoder", error), None
    found = f"{embedder.name}, {vectors.shape[1]} dimensions, weights {embedder.digest}"
    return Check(name="encoder", status="ok", detail=found), embedder


async def _content_checks(runtime: Runtime, embedder: "Embedder | None") -> AsyncGenerator[Check]:
    """Look at what lies in a store whose schema is this program's."""
    if missing := await missing_keys(runtime):
        yield Check(name="trait keys", status="failed", detail=locked(missing))
    for workspace in await list_all_workspaces(runtime):
        name = f"snapshot of {workspace.id}"
        async with runtime.database.read() as session:
            changed = await last_change(session, workspace.id)
        if changed is not None and changed - runtime.now() > APART_WARNING:
            detail = f"{workspace.id} was changed at {changed:%Y-%m-%d %H:%M:%S} UTC, which is yet to come: "
            detail += "this clock, or another machine's, is or was wrong"
            yield Check(name="dates", status="warning", detail=detail)
        try:
            snapshot = await runtime.snapshot(workspace.id)
        except SnapshotMissing:
            if changed is not None:
                detail = "none yet: `serve` builds one by itself, `pitchwright index build` now"
                yield Check(name=name, status="warning", detail=detail)
        except EXPECTED as error:
            yield failed(name, error)
        else:
            age = runtime.now() - snapshot.manifest.built_at
            stale = "; ".join(staleness(runtime, snapshot, embedder))
            detail = (
                f"{stale}: `serve` or `pitchwright index build` makes a newer one"
                if stale
                else (
                    f"{snapshot.version}, {age.total_seconds() / 3600:,.1f} h old, files as their digests say"
                )
            )
            yield Check(name=name, status="warning" if stale else "ok", detail=detail)
