"""Which rows are about one person: found in the schema itself, so that a table added later is covered too.

A row is about a profile when it has a `profile_id`, or belongs by a foreign key to a row that has one. A
person's ids are that of the profile and those of all that were merged into it.
"""

from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.migrations.schema import metadata
from service.profiles.tables import ProfileRow, owner_of

_OWN = "profiles"


class SubjectTable(NamedTuple):
    """A table with rows about a person, and the table they hang on, if they name nobody themselves."""

    table: Table
    parent: Table | None = None

    def about(self, workspace: str, ids: Collection[str]) -> ColumnElement[bool]:
        """Say which rows are about the person with these ids."""
        table, parent = self.table, self.parent
        if parent is None:
            column = table.c.id if table.name == _OWN else table.c.profile_id
            return and_(table.c.workspace_id == workspace, column.in_(ids))
        pairs = [
            (element.parent, element.column)
            for key in table.foreign_key_constraints
            if key.referred_table is parent
            for element in key.elements
        ]
        owner = SubjectTable(parent).about(workspace, ids)
        return exists(select(1).where(owner, *(mine == theirs for mine, theirs in pairs)))


async def ids_of(
    session: AsyncSession, workspace: str, profile_id: str, *, lock: bool = False
) -> tuple[str, ...]:
    """Return all ids of the person that has this one, the profile's own first; none when it is unknown.

    `lock`: nobody else changes the rows of these profiles until the end of the transaction.
    """
    owner = owner_of(workspace, profile_id)
    query = select(ProfileRow.id).where(
        ProfileRow.workspace_id == workspace, or_(ProfileRow.id == owner, ProfileRow.merged_into == owner)
    )
    ordered = query.order_by(ProfileRow.merged_into.is_not(None), ProfileRow.id)
    return tuple(await session.scalars(ordered.with_for_update() if lock else ordered))


@cache
def subject_tables() -> tuple[SubjectTable, ...]:
    """List the tables with rows about a person, those that hang on others first, the profile itself last."""
    return tuple(_found())


def _found() -> Iterator[SubjectTable]:
    direct = [table for table in metadata.sorted_tables if "profile_id" in table.c]
    for table in reversed(metadata.sorted_tables):
        if table in direct or table.name == _OWN:
            continue
        for key in table.foreign_key_constraints:
            if key.referred_table in direct:
                yield SubjectTable(table, key.referred_table)
                break
    yield from (SubjectTable(table) for table in reversed(direct))
    yield SubjectTable(metadata.tables[_OWN])
