"""Note consent, keep suppressions and the policy, and say who of an audience may be written to."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from service.contact.model import (
    EVERY_CHANNEL,
    Consent,
    ContactPolicy,
    Reach,
    Suppression,
    checked_channel,
    checked_policy,
    consent_refusal,
)
from service.contact.reading import read_lists
from service.contact.rules import Ids, Recipients, apply_rules
from service.contact.shapes import (
    ConsentChange,
    ConsentFact,
    SuppressionEntry,
    consent_of,
    entry_refusal,
    suppression_of,
)
from service.contact.store import ContactStore
from service.counts import Counts
from service.errors import InvalidInput, NotFound, PreconditionFailed
from service.ingest import ingest
from service.listing import Page, content_digest
from service.privacy.store import ErasureStore
from service.profiles.actions import erased_profiles, get_profile
from service.refusals import quoted
from service.runtime import Runtime
from service.segments.selection import Selection, selected
from service.snapshots.world import reference_time
from service.workspaces.actions import get_workspace
from service.workspaces.store import WorkspaceStore


async def get_policy(runtime: Runtime, workspace: str) -> ContactPolicy:
    """Return the workspace's policy; raises NotFound."""
    return (await get_workspace(runtime, workspace)).contact


async def set_policy(
    runtime: Runtime, workspace: str, policy: ContactPolicy, expected: str | None = None
) -> ContactPolicy:
    """Replace the policy, only when it is still the `expected` version where one is given.

    Raises NotFound, InvalidInput, PreconditionFailed.
    """
    wanted = checked_policy(policy)
    async with runtime.database.write() as session:
        store = WorkspaceStore(session, workspace)
        stored = await store.get()
        if expected is not None and policy_version(stored.contact) != expected:
            raise PreconditionFailed(
                f"the policy is no longer {expected[:80]!r} but {policy_version(stored.contact)!r}: get it, "
                "make the change again, and send its ETag"
            )
        await store.replace(msgspec.structs.replace(stored, contact=wanted))
    return wanted


def policy_version(policy: ContactPolicy) -> str:
    """Return a digest of what a policy says."""
    return content_digest(policy)


async def set_consents(runtime: Runtime, workspace: str, rows: Iterable[ConsentFact]) -> Counts:
    """Note many words about channels; one that is older than the stored one changes nothing.

    Rejected are words of unknown profiles, on unknown channels and from the future. Raises NotFound without
    the workspace.
    """
    now = runtime.now()
    return await ingest(
        runtime,
        workspace,
        rows,
        lambda fact: consent_refusal(consent_of(fact, now), now),
        lambda session, good: ContactStore(session, workspace).set_consents(
            _not_ahead([consent_of(fact, now) for fact in good], now)
        ),
    )


async def set_consent(
    runtime: Runtime,
    workspace: str,
    profile_id: str,
    change: ConsentChange,
) -> tuple[Consent, ...]:
    """Note what a profile said about several channels, all or none; return all that holds now.

    Raises NotFound, and InvalidInput for no channel, an unknown one or a time that is to come.
    """
    if not change.channels:
        raise InvalidInput("channels is empty: name those that something was said about")
    now = runtime.now()
    consents = [
        consent_of(
            ConsentFact(
                profile_id=profile_id, channel=channel, word=word, source=change.source, at=change.at
            ),
            now,
        )
        for channel, word in change.channels.items()
    ]
    for consent in consents:
        if refused := consent_refusal(consent, now):
            raise InvalidInput(refused)
    async with runtime.database.write() as session:
        store = ContactStore(session, workspace)
        for reason in (await store.set_consents(_not_ahead(consents, now))).refused.values():
            raise NotFound(reason)
        return await store.consents(profile_id)


async def list_consents(runtime: Runtime, workspace: str, profile_id: str) -> tuple[Consent, ...]:
    """Return the profile's consents by channel; raises NotFound."""
    await get_profile(runtime, workspace, profile_id)
    async with runtime.database.read() as session:
        return await ContactStore(session, workspace).consents(profile_id)


async def suppress(runtime: Runtime, workspace: str, rows: Iterable[SuppressionEntry]) -> Counts:
    """Keep many profiles and addresses from being written to; the first reason of each stands.

    Rejected are entries of nobody or of several, and those on unknown channels. Raises NotFound without the
    workspace.
    """
    now, key = runtime.now(), await _address_key(runtime, workspace)
    return await ingest(
        runtime,
        workspace,
        rows,
        lambda entry: entry_refusal(entry, key),
        lambda session, good: ContactStore(session, workspace).suppress(
            [suppression_of(entry, key, now) for entry in good]
        ),
    )


async def lift_suppression(runtime: Runtime, workspace: str, entry: SuppressionEntry) -> None:
    """Take a profile or an address off the list of a channel, or off that of all (`*`); of the two lists the
    other is left as it is.

    What the person said about channels holds again. Raises NotFound, and InvalidInput as for an entry that
    cannot be stored.
    """
    key = await _address_key(runtime, workspace)
    if refused := entry_refusal(entry, key):
        raise InvalidInput(refused)
    gone = suppression_of(entry, key, runtime.now())

    async with runtime.database.write() as session:
        lifted = await ContactStore(session, workspace).lift(gone)
    if not lifted:
        named = "that address" if entry.profile_id is None else f"profile {quoted(entry.profile_id)}"
        raise NotFound(f"{named} is not on the list of channel {entry.channel!r} in workspace {workspace!r}")


async def list_suppressions(
    runtime: Runtime,
    workspace: str,
    *,
    after: tuple[str, str, str] | None = None,
    limit: int = 50,
    channel: str | None = None,
) -> Page[Suppression]:
    """Return a page of the list; `after` is kind, profile id or hash, and channel of the last one seen."""
    if channel not in (None, EVERY_CHANNEL):
        checked_channel(channel)
    async with runtime.database.read() as session:
        return await ContactStore(session, workspace).suppressions(after, limit, channel)


async def resolve_recipients(
    runtime: Runtime, workspace: str, channel: str, ids: Ids, *, since: datetime | None = None
) -> Recipients:
    """Say who of an audience may be written to on a channel, by the store as it is now.

    The one place that decides it (`rules.py` has the rules and their order). `since`: when the snapshot the
    ids are from was built. Erased profiles are neither allowed nor counted. Raises InvalidInput and NotFound.
    """
    checked_channel(channel)
    async with runtime.database.read() as session:
        settings = await WorkspaceStore(session, workspace).get()
        reference = await reference_time(session, settings, runtime.now())
        lists = await read_lists(
            runtime, session, workspace, settings.contact, channel, reference, since=since
        )
    erased = await erased_profiles(runtime, workspace, ids, since=since)
    return await runtime.run(lambda: apply_rules(ids, lists, erased=erased))


async def resolve_selection(
    runtime: Runtime, workspace: str, channel: str, selection: Selection
) -> Recipients:
    """Say who of a segment's members may be written to on a channel; by place among them."""
    built_at = selection.snapshot.manifest.built_at
    return await resolve_recipients(runtime, workspace, channel, selection.ids(slice(None)), since=built_at)


async def reach_segment(runtime: Runtime, workspace: str, segment: str, channel: str) -> Reach:
    """Count whom of a segment may be written to on a channel, and whom each rule removes.

    Raises InvalidInput, NotFound and IndexingError.
    """
    checked_channel(channel)
    found, selection = await selected(runtime, workspace, segment)
    checked_at = runtime.now()
    recipients = await resolve_selection(runtime, workspace, channel, selection)
    allowed = int(recipients.allowed.sum())
    return Reach(
        segment=found.id,
        name=found.name,
        channel=channel,
        audience=allowed + sum(each.removed for each in recipients.removed),
        allowed=allowed,
        removed=recipients.removed,
        checked_at=checked_at,
        as_of=selection.members.as_of,
        snapshot=selection.members.snapshot_version,
        definition_version=found.version,
    )


async def _address_key(runtime: Runtime, workspace: str) -> bytes:
    async with runtime.database.read() as session:
        return await ErasureStore(session, workspace).key()


def _not_ahead(consents: Sequence[Consent], now: datetime) -> list[Consent]:
    """Date what a fast clock dates ahead at now: the next word is then a later one."""
    return [
        msgspec.structs.replace(each, changed_at=now) if each.changed_at > now else each for each in consents
    ]
