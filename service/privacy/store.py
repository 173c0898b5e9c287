"""Erasures: everything about one person out of the store, and the receipts of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

import msgspec
from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import NotFound
from service.listing import Page, page_of
from service.privacy.model import Erased, Erasure, Removed, naming, pseudonym
from service.privacy.subjects import subject_tables
from service.privacy.tables import ErasureRow
from service.profiles.tables import ProfileRow
from service.segments.tables import SegmentVersionRow
from service.workspaces.tables import IdempotencyKeyRow, PseudonymKeyRow

IDS_PER_QUERY = 5_000


class ErasureStore:
    """One workspace's erasures."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def key(self) -> bytes:
        """Return the key of pseudonyms; raises NotFound without the workspace."""
        return await self._key(select(PseudonymKeyRow.secret))

    async def hold(self) -> None:
        """Let no erasure begin until this transaction ends: what is written now meets none half-way."""
        await self._key(select(PseudonymKeyRow.secret).with_for_update(read=True))

    async def erase(self, profile_id: str, now: datetime, removed: Sequence[Removed] = ()) -> Erasure:
        """Delete everything about a profile; raises NotFound. Again, it returns the first receipt.

        `removed` is what was removed outside the store, for the receipt.
        """
        key = await self._key(select(PseudonymKeyRow.secret).with_for_update())
        held = select(ProfileRow.id).where(
            ProfileRow.workspace_id == self._workspace, ProfileRow.id == profile_id
        )
        if await self._session.scalar(held.with_for_update()) is None:
            known = await self.find(profile_id)
            if known is None:
                raise NotFound(f"no profile {profile_id!r} in workspace {self._workspace!r}")
            return known
        subject = pseudonym(key, profile_id)
        counts = {
            "segment_versions": await self._unname(profile_id, f"erased-{subject[:12]}"),
            "idempotency_keys": await self._forget_answers(profile_id),
        }
        for each in subject_tables():
            statement = delete(each.table).where(each.about(self._workspace, profile_id))
            result = await self._session.execute(statement)
            counts[each.table.name] = cast("CursorResult[Any]", result).rowcount
        inside = (Removed(where=f"store.{name}", count=count) for name, count in counts.items() if count)
        erasure = Erasure(id=uuid4().hex, subject=subject, erased_at=now, removed=(*inside, *removed))
        values = msgspec.to_builtins(erasure) | {"erased_at": now}
        await self._session.execute(insert(ErasureRow).values(workspace_id=self._workspace, **values))
        return erasure

    async def find(self, profile_id: str) -> Erasure | None:
        """Return the receipt of a profile's erasure, if it was erased."""
        subject = pseudonym(await self.key(), profile_id)
        query = select(ErasureRow).where(self._mine(), ErasureRow.subject == subject)
        row = await self._session.scalar(query)
        return None if row is None else _erasure(row)

    async def get(self, erasure_id: str) -> Erasure | None:
        """Return one receipt."""
        row = await self._session.get(ErasureRow, (self._workspace, erasure_id))
        return None if row is None else _erasure(row)

    async def page(self, after: tuple[datetime, str] | None, limit: int) -> Page[Erasure]:
        """Return a page of receipts, oldest first."""
        query = select(ErasureRow).where(self._mine())
        if after is not None:
            moment, erasure_id = after
            same = and_(ErasureRow.erased_at == moment, ErasureRow.id > erasure_id)
            query = query.where(or_(ErasureRow.erased_at > moment, same))
        ordered = query.order_by(ErasureRow.erased_at, ErasureRow.id).limit(limit + 1)
        found = [_erasure(row) for row in await self._session.scalars(ordered)]
        return page_of(found, limit, found[limit - 1].id if len(found) > limit else None)

    async def pending(self) -> tuple[Erasure, ...]:
        """Return the receipts of which files may still hold something, oldest first."""
        query = select(ErasureRow).where(self._mine(), ErasureRow.completed_at.is_(None))
        return tuple(
            _erasure(row) for row in await self._session.scalars(query.order_by(ErasureRow.erased_at))
        )

    async def complete(self, erasure: Erasure, removed: Iterable[Removed], now: datetime) -> None:
        """Note that no file of ours holds anything any more, and what was removed for it."""
        added = [msgspec.to_builtins(each) for each in (*erasure.removed, *removed)]
        await self._session.execute(
            update(ErasureRow)
            .where(self._mine(), ErasureRow.id == erasure.id, ErasureRow.completed_at.is_(None))
            .values(removed=added, completed_at=now)
        )

    async def erased_among(self, ids: Iterable[str]) -> frozenset[str]:
        """Return which of the ids are erased."""
        if await self._session.scalar(select(ErasureRow.id).where(self._mine()).limit(1)) is None:
            return frozenset()
        key = await self.key()
        subjects = {pseudonym(key, each): each for each in ids}
        ordered, found = sorted(subjects), set[str]()
        for start in range(0, len(ordered), IDS_PER_QUERY):
            part = ordered[start : start + IDS_PER_QUERY]
            query = select(ErasureRow.subject).where(self._mine(), ErasureRow.subject.in_(part))
            found.update(subjects[subject] for subject in await self._session.scalars(query))
        return frozenset(found)

    async def since(self, moment: datetime) -> Erased | None:
        """Return who was erased after a moment; none when nobody was."""
        query = select(ErasureRow.subject).where(self._mine(), ErasureRow.erased_at > moment)
        subjects = frozenset(await self._session.scalars(query))
        return Erased(key=await self.key(), subjects=subjects) if subjects else None

    async def _key(self, query: Select[tuple[bytes]]) -> bytes:
        key = await self._session.scalar(query.where(PseudonymKeyRow.workspace_id == self._workspace))
        if key is None:
            raise NotFound(f"no workspace {self._workspace!r}: `pitchwright import` makes one")
        return key

    async def _forget_answers(self, profile_id: str) -> int:
        """Delete remembered answers that name the profile; their requests could be done once more."""
        body, needle = IdempotencyKeyRow.body, msgspec.json.encode(profile_id)[1:-1]
        mine = IdempotencyKeyRow.workspace_id == self._workspace
        if self._session.get_bind().dialect.name == "sqlite":
            holds = func.instr(body, needle) > 0
        else:
            for special in (b"\\", b"%", b"_"):
                needle = needle.replace(special, b"\\" + special)
            holds = body.like(b"%" + needle + b"%")
        query = select(IdempotencyKeyRow.key, body).where(mine, holds)
        named = naming(profile_id)
        rows = (await self._session.execute(query)).all()
        keys = [key for key, answer in rows if named.search(answer.decode("utf-8", "replace"))]
        for key in keys:
            await self._session.execute(delete(IdempotencyKeyRow).where(mine, IdempotencyKeyRow.key == key))
        return len(keys)

    async def _unname(self, profile_id: str, alias: str) -> int:
        """Put an alias for the profile where a segment's definition names it as an example."""
        query = select(SegmentVersionRow).where(SegmentVersionRow.workspace_id == self._workspace)
        changed = 0
        for row in await self._session.scalars(query):
            renamed = _renamed(row.definition, profile_id, alias)
            if renamed != row.definition:
                row.definition = renamed
                changed += 1
        return changed

    def _mine(self) -> ColumnElement[bool]:
        return ErasureRow.workspace_id == self._workspace


def _renamed(value: Any, profile_id: str, alias: str) -> Any:
    """Return a definition with an alias for the profile in every list of seeds."""
    if isinstance(value, list):
        return [_renamed(each, profile_id, alias) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    changed = {name: _renamed(each, profile_id, alias) for name, each in found.items()}
    if isinstance(found.get("profiles"), list):
        changed["profiles"] = [alias if each == profile_id else each for each in found["profiles"]]
    return changed


def _erasure(row: ErasureRow) -> Erasure:
    return msgspec.convert({name: getattr(row, name) for name in Erasure.__struct_fields__}, Erasure)
