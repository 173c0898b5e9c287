"""What the store of prompts promises, on both databases."""

import asyncio

import msgspec

from service.errors import PreconditionFailed
from service.prompts.model import Stored
from service.prompts.store import PromptStore
from service.runtime import Runtime
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW

FIRST = Stored(
    name="email.full",
    revision=1,
    version=2,
    digest="a" * 64,
    source="---\nname: full\n---\nuser:\nÄpfel 🍏 {{ product }}\n",
    partials={"partials/voice.v1.j2": "wärmer"},
    note="first",
    created_at=NOW,
)


def later(change: Stored, **changes: object) -> Stored:
    return msgspec.structs.replace(change, revision=change.revision + 1, **changes)


async def add(runtime: Runtime, workspace: str, *changes: Stored) -> None:
    for change in changes:
        async with runtime.database.write() as session:
            await PromptStore(session, workspace).add(change)


async def test_a_change_comes_back_as_it_was_stored_and_the_newest_counts(runtime: Runtime):
    back = later(FIRST, version=None, digest=None, source=None, partials={}, restored=0)
    other = msgspec.structs.replace(FIRST, name="push.full")
    await add(runtime, "shop", FIRST, back, other)
    async with runtime.database.read() as session:
        store = PromptStore(session, "shop")
        assert await store.newest() == (back, other)
        assert await store.get("email.full", 1) == FIRST
        assert await store.get("email.full", 3) is None
        assert await store.versions("email.full") == {2}
        assert await store.history("email.full", None, 10) == (back, FIRST)
        assert await store.history("email.full", 2, 10) == (FIRST,)
        assert await store.history("email.full", None, 1) == (back,)


async def test_a_revision_is_given_once_however_many_write_at_once(runtime: Runtime):
    done = await asyncio.gather(
        *(add(runtime, "shop", msgspec.structs.replace(FIRST, note=str(n))) for n in range(5)),
        return_exceptions=True,
    )
    refused = [each for each in done if each is not None]
    assert len(refused) == 4
    assert all(isinstance(each, PreconditionFailed) for each in refused)


async def test_workspaces_do_not_meet(runtime: Runtime):
    await create_workspace(runtime, "other")
    await add(runtime, "shop", FIRST)
    async with runtime.database.read() as session:
        theirs = PromptStore(session, "other")
        assert await theirs.newest() == ()
        assert await theirs.get("email.full", 1) is None
        assert await theirs.versions("email.full") == set()
        assert await theirs.history("email.full", None, 10) == ()
    await add(runtime, "other", FIRST)
