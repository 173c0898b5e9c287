"""Writes that share a transaction; on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import DatabaseUnavailable, NotFound
from service.runtime import Runtime
from service.workspaces.tables import WorkspaceRow

Work = Callable[[AsyncSession], Awaitable[str]]


def renames(name: str) -> Work:
    async def work(session: AsyncSession) -> str:
        row = await session.get_one(WorkspaceRow, "shop")
        row.name = f"{row.name}{name}"
        await session.flush()
        return name

    return work


async def refuses(session: AsyncSession) -> str:
    await renames("!")(session)
    raise NotFound("no such thing")


async def name(runtime: Runtime) -> str:
    async with runtime.database.read() as session:
        return (await session.get_one(WorkspaceRow, "shop")).name


@pytest.fixture
def commits(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each transaction that writes, from here on."""
    opened: list[str] = []
    write = runtime.database.write

    @asynccontextmanager
    async def counted():
        async with write() as session:
            opened.append("write")
            yield session

    monkeypatch.setattr(runtime.database, "write", counted)
    return opened


async def test_writes_that_come_while_one_is_under_way_share_the_next(runtime: Runtime, commits: list[str]):
    before = await name(runtime)
    async with runtime.database.write():
        given = [asyncio.create_task(runtime.group_commit.write("shop", renames(each))) for each in "abcdef"]
        await asyncio.sleep(0.05)
    assert await asyncio.gather(*given) == list("abcdef")
    assert await name(runtime) == f"{before}abcdef"
    assert len(commits) <= 3


async def test_one_that_fails_takes_no_other_with_it(runtime: Runtime):
    before = await name(runtime)
    works = [renames("a"), refuses, renames("b")]
    done = await asyncio.gather(
        *(runtime.group_commit.write("shop", work) for work in works), return_exceptions=True
    )
    assert [done[0], done[2]] == ["a", "b"]
    assert isinstance(done[1], NotFound)
    assert await name(runtime) == f"{before}ab"
    with pytest.raises(NotFound):
        await runtime.group_commit.write("shop", refuses)
    assert await runtime.group_commit.write("shop", renames("c")) == "c"


async def test_what_the_commit_itself_raises_is_told_to_all_and_nothing_is_written_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    before, write = await name(runtime), runtime.database.write

    @asynccontextmanager
    async def broken():
        async with write() as session:
            yield session
        raise DatabaseUnavailable("the connection broke while it committed")

    with monkeypatch.context() as patch:
        patch.setattr(runtime.database, "write", broken)
        works = [renames("a"), renames("b")]
        done = await asyncio.gather(
            *(runtime.group_commit.write("shop", work) for work in works), return_exceptions=True
        )
    assert [type(each) for each in done] == [DatabaseUnavailable, DatabaseUnavailable]
    assert await name(runtime) == f"{before}ab"


async def test_closing_waits_for_what_was_given(runtime: Runtime):
    before = await name(runtime)
    given = asyncio.create_task(runtime.group_commit.write("shop", renames("z")))
    await asyncio.sleep(0)
    await runtime.group_commit.close()
    assert await name(runtime) == f"{before}z"
    assert await given == "z"
