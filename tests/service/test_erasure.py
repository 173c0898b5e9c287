"""Erasure, on both stores, looked for afterwards in every table and every byte of every file."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import insert, select

from indexing.world import World
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.contact.actions import set_consents, suppress
from service.contact.shapes import ConsentFact, SuppressionEntry
from service.drafts.model import Draft
from service.drafts.store import DraftStore
from service.drafts.tables import DecisionRow
from service.errors import Gone, NotFound
from service.events.actions import record_events
from service.events.model import Event
from service.exports.actions import export_file, get_export, start_export
from service.migrations.schema import metadata
from service.privacy.access import access_archive
from service.privacy.actions import erase_now, get_erasure, list_erasures
from service.privacy.leftovers import blank_rejects
from service.privacy.subjects import subject_tables
from service.privacy.sweeping import sweep_files
from service.profiles.actions import (
    erase_profile,
    erased_profiles,
    upsert_profiles,
)
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.snapshots.world import read_world
from service.tracking.actions import receive
from service.tracking.model import Call, Message, Received
from service.tracking.translation import Arrival
from service.webhooks.actions import create_webhook
from service.workspaces.actions import create_workspace
from service.workspaces.model import Remembered
from service.workspaces.store import IdempotencyStore
from tests.contracts.stores import database_url as database_url
from tests.contracts.stores import store as store
from tests.contracts.test_store_rooms import draft
from tests.indexing.plain_embedder import PlainEmbedder

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHO, MAIL = "customer-quibbleworth", "quibbleworth@mail.example"
W = "shop"


class Clock:
    """Moves a second a look."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
async def runtime(
    database_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    monkeypatch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
    settings = Settings(
        data_dir=str(tmp_path / "var"),
        database_url=database_url,
        executor_threads=2,
        embedder="offline",
        snapshot_url=str(tmp_path / "bucket"),
    )
    async with open_runtime(settings, clock=Clock()) as opened:
        await create_workspace(opened, W)
        items = [Item(id=f"i{n}", title=title) for n, title in enumerate(("Garden trowel", "Seed tray"))]
        await upsert_items(opened, W, items)
        people = [Profile(id=f"p{n}") for n in range(3)]
        await upsert_profiles(opened, W, [*people, Profile(id=WHO, traits={"email": MAIL})])
        await record_events(opened, W, [event(n, WHO) for n in range(5)])
        await record_events(opened, W, [event(n, "p1") for n in range(5, 9)])
        yield opened


def event(number: int, profile: str) -> Event:
    return Event(
        id=f"e{number}",
        profile_id=profile,
        type="view" if number % 3 else "purchase",
        item_id=f"i{number % 2}",
        occurred_at=NOW - timedelta(days=number),
        properties={"mail": MAIL} if profile == WHO else {},
    )


async def leave_traces(runtime: Runtime) -> None:
    """Put the person into every place that holds people."""
    await set_consents(runtime, W, [ConsentFact(profile_id=WHO, channel="email", word="granted")])
    told = [
        SuppressionEntry(profile_id=WHO, reason="bounced"),
        SuppressionEntry(email=MAIL, reason="complaint"),
    ]
    await suppress(runtime, W, told)
    await create_segment(runtime, W, "alike", {"all": [{"similar_to": {"profiles": ["p1", WHO]}}]})
    written: Draft = draft(1, "For you", profile_id=WHO)
    decision: dict[str, Any] = {
        "draft_id": written.id,
        "variant_id": "v1",
        "number": 1,
        "verdict": "rejected",
    }
    decision |= {"reason": MAIL, "key_id": "k", "key_name": "k", "decided_at": NOW, "edit": {}}
    async with runtime.database.write() as session:
        await DraftStore(session, W).add(written)
        await session.execute(insert(DecisionRow).values(workspace_id=W, **decision))
        answers = IdempotencyStore(session, W)
        for key, body in (("k1", {"profile_id": WHO}), ("k2", {"profile_id": f"{WHO}-2"})):
            await answers.begin(key, "f", NOW)
            await answers.finish(key, Remembered(status=201, headers={}, body=msgspec.json.encode(body)))
    await create_webhook(runtime, W, "https://crm.example", ("segment.members_changed", "export.ready"))
    rejects = Path(runtime.settings.data_dir) / "imports" / W / "20260301T000000Z" / "rejects.jsonl"
    rejects.parent.mkdir(parents=True)
    line = {"kind": "events", "file": "e.csv", "reason": "no such item"}
    lines = [{**line, "line": 0, "raw": {"who": WHO, "mail": MAIL}}, {**line, "line": 1, "raw": ["p1"]}]
    rejects.write_bytes(msgspec.json.Encoder().encode_lines(lines))
    for _ in range(2):  # an older snapshot, and one that a page holds on to
        await build_snapshot(runtime, W)
    shelf = runtime.snapshots.shelf(W)
    shelf.lease(shelf.list()[0], until=runtime.now() + timedelta(days=1))


def files(*folders: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def places(*folders: Path, needle: bytes) -> list[str]:
    return [path.name for path, content in files(*folders).items() if needle in content]


async def test_nothing_is_left_in_any_table_or_any_byte_of_any_file(runtime: Runtime, tmp_path: Path):
    await leave_traces(runtime)
    snapshot = await runtime.snapshot(W)
    row = snapshot.profiles["id"].to_list().index(WHO)
    start, stop = snapshot.interests.offsets[row : row + 2]
    vectors = [np.array(each).tobytes() for each in snapshot.interests.vectors[start:stop]]
    needles = [WHO.encode(), MAIL.encode(), *vectors]
    assert vectors
    for needle in (
        WHO.encode() + b'"',
        MAIL.encode(),
        *vectors,
    ):  # so that finding nothing later means something
        assert places(tmp_path, needle=needle)

    receipt = await erase_now(runtime, W, WHO)

    found = {each.where: each.count for each in receipt.removed}
    assert found.pop("store.idempotency_keys") == 1
    for table in ("consents", "suppressions", "drafts", "draft_decisions", "profiles", "segment_versions"):
        assert found.pop(f"store.{table}") == 1, table
    assert found == {
        "store.events": 5,
        "files.import_rejects": 1,
        "files.snapshots": 2,
        "files.snapshots_at_url": 2,
    }
    assert receipt.completed_at is not None
    assert WHO not in msgspec.json.encode(receipt).decode()
    for needle in needles:
        left = [
            each for each in files(tmp_path).values() if needle in each.replace(WHO.encode() + b"-2", b"")
        ]
        assert not left
    async with runtime.database.read() as session:
        for table in metadata.sorted_tables:
            rows = str((await session.execute(select(table))).all()).replace(f"{WHO}-2", "")
            assert WHO not in rows, table.name
            assert MAIL not in rows, table.name
    lines = (
        (tmp_path / "var" / "imports" / W / "20260301T000000Z" / "rejects.jsonl").read_bytes().splitlines()
    )
    assert [msgspec.json.decode(line)["line"] for line in lines] == [0, 1]
    assert msgspec.json.decode(lines[0])["reason"] == "erased"


async def test_every_table_that_names_profiles_is_known_to_be_about_them():
    names = {each.table.name for each in subject_tables()}
    assert {"profiles", "events", "consents", "suppressions", "drafts", "draft_decisions"} <= names
    assert names >= {table.name for table in metadata.sorted_tables if "profile_id" in table.c}


async def test_the_receipt_waits_for_a_snapshot_and_is_found_by_id_only(runtime: Runtime):
    await build_snapshot(runtime, W)
    receipt = await erase_profile(runtime, W, WHO)
    assert receipt.completed_at is None
    built_at = (await runtime.snapshot(W)).manifest.built_at
    assert await erased_profiles(runtime, W, [WHO, "p1"], since=built_at) == {WHO}
    assert [each.id for each in await sweep_files(runtime, W)] == [receipt.id]
    await build_snapshot(runtime, W)
    completed = await get_erasure(runtime, W, receipt.id)
    assert completed.completed_at is not None
    assert await erase_profile(runtime, W, WHO) == completed
    assert await erase_now(runtime, W, WHO) == completed
    assert (await list_erasures(runtime, W, profile_id=WHO)).rows == (completed,)
    assert (await list_erasures(runtime, W, profile_id="p1")).rows == ()
    assert (await list_erasures(runtime, W)).rows == (completed,)
    with pytest.raises(NotFound, match="no erasure 'x'"):
        await get_erasure(runtime, W, "x")


async def test_exports_that_may_name_the_person_are_removed(runtime: Runtime, tmp_path: Path):
    await create_segment(runtime, W, "all", {"trait": "email", "op": "exists", "value": True})
    await build_snapshot(runtime, W)
    export = await start_export(runtime, W, "all", "ndjson")
    for _ in range(500):
        if (await get_export(runtime, W, export.id)).status == "ready":
            break
        await asyncio.sleep(0.01)
    assert (await export_file(runtime, W, export.id))[0].count == 1
    late = await start_export(runtime, W, "all", "csv")
    receipt = await erase_now(runtime, W, WHO)
    assert "files.exports" in {each.where for each in receipt.removed}
    await asyncio.sleep(0.2)
    assert not [file for file in (tmp_path / "var" / "exports").rglob("*") if file.is_file()]
    for each in (export, late):
        with pytest.raises(Gone):
            await export_file(runtime, W, each.id)


async def test_whoever_was_erased_during_a_build_waits_for_the_next_one(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    async def read_then_erase(*asked: Any) -> World:
        world = await read_world(*asked)
        await erase_profile(runtime, W, WHO)
        return world

    monkeypatch.setattr("service.snapshots.actions.read_world", read_then_erase)
    await build_snapshot(runtime, W)
    (waiting,) = (await list_erasures(runtime, W)).rows
    assert waiting.completed_at is None
    assert WHO in (await runtime.snapshot(W)).profiles["id"].to_list()
    built_at = (await runtime.snapshot(W)).manifest.built_at
    assert await erased_profiles(runtime, W, [WHO], since=built_at) == {WHO}


async def test_an_archive_holds_every_row_and_what_was_worked_out(runtime: Runtime):
    await leave_traces(runtime)
    with zipfile.ZipFile(io.BytesIO(await access_archive(runtime, W, WHO))) as archive:
        found = {name.removesuffix(".json"): json.loads(archive.read(name)) for name in archive.namelist()}
    assert {each.table.name for each in subject_tables()} <= set(found)
    assert set(found["about"]["files"]) == set(found) - {"about"}
    assert found["profiles"][0]["traits"] == {"email": MAIL}
    assert [row["id"] for row in found["events"]] == ["e0", "e1", "e2", "e3", "e4"]
    assert found["draft_decisions"][0]["reason"] == MAIL
    assert found["suppressions"][0]["reason"] == "bounced"
    assert [row["reason"] for row in found["suppressed_addresses"]] == ["complaint"]
    assert len(found["snapshot"]["interests"][0]["vector"]) == PlainEmbedder().dim
    assert sum(each["share"] for each in found["snapshot"]["interests"]) == pytest.approx(1)
    assert {each["item_id"] for each in found["snapshot"]["tastes"]} == {"i0", "i1"}
    assert "p1" not in json.dumps({name: rows for name, rows in found.items() if name != "segments"})
    with pytest.raises(NotFound):
        await access_archive(runtime, W, "nobody")


async def test_whoever_came_under_several_ids_is_exported_and_erased_as_one(runtime: Runtime, tmp_path: Path):
    device = "device-of-quibbleworth"
    await build_snapshot(runtime, W)
    ids = {"previousId": device, "userId": WHO, "timestamp": NOW.isoformat()}
    odd = {"userId": WHO, "messageId": f"of {device}", "event": "view", "properties": {"quantity": "x"}}
    await suppress(runtime, W, [SuppressionEntry(profile_id=device, reason="spam")])
    await send(runtime, ("track", {"anonymousId": device, "event": "view"}), ("alias", ids), ("track", odd))
    line = {"kind": "events", "file": "e.csv", "line": 0, "reason": "no such item", "raw": [device, "x" * 99]}
    rejects = tmp_path / "var" / "imports" / W / "20260301T000000Z" / "rejects.jsonl"
    rejects.parent.mkdir(parents=True)
    rejects.write_bytes(msgspec.json.Encoder().encode_lines([line]))
    with zipfile.ZipFile(io.BytesIO(await access_archive(runtime, W, device))) as archive:
        found = {name.removesuffix(".json"): json.loads(archive.read(name)) for name in archive.namelist()}
    assert {row["id"] for row in found["profiles"]} == {WHO, device}
    assert {row["profile_id"] for row in found["suppressions"]} == {WHO, device}
    assert len(found["events"]) == 7
    assert found["snapshot"]["tastes"]
    assert device.encode() in rejects.read_bytes()

    receipt = await erase_now(runtime, W, device)

    counts = {each.where: each.count for each in receipt.removed}
    assert (counts["store.events"], counts["store.profiles"], counts["store.suppressions"]) == (7, 2, 2)
    assert (counts["store.findings"], counts["files.import_rejects"]) == (1, 1)
    assert len(receipt.subjects) == 2
    assert receipt.completed_at is not None
    assert [await erase_profile(runtime, W, each) for each in (WHO, device)] == [receipt, receipt]
    for needle in (WHO.encode(), device.encode(), MAIL.encode()):
        assert not places(tmp_path, needle=needle)
    told: list[tuple[Call, dict[str, Any]]] = [
        ("track", {"anonymousId": device, "event": "view"}),
        ("alias", ids),
        ("identify", {"userId": WHO}),
    ]
    refused = await send(runtime, *told)
    assert [each.reason.split(" ", 2)[2] for each in refused.rejects] == [
        "was erased and does not come back"
    ] * 3


async def send(runtime: Runtime, *calls: tuple[Call, dict[str, Any]]) -> Received:
    messages: list[tuple[int, Call, Message]] = [
        (place, call, msgspec.convert({"timestamp": NOW.isoformat(), **fields}, Message))
        for place, (call, fields) in enumerate(calls)
    ]
    return await receive(runtime, W, "test", messages, Arrival(received_at=runtime.now()))


async def test_an_archive_is_there_before_any_snapshot(runtime: Runtime):
    with zipfile.ZipFile(io.BytesIO(await access_archive(runtime, W, WHO))) as archive:
        assert "snapshot.json" not in archive.namelist()
        assert len(json.loads(archive.read("events.json"))) == 5


def test_only_lines_that_name_the_person_are_blanked(tmp_path: Path):
    path = tmp_path / "t" / "rejects.jsonl"
    path.parent.mkdir()
    lines = [b'{"raw":["p-1"]}', b'{"raw":["p-17"]}', b'{"raw":["xp-1"]}', b'{"reason":"item \'P-1\'"}']
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert blank_rejects(tmp_path, "p-1") == 2
    left = path.read_bytes().splitlines()
    assert left[1:3] == lines[1:3]
    assert [len(line) for line in left] == [len(line) for line in lines]
    assert not left[0].strip()
    assert blank_rejects(tmp_path / "nothing", "p-1") == 0
