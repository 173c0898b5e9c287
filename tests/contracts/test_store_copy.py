"""More rows than one statement holds: counted alike on both databases, by COPY on PostgreSQL."""

from typing import Any

import pytest
from sqlalchemy import event, func, select

from service.catalog.actions import get_item, upsert_items
from service.catalog.model import Item
from service.catalog.tables import ItemRow
from service.db import MOST_PARAMETERS, Database, insert_rows
from service.errors import InvalidInput
from service.profiles.tables import TraitKeyRow
from service.runtime import Runtime
from tests.contracts.conftest import NOW

MANY = MOST_PARAMETERS // 5
"""Several statements of an item's columns."""


def items(first: int, title: str = "Trowel") -> list[Item]:
    return [
        Item(id=f"i-{n:05}", title=title, price=n / 4, benefits=("ß, \t\\ and 'these'",), attributes={"n": n})
        for n in range(first, first + MANY)
    ]


@pytest.mark.slow
async def test_many_rows_are_stored_replaced_and_counted(runtime: Runtime):
    sent = list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    engine = runtime.database._engine.sync_engine  # pyright: ignore[reportPrivateUsage] # what is sent
    event.listen(engine, "before_cursor_execute", note)
    first = await upsert_items(runtime, "shop", items(0))
    assert (first.stored, first.duplicate, first.rejected) == (MANY, 0, 0)
    again = await upsert_items(runtime, "shop", items(MANY // 2))
    assert (again.stored, again.duplicate) == (MANY // 2, MANY - MANY // 2)
    changed = await upsert_items(runtime, "shop", items(0, "Spade"))
    assert changed.stored == MANY
    event.remove(engine, "before_cursor_execute", note)
    assert await get_item(runtime, "shop", "i-00007") == items(0, "Spade")[7]
    async with runtime.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(ItemRow)) == MANY + MANY // 2
    staged = sum("CREATE TEMPORARY TABLE staged_items" in each for each in sent)
    assert staged == (3 if runtime.database.dialect == "postgresql" else 0)


@pytest.mark.slow
@pytest.mark.postgres
async def test_one_text_that_cannot_be_stored_refuses_them_all(postgres_url: str):
    keys = [(f"{n:x}", NOW) for n in range(MOST_PARAMETERS)]
    columns = ("fingerprint", "first_used_at")
    database = await Database.open(postgres_url)
    try:
        await database.upgrade("0011")
        with pytest.raises(InvalidInput, match="NUL or half a character"):
            async with database.write() as session:
                await insert_rows(session, TraitKeyRow, columns, [*keys, ("\x00", NOW)])
        async with database.write() as session:
            assert await insert_rows(session, TraitKeyRow, columns, keys) == len(keys)
            assert await insert_rows(session, TraitKeyRow, columns, keys) == 0
    finally:
        await database.close()
