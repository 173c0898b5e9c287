"""Erasures: everything about one person out of the store, and the receipts of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

import msgspec
from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.campaigns.store import forget_people
from service.contact.addresses import keep_suppressed
from service.errors import NotFound
from service.listing import Page, page_of
from service.privacy.model import Erased, Erasure, Removed, naming, pseudonym
from service.privacy.subjects import ids_of, subject_tables
from service.privacy.tables import ErasedSubjectRow, ErasureRow
from service.quality.tables import FindingRow
from service.segments.tables import SegmentRow, SegmentVersionRow
from service.workspaces.tables import IdempotencyKeyRow, PseudonymKeyRow, answer_holds

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
        """Delete everything about a profile and all merged into it; raises NotFound.

        By any of its ids; again, it returns the first receipt. `removed` is what was removed outside the
        store, for the receipt.
        """
        key = await self._key(select(PseudonymKeyRow.secret).with_for_update())
        ids = await ids_of(self._session, self._workspace, profile_id, lock=True)
        if not ids:
            known = await self.find(profile_id)
            if known is None:
                raise NotFound(f"no profile {profile_id!r} in workspace {self._workspace!r}")
            return known
        subjects = {each: pseudonym(key, each) for each in ids}
        aliases = {each: f"erased-{subject[:12]}" for each, subject in subjects.items()}
        counts = {
            "segment_versions": await self._unname(aliases, now),
            "idempotency_keys": sum([await self._forget_answers(each) for each in ids]),
            "findings": sum([await self._forget_example(each) for each in ids]),
            **{each.table.name: 0 for each in subject_tables()},
        }
        for part in _parts(ids):
            await keep_suppressed(self._session, self._workspace, key, part)
            counts["campaign_units"] += await forget_people(self._session, self._workspace, part)
            for each in subject_tables():
                statement = delete(each.table).where(each.about(self._workspace, part))
                result = await self._session.execute(statement)
                counts[each.table.name] += cast("CursorResult[Any]", result).rowcount
        inside = (Removed(where=f"store.{name}", count=count) for name, count in counts.items() if count)
        erasure = Erasure(
            id=uuid4().hex,
            subjects=tuple(sorted(subjects.values())),
            erased_at=now,
            removed=(*inside, *removed),
        )
        await self._add(erasure)
        return erasure

    async def _add(self, erasure: Erasure) -> None:
        values = msgspec.to_builtins(erasure) | {"erased_at": erasure.erased_at}
        mine = {"workspace_id": self._workspace}
        subjects = [{**mine, "subject": each, "erasure_id": erasure.id} for each in values.pop("subjects")]
        await self._session.execute(insert(ErasureRow).values(**mine, **values))
        await self._session.execute(insert(ErasedSubjectRow), subjects)

    async def find(self, profile_id: str) -> Erasure | None:
        """Return the receipt of a profile's erasure, if it was erased."""
        subject = pseudonym(await self.key(), profile_id)
        query = select(ErasedSubjectRow.erasure_id)
        found = await self._session.scalar(query.where(self._theirs(), ErasedSubjectRow.subject == subject))
        return None if found is None else await self.get(found)

    async def get(self, erasure_id: str) -> Erasure | None:
        """Return one receipt."""
        found = await self._all(select(ErasureRow).where(self._mine(), ErasureRow.id == erasure_id))
        return found[0] if found else None

    async def page(self, after: tuple[datetime, str] | None, limit: int) -> Page[Erasure]:
        """Return a page of receipts, oldest first."""
        query = select(ErasureRow).where(self._mine())
        if after is not None:
            moment, erasure_id = after
            same = and_(ErasureRow.erased_at == moment, ErasureRow.id > erasure_id)
            query = query.where(or_(ErasureRow.erased_at > moment, same))
        ordered = query.order_by(ErasureRow.erased_at, ErasureRow.id).limit(limit + 1)
        found = await self._all(ordered)
        return page_of(found, limit, found[limit - 1].id if len(found) > limit else None)

    async def pending(self) -> tuple[Erasure, ...]:
        """Return the receipts of which files may still hold something, oldest first."""
        query = select(ErasureRow).where(self._mine(), ErasureRow.completed_at.is_(None))
        return tuple(await self._all(query.order_by(ErasureRow.erased_at)))

    async def complete(self, erasure: Erasure, removed: Iterable[Removed], now: datetime) -> None:
        """Note that no file of ours holds anything any more, and what was removed for it."""
        added = [msgspec.to_builtins(each) for each in (*erasure.removed, *removed)]
        await self._session.execute(
            update(ErasureRow)
            .where(self._mine(), ErasureRow.id == erasure.id, ErasureRow.completed_at.is_(None))
            .values(removed=added, completed_at=now)
        )

    async def erased_among(self, ids: Collection[str]) -> frozenset[str]:
        """Return which of the ids are erased."""
        anybody = select(ErasureRow.id).where(self._mine()).limit(1)
        if not ids or await self._session.scalar(anybody) is None:
            return frozenset()
        key = await self.key()
        subjects = {pseudonym(key, each): each for each in ids}
        found = set[str]()
        for part in _parts(sorted(subjects)):
            query = select(ErasedSubjectRow.subject).where(self._theirs(), ErasedSubjectRow.subject.in_(part))
            found.update(subjects[subject] for subject in await self._session.scalars(query))
        return frozenset(found)

    async def since(self, moment: datetime) -> Erased | None:
        """Return who was erased after a moment; none when nobody was."""
        recent = select(ErasureRow.id).where(self._mine(), ErasureRow.erased_at > moment)
        query = select(ErasedSubjectRow.subject).where(
            self._theirs(), ErasedSubjectRow.erasure_id.in_(recent)
        )
        subjects = frozenset(await self._session.scalars(query))
        return Erased(key=await self.key(), subjects=subjects) if subjects else None

    async def _key(self, query: Select[tuple[bytes]]) -> bytes:
        key = await self._session.scalar(query.where(PseudonymKeyRow.workspace_id == self._workspace))
        if key is None:
            raise NotFound(f"no workspace {self._workspace!r}: `pitchwright import` makes one")
        return key

    async def _forget_answers(self, profile_id: str) -> int:
        """Delete remembered answers that name the profile; their requests could be done once more."""
        mine = IdempotencyKeyRow.workspace_id == self._workspace
        dialect = self._session.get_bind().dialect.name
        holds = answer_holds(msgspec.json.encode(profile_id)[1:-1], dialect)
        query = select(IdempotencyKeyRow.key, IdempotencyKeyRow.body).where(mine, holds)
        named = naming(profile_id)
        rows = (await self._session.execute(query)).all()
        keys = [key for key, answer in rows if named.search(answer.decode("utf-8", "replace"))]
        for key in keys:
            await self._session.execute(delete(IdempotencyKeyRow).where(mine, IdempotencyKeyRow.key == key))
        return len(keys)

    async def _forget_example(self, profile_id: str) -> int:
        """Blank what findings quote where the id is in it, even as a part of another: rather too much."""
        found = await self._session.execute(
            update(FindingRow)
            .where(
                FindingRow.workspace_id == self._workspace,
                FindingRow.example.icontains(profile_id, autoescape=True),
            )
            .values(example="")
        )
        return cast("CursorResult[Any]", found).rowcount

    async def _unname(self, aliases: Mapping[str, str], now: datetime) -> int:
        """Put aliases for profiles where a segment's definition names them as examples."""
        query = select(SegmentVersionRow).where(SegmentVersionRow.workspace_id == self._workspace)
        changed: list[str] = []
        for row in await self._session.scalars(query):
            renamed = _renamed(row.definition, aliases)
            if renamed != row.definition:
                row.definition = renamed
                changed.append(row.segment_id)
        of_them = (SegmentRow.workspace_id == self._workspace, SegmentRow.id.in_(changed))
        await self._session.execute(update(SegmentRow).where(*of_them).values(updated_at=now))
        return len(changed)

    async def _all(self, query: Select[tuple[ErasureRow]]) -> list[Erasure]:
        rows = list(await self._session.scalars(query))
        subjects: dict[str, list[str]] = {row.id: [] for row in rows}
        for part in _parts(tuple(subjects)):
            columns = (ErasedSubjectRow.erasure_id, ErasedSubjectRow.subject)
            theirs = select(*columns).where(self._theirs(), ErasedSubjectRow.erasure_id.in_(part))
            for row in await self._session.execute(theirs.order_by(ErasedSubjectRow.subject)):
                subjects[row.erasure_id].append(row.subject)
        return [_erasure(row, subjects[row.id]) for row in rows]

    def _mine(self) -> ColumnElement[bool]:
        return ErasureRow.workspace_id == self._workspace

    def _theirs(self) -> ColumnElement[bool]:
        return ErasedSubjectRow.workspace_id == self._workspace


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + IDS_PER_QUERY] for start in range(0, len(ids), IDS_PER_QUERY))


def _renamed(value: Any, aliases: Mapping[str, str]) -> Any:
    """Return a definition with an alias for each of the profiles in every list of seeds."""
    if isinstance(value, list):
        return [_renamed(each, aliases) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    changed = {name: _renamed(each, aliases) for name, each in found.items()}
    if isinstance(found.get("profiles"), list):
        changed["profiles"] = [_alias(each, aliases) for each in found["profiles"]]
    return changed


def _alias(seed: Any, aliases: Mapping[str, str]) -> Any:
    return aliases.get(seed, seed) if isinstance(seed, str) else seed


def _erasure(row: ErasureRow, subjects: list[str]) -> Erasure:
    names = Erasure.__struct_fields__
    values = {name: subjects if name == "subjects" else getattr(row, name) for name in names}
    return msgspec.convert(values, Erasure)
