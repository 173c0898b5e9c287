"""What a CRM has on file about whom it may write to: words and suppressions, by profile or by address."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import get_args

import msgspec

from service.contact.actions import set_consents, suppress
from service.contact.addresses import EMAIL, PHONE, address_subject, profiles_at
from service.contact.model import Word
from service.contact.shapes import ConsentFact, SuppressionEntry
from service.counts import Counts, Reject
from service.privacy.store import ErasureStore
from service.refusals import quoted
from service.runtime import Runtime

SUPPRESSED = "suppressed"
WORDS: tuple[Word, ...] = get_args(Word)


class ContactRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of such a list: about `profile_id`, else whoever has `email`, else `phone`."""

    channel: str
    """A channel's name; `*` for all of them, of a suppression."""
    state: str
    """`granted`, `denied` or `suppressed`, in any case of its letters."""
    profile_id: str | None = None
    email: str | None = None
    phone: str | None = None
    at: datetime | None = None
    source: str = ""


async def store_contacts(runtime: Runtime, workspace: str, rows: Sequence[ContactRow]) -> Counts:
    """Store words and suppressions; an older word than the stored one, or one on the list, changes nothing.

    A word about an address is one of every profile that has it. Rejected, by place: rows that are about
    nobody, another state, a word without a time, an address that no profile has, and what `set_consents` and
    `suppress` refuse. Of profiles that share an address the first one's word is counted. Raises NotFound
    without the workspace, and TraitsLocked.
    """
    refused = {place: reason for place, row in enumerate(rows) if (reason := _refusal(row)) is not None}
    good = [(place, row) for place, row in enumerate(rows) if place not in refused]
    said = [(place, row) for place, row in good if row.state.casefold() != SUPPRESSED]
    told = [(place, row) for place, row in good if row.state.casefold() == SUPPRESSED]
    holders = await _holders(runtime, workspace, [row for _, row in said])
    facts, more = list[tuple[int, ConsentFact]](), list[ConsentFact]()
    for place, row in said:
        whose = [row.profile_id] if row.profile_id is not None else holders.get(_address(row), [])
        if not whose:
            refused[place] = "no profile has this address: import the profiles first, or suppress it"
            continue
        facts.append((place, _fact(row, whose[0])))
        more += [_fact(row, each) for each in whose[1:]]
    words = await set_consents(runtime, workspace, [fact for _, fact in facts])
    await set_consents(runtime, workspace, more)
    listed = await suppress(runtime, workspace, [_entry(row) for _, row in told])
    refused |= {facts[each.row][0]: each.reason for each in words.rejects}
    refused |= {told[each.row][0]: each.reason for each in listed.rejects}
    stored = words.stored + listed.stored
    return Counts(
        read=len(rows),
        stored=stored,
        duplicate=len(rows) - len(refused) - stored,
        rejected=len(refused),
        rejects=tuple(
            Reject(row=place, id=rows[place].profile_id or "", reason=refused[place])
            for place in sorted(refused)
        ),
    )


def _refusal(row: ContactRow) -> str | None:
    if row.profile_id is None and row.email is None and row.phone is None:
        return "it names nobody: give a profile, an email or a phone"
    state = row.state.casefold()
    if state not in {*WORDS, SUPPRESSED}:
        return f"state {quoted(row.state)} is none of {', '.join(WORDS)} and {SUPPRESSED}"
    if state != SUPPRESSED and row.at is None:
        return "time is empty: a word needs it, since the last one counts"
    return None


def _fact(row: ContactRow, profile_id: str) -> ConsentFact:
    word: Word = "granted" if row.state.casefold() == "granted" else "denied"
    return ConsentFact(
        profile_id=profile_id, channel=row.channel.lower(), word=word, source=row.source, at=row.at
    )


def _entry(row: ContactRow) -> SuppressionEntry:
    rest = {"channel": row.channel.lower(), "reason": row.source}
    if row.profile_id is not None:
        return SuppressionEntry(profile_id=row.profile_id, **rest)
    if row.email is not None:
        return SuppressionEntry(email=row.email, **rest)
    return SuppressionEntry(phone=row.phone, **rest)


def _address(row: ContactRow) -> tuple[str, str]:
    return (EMAIL, row.email) if row.email is not None else (PHONE, row.phone or "")


async def _holders(
    runtime: Runtime, workspace: str, rows: Iterable[ContactRow]
) -> Mapping[tuple[str, str], list[str]]:
    """Return the profiles that have the addresses of these rows, in their order, by address."""
    addresses = {_address(row) for row in rows if row.profile_id is None}
    if not addresses:
        return {}
    async with runtime.database.read() as session:
        key = await ErasureStore(session, workspace).key()
        subjects = {each: address_subject(key, *each) for each in addresses}
        known = frozenset(each for each in subjects.values() if each is not None)
        found = await profiles_at(runtime, session, workspace, key, known)
    by_subject = dict[str, list[str]]()
    for profile_id, theirs in found.items():
        for subject in theirs:
            by_subject.setdefault(subject, []).append(profile_id)
    return {each: by_subject.get(subject or "", []) for each, subject in subjects.items()}
