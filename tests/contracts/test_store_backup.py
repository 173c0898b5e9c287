"""A store in PostgreSQL backed up and put into an empty database."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from service.cli import invoke
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace

pytestmark = pytest.mark.postgres


async def every_row(url: str) -> dict[str, list[Any]]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name: sorted(map(repr, await connection.fetch(f'SELECT * FROM "{name}"')))  # noqa: S608 -- our own
            for (name,) in tables
        }
    finally:
        await connection.close()


async def another(url: str) -> str:
    """Make an empty database beside the one of the URL."""
    name = f"t{uuid4().hex}"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    head, _, host = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{host}"


def test_every_row_comes_back_into_an_empty_database_and_no_other(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def furnish() -> None:
        settings = Settings(data_dir=str(tmp_path / "var"), database_url=postgres_url, executor_threads=1)
        async with open_runtime(settings) as runtime:
            await create_workspace(runtime, "shop")
            people = [Profile(id=f"p-{each}", traits={"town": "K\u00f6ln"}) for each in range(50)]
            await upsert_profiles(runtime, "shop", people)

    asyncio.run(furnish())
    empty = asyncio.run(another(postgres_url))
    monkeypatch.chdir(tmp_path)
    backup = str(tmp_path / "b.tar.gz")
    monkeypatch.setenv("PITCHWRIGHT_DATABASE_URL", postgres_url)
    assert invoke(["--data-dir", str(tmp_path / "var"), "backup", "--out", backup]) == 0
    assert invoke(["restore", backup, "--into", str(tmp_path / "again")]) == 2
    assert "name one that is empty" in capsys.readouterr().err
    monkeypatch.setenv("PITCHWRIGHT_DATABASE_URL", empty)
    assert invoke(["restore", backup, "--into", str(tmp_path / "again")]) == 0
    found = asyncio.run(every_row(empty))
    assert found == asyncio.run(every_row(postgres_url))
    assert len(found["profiles"]) == 50
    monkeypatch.setattr("service.operations.backup.POSTGRES", tmp_path)
    monkeypatch.setenv("PATH", "")
    assert invoke(["--data-dir", str(tmp_path / "var"), "backup", "--out", backup]) == 3
    assert "pg_dump is not installed" in capsys.readouterr().err
