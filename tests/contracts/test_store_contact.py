"""Consent, suppressions and caps as both databases keep them, and who is left of an audience."""

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from service.contact.actions import (
    get_policy,
    lift_suppression,
    list_consents,
    list_suppressions,
    policy_version,
    resolve_recipients,
    set_consent,
    set_consents,
    set_policy,
    suppress,
)
from service.contact.model import CHANNELS, ContactPolicy, FrequencyCap, Suppression
from service.contact.shapes import ConsentChange, ConsentFact, SuppressionEntry
from service.drafts.store import DraftStore
from service.errors import InvalidInput, NotFound, PreconditionFailed
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.identity import IdentityStore, Link
from service.profiles.model import Profile
from service.runtime import Runtime
from service.workspaces.actions import create_workspace, set_workspace
from service.workspaces.model import WorkspacePatch
from tests.contracts.conftest import NOW, Clock
from tests.contracts.test_store_rooms import draft

W = "shop"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MAIL = "Ada@Mail.example"


async def people(runtime: Runtime, *ids: str, **traits: Any) -> None:
    await upsert_profiles(runtime, W, [Profile(id=each, traits=traits) for each in ids])


async def left(runtime: Runtime, channel: str, *ids: str) -> list[str]:
    found = await resolve_recipients(runtime, W, channel, ids)
    return [who for who, allowed in zip(ids, found.allowed, strict=True) if allowed]


async def counts(runtime: Runtime, channel: str, *ids: str) -> dict[str, int]:
    found = await resolve_recipients(runtime, W, channel, ids)
    return {each.rule: each.removed for each in found.removed if each.removed}


def said(word: Any, at: Any = None, **more: Any) -> ConsentFact:
    return ConsentFact(**{"profile_id": "p1", "channel": "email", "word": word, "at": at} | more)


async def test_the_last_word_about_a_channel_counts(runtime: Runtime):
    await people(runtime, "p1")
    assert (
        await set_consents(runtime, W, [said("denied", NOW - HOUR), said("granted", NOW - DAY)])
    ).stored == 1
    assert (await set_consents(runtime, W, [said("granted", NOW - 2 * HOUR)])).duplicate == 1
    (held,) = await list_consents(runtime, W, "p1")
    assert (held.granted, held.changed_at) == (False, NOW - HOUR)
    assert (await set_consents(runtime, W, [said("granted", NOW, source="checkout")])).stored == 1
    assert (await set_consents(runtime, W, [said("granted", NOW, source="checkout")])).duplicate == 1
    (held,) = await list_consents(runtime, W, "p1")
    assert (held.granted, held.source) == (True, "checkout")


async def test_a_withdrawal_holds_at_once_whatever_clock_it_comes_from(runtime: Runtime):
    await people(runtime, "p1", "p2")
    assert await counts(runtime, "email", "p1", "p2") == {"no_consent": 2}
    yes = ConsentChange(channels={"email": "granted", "sms": "granted"}, at=NOW + timedelta(minutes=4))
    assert len(await set_consent(runtime, W, "p1", yes)) == 2
    assert await left(runtime, "email", "p1", "p2") == ["p1"]
    await set_consent(runtime, W, "p1", ConsentChange(channels={"email": "denied"}))
    assert await counts(runtime, "email", "p1", "p2") == {"denied": 1, "no_consent": 1}
    assert await left(runtime, "sms", "p1", "p2") == ["p1"]


async def test_a_word_that_cannot_be_is_refused_and_changes_nothing(runtime: Runtime):
    await people(runtime, "p1")
    with pytest.raises(InvalidInput, match="channels is empty"):
        await set_consent(runtime, W, "nobody", ConsentChange(channels={}))
    rows = [
        said("granted", channel="fax"),
        said("granted", NOW + HOUR),
        said("granted", NOW.replace(tzinfo=None)),
        said("granted", profile_id="nobody"),
        said("granted", source="x" * 201),
        said("granted", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
    ]
    found = await set_consents(runtime, W, rows)
    assert (found.stored, found.rejected) == (0, 6)
    told = [each.reason for each in found.rejects]
    for part, reason in zip(
        ("'fax'", "after now", "no offset", "'nobody'", "201", "before 1900"), told, strict=True
    ):
        assert part in reason
    assert [each.id for each in found.rejects] == ["p1", "p1", "p1", "nobody", "p1", "p1"]
    with pytest.raises(InvalidInput, match="'fax' is unknown: choose one of email"):
        await set_consent(runtime, W, "p1", ConsentChange(channels={"email": "granted", "fax": "granted"}))
    with pytest.raises(NotFound, match="'nobody'"):
        await set_consent(runtime, W, "nobody", ConsentChange(channels={"email": "granted"}))
    assert await list_consents(runtime, W, "p1") == ()


async def test_whoever_unsubscribes_withdraws_and_may_come_back(runtime: Runtime, clock: Clock):
    await people(runtime, "p1", "p2")
    facts = [
        said("granted", NOW - DAY, profile_id=who, channel=on)
        for who in ("p1", "p2")
        for on in ("email", "sms")
    ]
    await set_consents(runtime, W, facts)
    shared: dict[str, Any] = {"occurred_at": NOW - HOUR}
    events = [
        Event(id="e1", profile_id="p1", type="unsubscribe", properties={"channel": "email"}, **shared),
        Event(id="e2", profile_id="p2", type="complaint", properties={"channel": "pigeon"}, **shared),
        Event(id="e3", profile_id="p1", type="view", properties={"channel": "sms"}, **shared),
    ]
    await record_events(runtime, W, events)
    assert await left(runtime, "email", "p1", "p2") == []
    assert await left(runtime, "sms", "p1", "p2") == ["p1"]
    assert {each.source for each in await list_consents(runtime, W, "p2")} == {"complaint"}
    clock.advance(hours=1)
    await set_consents(runtime, W, [said("granted")])
    await record_events(runtime, W, events)  # sent again
    assert await left(runtime, "email", "p1", "p2") == ["p1"]


async def test_an_address_is_suppressed_for_whoever_has_it_and_never_stored(runtime: Runtime):
    await people(runtime, "p1", email=" ada@mail.EXAMPLE")
    await people(runtime, "p2", phone="+44 7700 900123")
    await people(runtime, "p3", phone=447700900123.0, email=7.0)
    await people(runtime, "p4", email="ada@mail.example.org", about='"email"')
    everybody = ("p1", "p2", "p3", "p4", "p5")
    entries = [
        SuppressionEntry(email=MAIL, reason="bounced"),
        SuppressionEntry(email=MAIL.lower(), reason="again"),
        SuppressionEntry(phone="0044 7700 900 123", channel="social"),
        SuppressionEntry(email="ada"),
        SuppressionEntry(phone="none"),
        SuppressionEntry(email=MAIL, profile_id="p1"),
        SuppressionEntry(),
        SuppressionEntry(profile_id="p5", channel="fax"),
    ]
    found = await suppress(runtime, W, entries)
    assert (found.stored, found.duplicate, found.rejected) == (2, 1, 5)
    assert await left(runtime, "social", *everybody) == ["p4", "p5"]
    assert await left(runtime, "banner", *everybody) == ["p2", "p3", "p4", "p5"]
    listed = await list_suppressions(runtime, W)
    assert {each.reason for each in listed.rows} == {"bounced", ""}
    assert all(each.profile_id is None and len(each.subject or "") == 32 for each in listed.rows)
    assert "mail" not in repr(listed).lower()
    await people(runtime, "p4", email=MAIL)  # no new snapshot is needed
    assert await left(runtime, "banner", *everybody) == ["p2", "p3", "p5"]
    await lift_suppression(runtime, W, SuppressionEntry(email=MAIL.upper()))
    assert await left(runtime, "banner", *everybody) == list(everybody)
    with pytest.raises(NotFound, match="that address is not on the list"):
        await lift_suppression(runtime, W, SuppressionEntry(email=MAIL))
    with pytest.raises(InvalidInput, match="exactly one"):
        await lift_suppression(runtime, W, SuppressionEntry())


async def test_the_same_address_has_another_hash_in_another_workspace(runtime: Runtime):
    await create_workspace(runtime, "other")
    for workspace in (W, "other"):
        await suppress(runtime, workspace, [SuppressionEntry(email=MAIL)])
    subjects = [(await list_suppressions(runtime, each)).rows[0].subject for each in (W, "other")]
    assert subjects[0] != subjects[1]


async def test_whoever_was_suppressed_stays_so_after_erasure_under_another_id(runtime: Runtime):
    await people(runtime, "p1", "p2", email=MAIL, phone="5551234")
    await people(runtime, "p3", email="eve@mail.example")
    await suppress(runtime, W, [SuppressionEntry(profile_id="p1", channel="social", reason="Ada called")])
    for who in ("p1", "p3"):
        await erase_profile(runtime, W, who)
    await people(runtime, "new", email=MAIL.lower())
    await people(runtime, "newer", email="eve@mail.example")
    assert await left(runtime, "social", "p1", "p2", "new", "newer") == ["newer"]
    assert await left(runtime, "banner", "p1", "new") == ["new"]
    kept = (await list_suppressions(runtime, W)).rows
    assert [each.reason for each in kept] == ["suppressed before erasure"] * 2
    assert await counts(runtime, "social", "p1", "newer") == {}


async def test_whoever_was_merged_since_the_snapshot_is_who_they_belong_to(runtime: Runtime):
    await people(runtime, "p1", "u1", "p2", "u2", "p3", "u3")
    since, then = NOW - 3 * DAY, NOW - 2 * DAY
    cap = FrequencyCap(channel="social", most=1, days=1)  # counts from later than the merges
    await set_policy(runtime, W, ContactPolicy(caps=(cap,)))
    await suppress(runtime, W, [SuppressionEntry(profile_id="u1", channel="social")])
    await set_consent(runtime, W, "u2", ConsentChange(channels={"social": "denied"}))
    async with runtime.database.write() as session:
        for number in (1, 2, 3):
            link = Link(anonymous_id=f"p{number}", profile_id=f"u{number}", at=then)
            await IdentityStore(session, W).link(link, then)
    for built in (since, None):
        found = await resolve_recipients(runtime, W, "social", ["p1", "p2", "p3"], since=built)
        assert found.allowed.tolist() == [False, False, True]


async def test_the_list_is_paged_through_and_lifted_one_by_one(runtime: Runtime):
    ids = [f"p{number}" for number in range(7)]
    entries = [SuppressionEntry(profile_id=who, channel=on) for who in ids for on in ("*", "email")]
    entries += [SuppressionEntry(email=f"{who}@mail.example", channel="email") for who in ids]
    assert (await suppress(runtime, W, entries)).stored == 21
    seen: list[Suppression] = []
    after = None
    while True:
        page = await list_suppressions(runtime, W, after=after, limit=4)
        seen += page.rows
        if page.next_after is None:
            break
        last = page.rows[-1]
        after = ("profile" if last.profile_id else "address", page.next_after, last.channel)
    assert len(seen) == len(set(seen)) == 21
    assert [each.profile_id for each in seen[7:]] == [who for who in ids for _ in range(2)]
    assert len((await list_suppressions(runtime, W, channel="*")).rows) == 7
    assert len((await list_suppressions(runtime, W, channel="email", limit=50)).rows) == 14
    with pytest.raises(InvalidInput, match="'fax'"):
        await list_suppressions(runtime, W, channel="fax")
    await lift_suppression(runtime, W, SuppressionEntry(profile_id="p0"))
    assert await counts(runtime, "social", "p0", "p1") == {"suppressed": 1}
    assert await counts(runtime, "email", "p0") == {"suppressed": 1}


async def test_a_policy_says_who_needs_to_agree_and_one_that_means_nothing_is_refused(runtime: Runtime):
    await people(runtime, "p1")
    policy = await get_policy(runtime, W)
    assert policy == ContactPolicy(opt_in=("email", "push", "sms"))
    assert [name for name in CHANNELS if await left(runtime, name, "p1")] == ["search", "social", "banner"]
    changed = await set_policy(runtime, W, ContactPolicy(opt_in=("sms",)), policy_version(policy))
    assert await left(runtime, "email", "p1") == ["p1"]
    with pytest.raises(PreconditionFailed, match=policy_version(changed)):
        await set_policy(runtime, W, policy, policy_version(policy))
    bad = [
        (ContactPolicy(opt_in=("fax",)), "'fax'"),
        (ContactPolicy(holdout=0.51), "0.51"),
        (ContactPolicy(holdout=float("nan")), "nan"),
        (ContactPolicy(caps=(FrequencyCap(channel="email", most=0, days=1),)), "cap of 0 in 1"),
        (ContactPolicy(caps=(FrequencyCap(channel="email", most=1, days=1),) * 21), "21"),
    ]
    for wrong, quoted in bad:
        with pytest.raises(InvalidInput, match=quoted):
            await set_policy(runtime, W, wrong)
    assert await get_policy(runtime, W) == changed
    with pytest.raises(InvalidInput, match="'pigeon'"):
        await resolve_recipients(runtime, W, "pigeon", ["p1"])


async def test_caps_count_messages_of_the_channel_in_their_days(runtime: Runtime):
    ids = ("p1", "p2", "p3", "p4", "p5", "p6")
    await people(runtime, *ids)
    caps = (
        FrequencyCap(channel="social", most=2, days=7),
        FrequencyCap(channel="social", most=1, days=1),
        FrequencyCap(channel="email", most=1, days=1),
    )
    await set_policy(runtime, W, ContactPolicy(caps=caps))
    push = draft(1, "For you", id="d-1")
    social = draft(2, "For you", id="draft-2", brief=msgspec.structs.replace(push.brief, channel="social"))
    async with runtime.database.write() as session:
        for each in (social, push):
            await DraftStore(session, W).add(each)
    number = 0

    async def sent(who: str, ago: timedelta, kind: str = "sent", **more: Any) -> None:
        nonlocal number
        number += 1
        more = more or {"properties": {"channel": "social"}}
        at = NOW - ago
        event = Event(id=f"e{number}", profile_id=who, type=kind, occurred_at=at, **more)
        assert (await record_events(runtime, W, [event])).stored == 1

    for kind in ("sent", "delivered", "impression"):  # one message
        await sent("p1", 2 * DAY, kind)
    await sent("p2", 2 * DAY)
    await sent("p2", 7 * DAY - HOUR)
    await sent("p3", 2 * DAY)
    await sent("p3", 7 * DAY)  # no longer
    await sent("p4", HOUR, "impression", variant_id=f"{social.id}/v1")
    await sent("p5", HOUR, "impression", variant_id=f"{push.id}/v1")
    await sent("p5", HOUR, "impression", variant_id=f"{social.id}/v1", properties={"channel": "email"})
    await sent("p6", HOUR, "click")
    await sent("p6", HOUR, "impression", properties={"page": "home"})
    assert await left(runtime, "social", *ids) == ["p1", "p3", "p5", "p6"]
    assert await counts(runtime, "social", *ids) == {"frequency_cap": 2}
    await set_workspace(runtime, W, WorkspacePatch(reference_time=(NOW - DAY).isoformat()))
    assert await left(runtime, "social", *ids) == ["p1", "p4", "p5", "p6"]
