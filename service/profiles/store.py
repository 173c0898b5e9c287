"""Profiles: rows to values and back. An erased one has no row, and gets none."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import find_rows, insert_rows
from service.ingest import Outcome
from service.listing import Part, Place, content_digest, part_of
from service.privacy.store import ErasureStore
from service.profiles.model import Profile, Trait
from service.profiles.tables import ProfileRow, is_shown, owner_of

COLUMNS = ("workspace_id", "id", "traits", "digest", "created_at", "updated_at", "trait_times")
NO_TIMES: dict[str, float] = {}
NO_TRAITS: dict[str, Trait] = {}
BARE = content_digest((NO_TRAITS, None))
"""Digest of a profile that is known by its events only."""

IDS_PER_QUERY = 5_000


class ProfileStore:
    """One workspace's profiles."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace
        self._erasures = ErasureStore(session, workspace)

    async def upsert(self, profiles: Sequence[Profile], now: datetime) -> Outcome:
        """Store profiles; `stored` counts new and changed ones. Of equal ids the last one wins."""
        await self._erasures.hold()
        ids = {profile.id for profile in profiles}
        gone = {each: erased(each) for each in await self._erasures.erased_among(ids)}
        gone |= {each: _merged(each, owner) for each, owner in (await self._merged_among(ids)).items()}
        last = {profile.id: profile for profile in profiles if profile.id not in gone}
        ordered = [last[profile_id] for profile_id in sorted(last)]
        stored = 0
        for dated in (True, False):
            part = [profile for profile in ordered if (profile.created_at is not None) is dated]
            rows = [
                (
                    self._workspace,
                    one.id,
                    one.traits,
                    content_digest((one.traits, one.created_at)),
                    one.created_at or now,
                    now,
                    NO_TIMES,
                )
                for one in part
            ]
            stored += await insert_rows(
                self._session,
                ProfileRow,
                COLUMNS,
                rows,
                replace=(
                    "traits",
                    "digest",
                    "updated_at",
                    "trait_times",
                    *(("created_at",) if dated else ()),
                ),
                replace_where="profiles.digest <> excluded.digest AND profiles.merged_into IS NULL",
            )
        refused = {place: gone[one.id] for place, one in enumerate(profiles) if one.id in gone}
        return Outcome(stored=stored, refused=refused)

    async def require(
        self, first_seen: Mapping[str, datetime], now: datetime, *, to_change: bool = False
    ) -> dict[str, str | None]:
        """Make sure these profiles exist, bare ones dated when first seen; say which ids are not their own.

        Returns the owner's id for one that was merged, none for one that is erased, and nothing of the
        others. Until the end of the transaction no erasure begins, and all rows are locked against a
        simultaneous merge, with `to_change` against everybody.
        """
        await self._erasures.hold()
        known = await self._locked(first_seen, to_change)
        gone = await self._erasures.erased_among(first_seen.keys() - known.keys())
        bare = [
            (self._workspace, profile_id, NO_TRAITS, BARE, first_seen[profile_id], now, NO_TIMES)
            for profile_id in sorted(first_seen.keys() - known.keys() - gone)
        ]
        await insert_rows(self._session, ProfileRow, COLUMNS, bare)
        merged = {each: owner for each, owner in known.items() if owner is not None}
        await self._locked(set(merged.values()) - known.keys(), to_change)
        return {**merged, **dict.fromkeys(gone)}

    async def _locked(self, ids: Iterable[str], to_change: bool) -> dict[str, str | None]:
        """Lock these rows, in the order of their ids; return the owner of each that was merged."""
        lock = "FOR UPDATE" if to_change else "FOR SHARE"
        rows = await find_rows(self._session, ProfileRow, "id, merged_into", self._workspace, ids, lock)
        return {row[0]: row[1] for row in rows}

    async def get(self, profile_id: str) -> Profile | None:
        """Return one profile, by its own id or that of one merged into it; none when unknown or erased."""
        query = select(ProfileRow).where(self._mine(), ProfileRow.id == self._owner(profile_id))
        row = await self._session.scalar(query)
        return None if row is None else _profile(row)

    async def hold(self, profile_id: str) -> bool:
        """Whether a profile is there; if so, it cannot be erased until this transaction ends."""
        query = select(ProfileRow.id).where(self._mine(), ProfileRow.id == self._owner(profile_id))
        return await self._session.scalar(query.with_for_update()) is not None

    async def page(
        self, after: Place | None, limit: int, *, updated_since: datetime | None = None
    ) -> Part[Profile]:
        """Return a page in the order of ids, or of changes."""
        query = select(ProfileRow).where(self._mine(), is_shown())
        return await part_of(
            self._session, query, ProfileRow, _profile, after=after, limit=limit, updated_since=updated_since
        )

    async def count(self) -> int:
        """Return how many profiles there are."""
        query = select(func.count()).select_from(ProfileRow).where(self._mine(), is_shown())
        return await self._session.scalar(query) or 0

    async def _merged_among(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the owners of those of the ids that were merged into another profile."""
        found: dict[str, str] = {}
        for part in _slices(sorted(set(ids))):
            query = select(ProfileRow.id, ProfileRow.merged_into).where(
                self._mine(), ProfileRow.id.in_(part), ProfileRow.merged_into.is_not(None)
            )
            found.update({row.id: row.merged_into for row in await self._session.execute(query)})
        return found

    def _owner(self, profile_id: str) -> ColumnElement[str]:
        return owner_of(self._workspace, profile_id)

    def _mine(self) -> ColumnElement[bool]:
        return ProfileRow.workspace_id == self._workspace


def _slices(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + IDS_PER_QUERY] for start in range(0, len(ids), IDS_PER_QUERY))


def erased(profile_id: str) -> str:
    """Why nothing is stored of a profile that is erased."""
    return f"profile {profile_id!r} was erased and does not come back"


def _merged(profile_id: str, owner: str) -> str:
    return f"profile {profile_id!r} was merged into {owner!r}: store it under that id"


def _profile(row: ProfileRow) -> Profile:
    return Profile(id=row.id, traits=row.traits, created_at=row.created_at)
