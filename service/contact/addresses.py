"""Addresses as keyed hashes, so that a list of those who must not be written to names nobody.

The hash is BLAKE2b under the workspace's own random key, as of erased ids (`privacy.model.pseudonym`):
without the key it tells nothing, and who holds both the store and a guess can test the guess.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Text, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.contact.tables import SuppressedAddressRow, SuppressionRow
from service.db import insert_rows
from service.privacy.model import pseudonym
from service.profiles.tables import ProfileRow
from service.runtime import Runtime
from service.vault import Vault

EMAIL, PHONE = "email", "phone"
"""The traits that are addresses, as Segment's specification names them."""
ADDRESS_COLUMNS = ("workspace_id", "subject", "channel", "reason", "created_at")
ROWS_AT_ONCE = 5_000
"""Profiles whose addresses are in memory at a time."""
BEFORE_ERASURE = "suppressed before erasure"
"""The reason that stays: what somebody typed may name the person."""


class _Addresses(msgspec.Struct, frozen=True):
    email: Any = None
    phone: Any = None


_DECODER = msgspec.json.Decoder(_Addresses)


def address_subject(key: bytes, kind: str, address: Any) -> str | None:
    """Hash an address under a workspace's key, 32 hex digits; none for what is no address.

    E-mail addresses are equal in any case of their letters; telephone numbers are their digits, without `+`
    or `00` before them. A number without its country is another number.
    """
    if kind == EMAIL:
        plain = address.strip().casefold() if isinstance(address, str) else ""
        return pseudonym(key, f"{kind}:{plain}") if "@" in plain else None
    if isinstance(address, bool) or not isinstance(address, str | int | float):
        return None
    written = f"{address:.0f}" if isinstance(address, float) else str(address)
    digits = re.sub("[^0-9]", "", written).removeprefix("00")
    return pseudonym(key, f"{kind}:{digits}") if digits else None


def subjects_of(key: bytes, traits: Mapping[str, Any]) -> Iterator[str]:
    """Hash the addresses among a profile's traits."""
    for kind in (EMAIL, PHONE):
        if (subject := address_subject(key, kind, traits.get(kind))) is not None:
            yield subject


async def profiles_at(
    runtime: Runtime, session: AsyncSession, workspace: str, key: bytes, subjects: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Return the profiles of a workspace that have one of these addresses now, encrypted or not; and which.

    Raises TraitsLocked for an encrypted one that does not open: nobody is taken for reachable by mistake.
    """
    found = dict[str, frozenset[str]]()
    if not subjects:
        return found
    traits = cast(ProfileRow.traits, Text)
    query = (
        select(ProfileRow.id, traits)
        .where(
            ProfileRow.workspace_id == workspace,
            or_(*(traits.contains(f'"{kind}"') for kind in (EMAIL, PHONE))),
        )
        .order_by(ProfileRow.id)
        .limit(ROWS_AT_ONCE)
    )
    last = ""
    while rows := (await session.execute(query.where(ProfileRow.id > last))).tuples().all():
        found |= await runtime.run(_holders, runtime.vault, rows, key, subjects)
        last = rows[-1][0]
    return found


def _holders(
    vault: Vault, rows: Sequence[tuple[str, str]], key: bytes, subjects: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Return which of the addresses each of (id, traits as the store's JSON) has, if any; CPU work."""
    known = ((each, vault.opened(msgspec.structs.asdict(_DECODER.decode(text)))) for each, text in rows)
    held = ((each, subjects.intersection(subjects_of(key, addresses))) for each, addresses in known)
    return {each: theirs for each, theirs in held if theirs}


async def keep_suppressed(session: AsyncSession, workspace: str, key: bytes, ids: Collection[str]) -> None:
    """Let the suppressions of profiles that are erased hold for their addresses.

    Whoever comes again with one of them, under another id, stays suppressed.
    """
    mine = SuppressionRow.workspace_id == workspace
    suppressions = (
        await session.scalars(select(SuppressionRow).where(mine, SuppressionRow.profile_id.in_(ids)))
    ).all()
    if not suppressions:
        return
    query = select(ProfileRow.traits).where(ProfileRow.workspace_id == workspace, ProfileRow.id.in_(ids))
    subjects = {each for traits in await session.scalars(query) for each in subjects_of(key, traits)}
    await insert_rows(
        session,
        SuppressedAddressRow,
        ADDRESS_COLUMNS,
        [
            (workspace, subject, row.channel, BEFORE_ERASURE, row.created_at)
            for subject in sorted(subjects)
            for row in suppressions
        ],
    )


async def suppressed_addresses(
    session: AsyncSession, workspace: str, key: bytes, traits: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the entries of the list that are about the addresses in profiles' traits."""
    subjects = {each for one in traits for each in subjects_of(key, one)}
    columns = [getattr(SuppressedAddressRow, name) for name in ADDRESS_COLUMNS[1:]]
    query = select(*columns).where(
        SuppressedAddressRow.workspace_id == workspace, SuppressedAddressRow.subject.in_(subjects)
    )
    rows = await session.execute(query.order_by(SuppressedAddressRow.subject, SuppressedAddressRow.channel))
    return [dict(zip(ADDRESS_COLUMNS[1:], row, strict=True)) for row in rows]
