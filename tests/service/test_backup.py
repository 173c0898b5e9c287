"""Backups: what comes back is what was there, and only ever from an archive that is whole and ours."""

import asyncio
import gzip
import io
import json
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.cli import invoke
from service.migrations.upgrade import newest_schema
from service.profiles.actions import get_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.segments.actions import create_segment
from service.segments.members import list_members
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace
from tests.indexing.plain_embedder import PlainEmbedder

KEY = "A" * 43 + "="
SECRET = "ana@example.org"
ANOTHER = (
    "INSERT INTO workspaces SELECT 'w' || ?, name, timezone, reference_time, currency, event_weights, brand, "
    "retention_days, contact, events_removed_at, created_at FROM workspaces WHERE id = 'default'"
)
"""Another workspace."""


def rows(store: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with sqlite3.connect(store) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        query = "SELECT * FROM {}"  # of tables this program made
        found = {name: sorted(opened.execute(query.format(name)), key=repr) for name in tables}
    opened.close()
    return found


async def answers(settings: Settings) -> list[Any]:
    """What serving says of a profile and of a segment's members."""
    async with open_runtime(settings) as runtime:
        page = await list_members(runtime, "default", "gold")
        assert [each.profile_id for each in page.members] == ["p-0", "p-1"]
        return [await get_profile(runtime, "default", "p-0"), page]


def furnished(settings: Settings) -> None:
    async def furnish() -> None:
        async with open_runtime(settings) as runtime:
            await create_workspace(runtime, "default")
            await upsert_items(runtime, "default", [Item(id="i", title="Garden trowel")])
            traits: list[dict[str, Any]] = [
                {"plan": "gold", "email": SECRET},
                {"plan": "gold"},
                {"plan": "free"},
            ]
            people = [Profile(id=f"p-{place}", traits=each) for place, each in enumerate(traits)]
            await upsert_profiles(runtime, "default", people)
            await create_segment(runtime, "default", "gold", {"trait": "plan", "value": "gold"})
            await build_snapshot(runtime, "default")

    asyncio.run(furnish())


def settings_of(folder: Path) -> Settings:
    return Settings(data_dir=str(folder), executor_threads=1, trait_keys=(KEY,), encrypted_traits=("email",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, made once."""
    folder = tmp_path_factory.mktemp("made") / "var"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
        furnished(settings_of(folder))
    return folder


@pytest.fixture
def settings(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    shutil.copytree(made, tmp_path / "var")
    monkeypatch.setenv("PITCHWRIGHT_TRAIT_KEYS", KEY)
    monkeypatch.setenv("PITCHWRIGHT_ENCRYPTED_TRAITS", "email")
    monkeypatch.chdir(tmp_path)
    return settings_of(tmp_path / "var")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = invoke(arguments)
    return code, capsys.readouterr().err


def test_a_backup_taken_while_writing_comes_back_row_for_row_and_answers_alike(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store, backup, again = tmp_path / "var" / "pitchwright.db", tmp_path / "b.tar.gz", tmp_path / "again"
    stop, written = threading.Event(), [0]

    def write() -> None:
        with sqlite3.connect(store, timeout=30) as busy:
            while not stop.is_set():
                busy.execute(ANOTHER, (written[0],))
                busy.commit()
                written[0] += 1
        busy.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not written[0]:
            pass
        assert invoke(["--data-dir", str(tmp_path / "var"), "backup", "--out", str(backup), "--json"]) == 0
    finally:
        stop.set()
        writer.join()
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    assert backup.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir() if "b.tar" in each.name] == ["b.tar.gz"]
    code, message = told(capsys, "restore", str(backup), "--into", str(again))
    assert code == 0
    assert f"needs PITCHWRIGHT_TRAIT_KEYS with {manifest['trait_keys'][0]}" in message
    found, expected = rows(again / "pitchwright.db"), rows(store)
    names, ever = ({row[0] for row in each.pop("workspaces")} for each in (found, expected))
    assert names == {"default", *(f"w{each}" for each in range(len(names) - 1))} <= ever
    assert found == expected
    assert found["profiles"]
    there = msgspec.structs.replace(settings, data_dir=str(again))
    assert asyncio.run(answers(there)) == asyncio.run(answers(settings))
    raw = gzip.decompress(backup.read_bytes())
    assert SECRET.encode() not in raw
    assert KEY.encode() not in raw


def archive_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def linking(name: str, kind: bytes, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


SNAPSHOT = "snapshots/default/20261126T120000Z-3fa9c1d2"


@pytest.mark.parametrize(
    "member",
    [
        (tarfile.TarInfo("../escaped"), b"x"),
        (tarfile.TarInfo("/escaped"), b"x"),
        (tarfile.TarInfo(f"{SNAPSHOT}/../../../../escaped"), b"x"),
        (tarfile.TarInfo(f"{SNAPSHOT}/.leases"), b"x"),
        (tarfile.TarInfo("pitchwright.toml"), b"x"),
        (tarfile.TarInfo("pitchwright.db\n"), b"x"),
        linking("pitchwright.db", tarfile.SYMTYPE, "/etc/passwd"),
        linking("pitchwright.db", tarfile.LNKTYPE, "/etc/passwd"),
        linking(SNAPSHOT, tarfile.DIRTYPE, ""),
        linking("pitchwright.db", tarfile.FIFOTYPE, ""),
        linking("pitchwright.db", tarfile.CHRTYPE, ""),
    ],
    ids=lambda member: member[0].name.strip() + member[0].type.decode(),
)
def test_no_member_leaves_the_folder_and_only_plain_files_are_taken(
    member: tuple[tarfile.TarInfo, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = archive_of(inside / "bad.tar.gz", member)
    code, message = told(capsys, "restore", str(archive), "--into", str(inside / "data"))
    assert code == 2
    assert "which no backup does" in message
    assert list((inside / "data").iterdir()) == []
    assert [each.name for each in tmp_path.rglob("*escaped*")] == []
    assert not Path("/escaped").exists()


def repacked(backup: Path, out: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    kept = list[tuple[tarfile.TarInfo, bytes]]()
    with tarfile.open(backup) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            if (changed := change(member.name, content.read())) is not None:
                kept.append((member, changed))
    return archive_of(out, *kept)


@pytest.mark.slow
def test_what_is_not_whole_is_refused_and_leaves_nothing(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    backup, into = tmp_path / "b.tar.gz", tmp_path / "again"
    assert told(capsys, "--data-dir", settings.data_dir, "backup", "--out", str(backup))[0] == 0

    def restored(archive: Path) -> tuple[int, str]:
        code, message = told(capsys, "restore", str(archive), "--into", str(into))
        assert list(into.iterdir()) == []
        return code, message

    def flipped(name: str, content: bytes) -> bytes:
        return content[:-1] + bytes([content[-1] ^ 1]) if name.endswith("item_vectors.npy") else content

    def left_out(name: str, content: bytes) -> bytes | None:
        return None if name.endswith("item_vectors.npy") else content

    def ahead(name: str, content: bytes) -> bytes:
        newest = f'"{newest_schema()}"'.encode()
        return content.replace(newest, b'"9999"') if name == "manifest.json" else content

    def doubled(name: str, content: bytes) -> bytes:
        return content + content if name == "manifest.json" else content

    for change in (flipped, left_out):
        code, message = restored(repacked(backup, tmp_path / "bad", change))
        assert (code, "item_vectors.npy is not what was backed up" in message) == (2, True)
    code, message = restored(repacked(backup, tmp_path / "bad", ahead))
    assert (code, "install the newer" in message) == (3, True)
    assert restored(repacked(backup, tmp_path / "bad", doubled))[0] == 2
    whole = backup.read_bytes()
    for cut in (0, 5, len(whole) // 2, len(whole) - 200):
        (tmp_path / "cut").write_bytes(whole[:cut])
        code, message = restored(tmp_path / "cut")
        assert code == 2, (cut, message)
        assert "use another one" in message
    (into / "mine").touch()
    code, message = told(capsys, "restore", str(backup), "--into", str(into))
    assert (code, "is not an empty folder" in message) == (2, True)


def test_a_backup_that_fails_leaves_the_one_before(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    backup = tmp_path / "b.tar.gz"
    backup.write_text("the one before")
    code, message = told(capsys, "--data-dir", str(tmp_path / "nowhere"), "backup", "--out", str(backup))
    assert (code, "there is no store" in message) == (2, True)
    assert not (tmp_path / "nowhere").exists()
    store = tmp_path / "var" / "pitchwright.db"
    content = bytearray(store.read_bytes())
    content[4096 * 3 :] = bytes(len(content) - 4096 * 3)
    store.write_bytes(content)
    code, message = told(capsys, "--data-dir", settings.data_dir, "backup", "--out", str(backup))
    assert code == 3, message
    assert backup.read_text() == "the one before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.tar.gz", "var"]
