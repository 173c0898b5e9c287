"""Segments and the versions of their definitions: rows to values and back."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import Conflict, NotFound, PreconditionFailed
from service.listing import Part, Place, part_of
from service.segments.model import Segment
from service.segments.tables import SegmentRow, SegmentVersionRow

_JOINED = and_(
    SegmentVersionRow.workspace_id == SegmentRow.workspace_id,
    SegmentVersionRow.segment_id == SegmentRow.id,
)


class SegmentStore:
    """One workspace's segments."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, segment: Segment) -> None:
        """Store a new segment with its first definition; raises Conflict for a name that is taken."""
        await self._free(segment.name, segment.id)
        columns = ("workspace_id", "id", "name", "version", "created_at", "updated_at")
        row = (self._workspace, *(getattr(segment, name) for name in columns[1:]))
        try:
            await insert_rows(self._session, SegmentRow, columns, [row])
        except IntegrityError:  # another writer took the name after the look
            raise _taken(segment.name) from None
        await self._add_version(segment)

    async def replace(self, segment: Segment, *, expected_version: int) -> None:
        """Store a segment's next version.

        Raises NotFound, PreconditionFailed when the stored version is not `expected_version`, Conflict
        for a name that is taken.
        """
        row = await self._locked(segment.id, expected_version)
        await self._free(segment.name, segment.id)
        row.name, row.version, row.updated_at = segment.name, segment.version, segment.updated_at
        try:
            await self._session.flush()
        except IntegrityError:  # another writer took the name after the look
            raise _taken(segment.name) from None
        await self._add_version(segment)

    async def get(self, id_or_name: str) -> Segment:
        """Return a segment with its newest definition, by id or by name; raises NotFound."""
        found = await self._session.execute(
            self._newest().where(or_(SegmentRow.id == id_or_name, SegmentRow.name == id_or_name))
        )
        segments = {row.id: _segment(row, version) for row, version in found.tuples()}
        if not segments:
            raise _missing(id_or_name, self._workspace)
        return segments.get(id_or_name) or next(iter(segments.values()))

    async def get_version(self, segment_id: str, version: int) -> Segment:
        """Return a segment as one of its versions defined it; raises NotFound."""
        query = select(SegmentRow, SegmentVersionRow).join(SegmentVersionRow, _JOINED)
        found = await self._session.execute(
            query.where(self._mine(), SegmentRow.id == segment_id, SegmentVersionRow.version == version)
        )
        pair = found.tuples().first()
        if pair is None:
            raise NotFound(f"segment {segment_id!r} has no version {version}")
        return _segment(*pair)

    async def page(
        self, after: Place | None, limit: int, *, updated_since: datetime | None = None
    ) -> Part[Segment]:
        """Return a page in the order of names, or of changes."""
        return await part_of(
            self._session,
            self._newest(),
            SegmentRow,
            _segment,
            after=after,
            limit=limit,
            updated_since=updated_since,
            by=SegmentRow.name,
        )

    async def all(self) -> tuple[Segment, ...]:
        """Return every segment by name: what definitions may refer to."""
        found = await self._session.execute(self._newest().order_by(SegmentRow.name))
        return tuple(_segment(row, version) for row, version in found.tuples())

    async def delete(self, segment_id: str, *, expected_version: int | None = None) -> None:
        """Delete a segment and its versions; raises NotFound and PreconditionFailed."""
        await self._locked(segment_id, expected_version)
        for table, column in ((SegmentVersionRow, SegmentVersionRow.segment_id), (SegmentRow, SegmentRow.id)):
            await self._session.execute(
                delete(table).where(table.workspace_id == self._workspace, column == segment_id)
            )

    async def _locked(self, segment_id: str, expected_version: int | None) -> SegmentRow:
        query = select(SegmentRow).where(self._mine(), SegmentRow.id == segment_id).with_for_update()
        row = await self._session.scalar(query)
        if row is None:
            raise _missing(segment_id, self._workspace)
        if expected_version is not None and row.version != expected_version:
            raise PreconditionFailed(
                f"segment {row.name!r} is at version {row.version}, not {expected_version}: "
                "read it again and repeat the change"
            )
        return row

    async def _free(self, name: str, segment_id: str) -> None:
        query = select(SegmentRow.id).where(
            self._mine(), SegmentRow.name == name, SegmentRow.id != segment_id
        )
        if await self._session.scalar(query) is not None:
            raise _taken(name)

    async def _add_version(self, segment: Segment) -> None:
        await self._session.execute(
            insert(SegmentVersionRow).values(
                workspace_id=self._workspace,
                segment_id=segment.id,
                version=segment.version,
                definition=segment.definition,
                note=segment.note,
                created_at=segment.updated_at,
            )
        )

    def _newest(self) -> Select[tuple[SegmentRow, SegmentVersionRow]]:
        newest = and_(_JOINED, SegmentVersionRow.version == SegmentRow.version)
        return select(SegmentRow, SegmentVersionRow).join(SegmentVersionRow, newest).where(self._mine())

    def _mine(self) -> ColumnElement[bool]:
        return SegmentRow.workspace_id == self._workspace


def _segment(row: SegmentRow, version: SegmentVersionRow) -> Segment:
    return Segment(
        id=row.id,
        name=row.name,
        definition=version.definition,
        version=version.version,
        created_at=row.created_at,
        updated_at=row.updated_at if version.version == row.version else version.created_at,
        note=version.note,
    )


def _taken(name: str) -> Conflict:
    return Conflict(f"a segment named {name!r} exists already: choose another name or change that one")


def _missing(id_or_name: str, workspace: str) -> NotFound:
    return NotFound(f"no segment {id_or_name!r} in workspace {workspace!r}")
