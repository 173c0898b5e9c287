"""Opening a database: durable, clear about what is wrong, quiet about passwords."""

import asyncio
import builtins
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.db import Database
from service.errors import DatabaseUnavailable, ExtraMissing, SettingsError
from service.runtime import open_runtime
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


async def test_sqlite_writes_ahead_enforces_foreign_keys_and_waits_for_its_turn(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path / 'new' / 'x.db'}")
    async with database.read() as session:
        found = [
            await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        ]
    await database.close()
    assert found == ["wal", 1, 2, 30_000]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:s3cret@h/x", "'mysql', which is not supported"),
        ("s3cret", "is no database URL"),
        ("sqlite://", "names no file"),
    ],
)
async def test_a_url_that_cannot_be_used_says_which_can(url: str, words: str):
    with pytest.raises(SettingsError, match=words) as caught:
        await Database.open(url)
    assert "sqlite:///PATH" in str(caught.value)
    assert "u:s3cret" not in str(caught.value)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_server_that_is_not_there_is_named_without_its_password(free_port: int):
    with pytest.raises(DatabaseUnavailable) as caught:
        await Database.open(f"postgresql://me:s3cret@127.0.0.1:{free_port}/shop")
    assert f"me:***@127.0.0.1:{free_port}/shop" in str(caught.value)
    assert "PITCHWRIGHT_DATABASE_URL" in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_without_the_driver_the_exact_install_command_is_said(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "asyncpg":
            raise ModuleNotFoundError("No module named 'asyncpg'", name="asyncpg")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    for module in [each for each in sys.modules if each.partition(".")[0] == "asyncpg"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ExtraMissing, match=r'pip install "pitchwright\[postgres\]"'):
        await Database.open("postgresql://me@127.0.0.1/shop")


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path):
    path = tmp_path / "notes.db"
    path.write_text("these are my notes, keep them " * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseUnavailable, match=r"notes\.db.*not a database"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match="PITCHWRIGHT_DATA_DIR"):
        async with open_runtime(Settings(data_dir=str(tmp_path / "file" / "var"))):
            pass


async def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    async with database.write() as session:
        await session.execute(text("CREATE TABLE t (x TEXT)"))
        await session.execute(text("INSERT INTO t VALUES ('kept')"))

    async def overfill() -> None:
        async with database.write() as session:
            await session.execute(text("PRAGMA max_page_count = 10"))
            await session.execute(text("INSERT INTO t VALUES (:x)"), {"x": "x" * 1_000_000})

    with pytest.raises(DatabaseUnavailable, match=r"full.*space left"):
        await overfill()
    async with database.read() as session:
        assert (await session.scalars(text("SELECT x FROM t"))).all() == ["kept"]
    await database.close()


WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from service.events.actions import record_events
from service.events.model import Event
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import ensure_workspace

async def main() -> None:
    async with open_runtime(Settings(data_dir=sys.argv[1])) as runtime:
        await ensure_workspace(runtime, "shop")
        now = datetime.now(UTC)
        for batch in range(100_000):
            rows = [
                Event(id=f"{batch}-{n}", profile_id=f"p{n}", type="view", occurred_at=now) for n in range(20)
            ]
            await record_events(runtime, "shop", rows)
            print(batch, flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    acknowledged = -1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged == 150:
                os.kill(writer.pid, signal.SIGKILL)
    assert acknowledged >= 150

    async def opens_again() -> None:
        async with open_runtime(Settings(data_dir=str(tmp_path))) as runtime:
            await runtime.database.ping()

    asyncio.run(opens_again())
    with sqlite3.connect(tmp_path / "pitchwright.db") as connection:
        whole = connection.execute("SELECT id FROM events").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ids = {row[0] for row in whole}
    assert {f"{batch}-{n}" for batch in range(acknowledged + 1) for n in range(20)} <= ids
    assert len(ids) % 20 == 0


async def test_rows_come_whole_and_in_order_however_many(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    try:
        for rows in (1, 99, 100, 101, 350):
            async with database.read() as session:
                found = await session.scalars(text(counting.format(rows)))
                assert found.all() == list(range(1, rows + 1))
                streamed = await session.stream_scalars(
                    text(counting.format(rows)), execution_options={"yield_per": 30}
                )
                assert [row async for row in streamed] == list(range(1, rows + 1))
        async with database.read() as session:
            assert await session.scalar(text("SELECT 1 WHERE 0")) is None
            with pytest.raises(OperationalError, match="no such table"):
                await session.execute(text("SELECT * FROM nowhere"))
    finally:
        await database.close()
