"""Who is who: traits said of a profile one by one, and an anonymous profile that turns out to be a known one.

What comes out does not depend on the order in which it is told: of a trait the latest word counts, by its own
time; and a profile's history follows it into the one it is merged into, before and after.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.contact.tables import ConsentRow, SuppressionRow
from service.db import insert_rows
from service.drafts.tables import DraftRow
from service.events.tables import EventRow
from service.ingest import Outcome
from service.listing import content_digest
from service.privacy.store import ErasureStore
from service.profiles.model import Trait
from service.profiles.store import BARE, ProfileStore, erased
from service.profiles.tables import ProfileRow

_CONSENT = ("workspace_id", "profile_id", "channel", "granted", "source", "changed_at")
_SUPPRESSION = ("workspace_id", "profile_id", "channel", "reason", "created_at")
_NEVER = float("-inf")
"""When a trait was said that came with a file or `POST /v1/profiles`: nobody knows."""
_ONE_MERGE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7205759403792794)")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Traits somebody said of a profile at a moment; null takes a trait away."""

    profile_id: str
    traits: dict[str, Trait]
    at: datetime


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Word that an anonymous profile is a known one."""

    anonymous_id: str
    profile_id: str
    at: datetime


class IdentityStore:
    """One workspace's word on who is who."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace
        self._profiles = ProfileStore(session, workspace)

    async def identify(self, told: Sequence[Told], now: datetime) -> Outcome:
        """Store traits; `stored` counts the words that changed a profile.

        Profiles are made when unknown. A trait that was last said later stays as it is.
        """
        first: dict[str, datetime] = {}
        for one in told:
            first[one.profile_id] = min(one.at, first.get(one.profile_id, one.at))
        before = set(await self._known(first))
        owners = await self._profiles.require(first, now, to_change=True)
        refused = {
            place: erased(one.profile_id)
            for place, one in enumerate(told)
            if owners.get(one.profile_id, "") is None
        }
        ids = {owners.get(one.profile_id) or one.profile_id for one in told}
        query = select(ProfileRow).where(self._mine(), ProfileRow.id.in_(sorted(ids)))
        rows = {row.id: row for row in await self._session.scalars(query)}
        changed = 0
        for place, one in enumerate(told):
            if place in refused:
                continue
            row = rows[owners.get(one.profile_id) or one.profile_id]
            new = one.profile_id not in before
            before.add(one.profile_id)
            at = one.at.timestamp()
            row.created_at = min(row.created_at, one.at)
            taken = _take_over(row, [(name, value, at) for name, value in one.traits.items()])
            if taken:
                row.updated_at = now
            changed += taken or new
        return Outcome(stored=changed, refused=refused)

    async def link(self, link: Link, now: datetime) -> Outcome:
        """Merge one profile into another, with events, consents, suppressions, drafts and traits.

        Both must be there (`require`), or erased since. Refused where one is erased, or the first belongs to
        somebody else already; merging what is merged changes nothing.
        """
        if self._session.get_bind().dialect.name == "postgresql":
            await self._session.execute(_ONE_MERGE_AT_A_TIME)
        ids = (link.anonymous_id, link.profile_id)
        erasures = ErasureStore(self._session, self._workspace)
        await erasures.hold()
        gone = await erasures.erased_among(ids)
        if gone:
            return Outcome(stored=0, refused={0: erased(next(each for each in ids if each in gone))})
        owners = select(ProfileRow.merged_into).where(self._mine(), ProfileRow.id.in_(ids))
        involved = or_(ProfileRow.id.in_(ids), ProfileRow.merged_into.in_(ids), ProfileRow.id.in_(owners))
        query = select(ProfileRow).where(self._mine(), involved).order_by(ProfileRow.id)
        rows = {row.id: row for row in await self._session.scalars(query.with_for_update())}
        anonymous, known = (rows[rows[each].merged_into or each] for each in ids)
        if anonymous is known:
            return Outcome(stored=0)
        if anonymous.id != link.anonymous_id:
            reason = (
                f"{link.anonymous_id!r} belongs to profile {anonymous.id!r} and was not merged into "
                f"{link.profile_id!r}: the first word stands"
            )
            return Outcome(stored=0, refused={0: reason})
        await self._move(anonymous, known, rows, now)
        return Outcome(stored=1)

    async def _move(
        self, anonymous: ProfileRow, known: ProfileRow, rows: Mapping[str, ProfileRow], now: datetime
    ) -> None:
        names = anonymous.traits.keys() | anonymous.trait_times.keys()
        theirs = [
            (name, anonymous.traits.get(name), anonymous.trait_times.get(name, _NEVER)) for name in names
        ]
        _take_over(known, theirs)
        known.created_at = min(known.created_at, anonymous.created_at)
        anonymous.traits, anonymous.trait_times, anonymous.digest = {}, {}, BARE
        known.updated_at = anonymous.updated_at = now
        for row in rows.values():
            if row is anonymous or row.merged_into == anonymous.id:
                row.merged_into = known.id
        await self._session.flush()
        for table in (EventRow, DraftRow):
            moved = (table.workspace_id == self._workspace, table.profile_id == anonymous.id)
            await self._session.execute(update(table).where(*moved).values(profile_id=known.id))
        await self._copy_words(anonymous.id, known.id)

    async def _copy_words(self, anonymous_id: str, profile_id: str) -> None:
        """Let what was said about channels hold for the other: the latest consent, every suppression."""
        consents = await self._session.scalars(
            select(ConsentRow).where(
                ConsentRow.workspace_id == self._workspace, ConsentRow.profile_id == anonymous_id
            )
        )
        await insert_rows(
            self._session,
            ConsentRow,
            _CONSENT,
            [
                (self._workspace, profile_id, *(getattr(row, name) for name in _CONSENT[2:]))
                for row in consents
            ],
            replace=_CONSENT[3:],
            replace_where="consents.changed_at <= excluded.changed_at",
        )
        await self._session.execute(
            delete(ConsentRow).where(
                ConsentRow.workspace_id == self._workspace, ConsentRow.profile_id == anonymous_id
            )
        )
        suppressions = await self._session.scalars(
            select(SuppressionRow).where(
                SuppressionRow.workspace_id == self._workspace, SuppressionRow.profile_id == anonymous_id
            )
        )
        await insert_rows(
            self._session,
            SuppressionRow,
            _SUPPRESSION,
            [
                (self._workspace, profile_id, *(getattr(row, name) for name in _SUPPRESSION[2:]))
                for row in suppressions
            ],
        )

    async def _known(self, ids: Mapping[str, datetime]) -> Sequence[str]:
        query = select(ProfileRow.id).where(self._mine(), ProfileRow.id.in_(sorted(ids)))
        return (await self._session.scalars(query)).all()

    def _mine(self) -> ColumnElement[bool]:
        return ProfileRow.workspace_id == self._workspace


def _take_over(row: ProfileRow, words: Iterable[tuple[str, Trait, float]]) -> bool:
    """Take over each (trait, value, time) that is the last word about its trait; whether any is."""
    traits, times = dict(row.traits), dict(row.trait_times)
    for name, value, at in words:
        known = times.get(name, _NEVER)
        if at < known or (at == known and _stays(name, value, at, traits)):
            continue
        if at > _NEVER:
            times[name] = at
        traits.pop(name, None)
        if value is not None:
            traits[name] = value
    if traits == row.traits and times == row.trait_times:
        return False
    row.traits, row.trait_times = traits, times
    row.digest = content_digest((traits, times))
    return True


def _stays(name: str, value: Trait, at: float, traits: Mapping[str, Trait]) -> bool:
    """Of two words of one moment the same wins in whatever order they come; of two without, the first."""
    if at == _NEVER:
        return name in traits
    return _order(value) <= _order(traits.get(name))


def _order(value: Trait) -> bytes:
    return b"" if value is None else msgspec.json.encode(value)
