"""Which rows are about one person: found in the schema itself, so that a table added later is covered too.

A row is about a profile when it has a `profile_id`, or belongs by a foreign key to a row that has one.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, Table, and_, exists, select

from service.migrations.schema import metadata

_OWN = "profiles"


class SubjectTable(NamedTuple):
    """A table with rows about a person, and the table they hang on, if they name nobody themselves."""

    table: Table
    parent: Table | None = None

    def about(self, workspace: str, profile_id: str) -> ColumnElement[bool]:
        """Say which rows are about the profile."""
        table, parent = self.table, self.parent
        column = table.c.id if table.name == _OWN else table.c.get("profile_id")
        if parent is None or column is not None:
            return and_(table.c.workspace_id == workspace, column == profile_id)
        pairs = [
            (element.parent, element.column)
            for key in table.foreign_key_constraints
            if key.referred_table is parent
            for element in key.elements
        ]
        owner = SubjectTable(parent).about(workspace, profile_id)
        return exists(select(1).where(owner, *(mine == theirs for mine, theirs in pairs)))


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
