"""Consents and suppressions: rows to values and back. What is about an erased profile is gone."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from service.contact.addresses import ADDRESS_COLUMNS
from service.contact.model import Consent, Suppression
from service.contact.tables import ConsentRow, SuppressedAddressRow, SuppressionRow
from service.db import find_rows, insert_rows
from service.ingest import Outcome
from service.listing import Page, page_of
from service.privacy.store import ErasureStore
from service.privacy.subjects import ids_of
from service.profiles.tables import ProfileRow, owner_of

CONSENT_COLUMNS = ("workspace_id", "profile_id", "channel", "granted", "source", "changed_at")
SUPPRESSION_COLUMNS = ("workspace_id", "profile_id", "channel", "reason", "created_at")
LATER_WORD = (
    "consents.changed_at < excluded.changed_at OR (consents.changed_at = excluded.changed_at "
    "AND (consents.granted <> excluded.granted OR consents.source <> excluded.source))"
)
"""Which word replaces the stored one: a later one, and of one moment what is told last."""
_KEY = itemgetter(0, 1, 2)
"""In the order of their keys two writers of the same rows never wait for each other in a ring."""


class ContactStore:
    """One workspace's words on whom it may write to."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace
        self._erasures = ErasureStore(session, workspace)

    async def set_consents(self, consents: Sequence[Consent]) -> Outcome:
        """Note words about channels under the profile that owns each id; `stored` counts what changed.

        A word older than the stored one changes nothing. Refused are those of profiles nobody knows.
        """
        await self._erasures.hold()
        ids = {each.profile_id for each in consents}
        columns, lock = "id, merged_into", "FOR SHARE"
        rows = await find_rows(self._session, ProfileRow, columns, self._workspace, ids, lock)
        owners: dict[str, str] = {row[0]: row[1] or row[0] for row in rows}
        refused = {
            place: f"no profile {each.profile_id!r} in workspace {self._workspace!r}"
            for place, each in enumerate(consents)
            if each.profile_id not in owners
        }
        last: dict[tuple[str, str], Consent] = {}
        for each in consents:
            if (owner := owners.get(each.profile_id)) is None:
                continue
            known = last.get((owner, each.channel))
            if known is None or known.changed_at <= each.changed_at:
                last[owner, each.channel] = each
        told = [
            (self._workspace, owner, channel, each.granted, each.source, each.changed_at)
            for (owner, channel), each in sorted(last.items(), key=lambda pair: pair[0])
        ]
        stored = await insert_rows(
            self._session,
            ConsentRow,
            CONSENT_COLUMNS,
            told,
            replace=CONSENT_COLUMNS[3:],
            replace_where=LATER_WORD,
        )
        return Outcome(stored=stored, refused=refused)

    async def consents(self, profile_id: str) -> tuple[Consent, ...]:
        """Return a profile's consents, by channel."""
        owner = owner_of(self._workspace, profile_id)
        query = select(ConsentRow).where(
            ConsentRow.workspace_id == self._workspace, ConsentRow.profile_id == owner
        )
        rows = await self._session.scalars(query.order_by(ConsentRow.channel))
        names = Consent.__struct_fields__
        return tuple(Consent(**{name: getattr(row, name) for name in names}) for row in rows)

    async def suppress(self, suppressions: Sequence[Suppression]) -> Outcome:
        """Keep profiles, known or not, and addresses from being written to; the first reason stands.

        A profile that was merged is kept from it under its owner's id too; an erased one is already.
        """
        await self._erasures.hold()
        ids = {each.profile_id for each in suppressions if each.profile_id is not None}
        gone = await self._erasures.erased_among(ids)
        columns = "id, merged_into"
        rows = await find_rows(self._session, ProfileRow, columns, self._workspace, ids, "FOR SHARE")
        merged = {row[0]: row[1] for row in rows if row[1] is not None}
        own, theirs, addresses = list[tuple[Any, ...]](), list[tuple[Any, ...]](), list[tuple[Any, ...]]()
        for each in suppressions:
            rest = (each.channel, each.reason, each.created_at)
            if each.profile_id is None:
                addresses.append((self._workspace, each.subject, *rest))
            elif each.profile_id not in gone:
                own.append((self._workspace, each.profile_id, *rest))
                if (owner := merged.get(each.profile_id)) is not None:
                    theirs.append((self._workspace, owner, *rest))
        stored = await insert_rows(self._session, SuppressionRow, SUPPRESSION_COLUMNS, sorted(own, key=_KEY))
        await insert_rows(self._session, SuppressionRow, SUPPRESSION_COLUMNS, sorted(theirs, key=_KEY))
        stored += await insert_rows(
            self._session, SuppressedAddressRow, ADDRESS_COLUMNS, sorted(addresses, key=_KEY)
        )
        return Outcome(stored=stored)

    async def lift(self, gone: Suppression) -> int:
        """Take somebody off the list of a channel, a profile by all its ids; return how many entries went."""
        row = SuppressedAddressRow if gone.profile_id is None else SuppressionRow
        named = SuppressedAddressRow.subject == gone.subject
        if gone.profile_id is not None:
            ids = await ids_of(self._session, self._workspace, gone.profile_id)
            named = SuppressionRow.profile_id.in_({gone.profile_id, *ids})
        mine = (row.workspace_id == self._workspace, row.channel == gone.channel, named)
        return cast("CursorResult[Any]", await self._session.execute(delete(row).where(*mine))).rowcount

    async def suppressions(
        self, after: tuple[str, str, str] | None, limit: int, channel: str | None
    ) -> Page[Suppression]:
        """Return a page of the list: addresses by hash, then profiles by id, each by channel."""
        rest = ("channel", "reason", "created_at")
        profiles, addresses = SuppressionRow, SuppressedAddressRow
        both = union_all(
            select(
                literal("profile").label("kind"),
                profiles.profile_id.label("who"),
                *(getattr(profiles, name) for name in rest),
            ).where(profiles.workspace_id == self._workspace),
            select(
                literal("address").label("kind"),
                addresses.subject.label("who"),
                *(getattr(addresses, name) for name in rest),
            ).where(addresses.workspace_id == self._workspace),
        ).subquery()
        listed = both.c
        query = select(both).order_by(listed.kind, listed.who, listed.channel).limit(limit + 1)
        if channel is not None:
            query = query.where(listed.channel == channel)
        if after is not None:
            query = query.where(_beyond((listed.kind, listed.who, listed.channel), after))
        rows = (await self._session.execute(query)).all()
        found = [
            Suppression(
                profile_id=row.who if row.kind == "profile" else None,
                subject=row.who if row.kind == "address" else None,
                **{name: getattr(row, name) for name in rest},
            )
            for row in rows
        ]
        return page_of(found, limit, None if len(found) <= limit else rows[limit - 1].who)


def _beyond(columns: Sequence[ColumnElement[str]], position: Sequence[str]) -> ColumnElement[bool]:
    """Say which rows come after a position in the order of the columns."""
    ways: list[ColumnElement[bool]] = []
    for place, (column, value) in enumerate(zip(columns, position, strict=True)):
        same = [one == known for one, known in zip(columns[:place], position, strict=False)]
        ways.append(and_(*same, column > value))
    return or_(*ways)
