"""Who is who: merges and traits come out the same in whatever order they are told; on both databases."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.contact.actions import list_consents, resolve_recipients, set_consents, suppress
from service.contact.shapes import ConsentFact, SuppressionEntry
from service.errors import NotFound
from service.events.actions import newest_events, record_events
from service.events.model import Event
from service.profiles.actions import (
    erase_profile,
    erased_profiles,
    get_profile,
    list_profiles,
    upsert_profiles,
)
from service.profiles.model import Profile
from service.quality.actions import list_findings
from service.runtime import Runtime
from service.snapshots.world import live_world, read_world
from service.tracking.actions import receive
from service.tracking.model import Call, Message
from service.tracking.translation import Arrival
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW, Clock

Said = tuple[Call, dict[str, Any]]
HOUR = timedelta(hours=1)
USERS = ("u1", "u2", "u3")
OWNERS = {"a1": "u1", "a2": "u1", "a3": "u2", "a4": "a3"}
"""Who each anonymous profile turns out to be; the last one by way of another."""


def root(profile_id: str) -> str:
    while profile_id in OWNERS:
        profile_id = OWNERS[profile_id]
    return profile_id


async def told(runtime: Runtime, workspace: str, *calls: Said) -> Any:
    messages: list[tuple[int, Call, Message]] = [
        (place, call, msgspec.convert({"timestamp": NOW.isoformat(), **fields}, Message))
        for place, (call, fields) in enumerate(calls)
    ]
    return await receive(runtime, workspace, "test", messages, Arrival(received_at=runtime.now()))


def stories() -> st.SearchStrategy[list[Said]]:
    """Calls of a few people in any order: events and traits at any time, and every merge."""
    who = st.sampled_from([*USERS, *OWNERS])
    hours = st.integers(-100, 23)
    events = st.tuples(who, hours, st.sampled_from(["view", "Order Completed"]), st.integers(0, 30))
    traits = st.tuples(who, hours, st.sampled_from(["plan", "city"]), st.sampled_from(["x", "y", None]))

    def written(parts: tuple[list[Any], list[Any], Random]) -> list[Said]:
        did, words, order = parts
        calls = [
            tracked(each, name, number, hour)
            for each, hour, name, number in {one[3]: one for one in did}.values()
        ]
        calls += [
            said("identify", userId=each, traits={name: value}, timestamp=at(hour))
            for each, hour, name, value in words
        ]
        for each, owner in OWNERS.items():
            known = owner in USERS
            merge = said("identify", userId=owner, anonymousId=each) if known else None
            calls.append(merge or said("alias", userId=owner, previousId=each))
        order.shuffle(calls)
        return calls

    parts = st.tuples(
        st.lists(events, min_size=4, max_size=12),
        st.lists(traits, min_size=1, max_size=6),
        st.randoms(use_true_random=False),
    )
    return parts.map(written)


def said(call: Call, **fields: Any) -> Said:
    return call, fields


def tracked(who: str, event: str, number: int, hours: int) -> Said:
    properties = {"value": float(number)}
    when = at(hours)
    return said(
        "track", userId=who, event=event, messageId=f"m{number}", timestamp=when, properties=properties
    )


def at(hours: int) -> str:
    return (NOW + hours * HOUR).isoformat()


def plain(
    calls: list[Said],
) -> tuple[Counter[tuple[str, str, float]], dict[str, dict[str, Any]]]:
    """What the story says, in a few lines of Python: events up to now by owner, each trait's last word."""
    counts, words = Counter[tuple[str, str, float]](), dict[tuple[str, str], tuple[datetime, str, Any]]()
    for call, fields in calls:
        owner, when = root(str(fields["userId"])), fields.get("timestamp", "")
        if call == "track" and datetime.fromisoformat(when) <= NOW:
            kind = "purchase" if fields["event"] == "Order Completed" else "view"
            counts[owner, kind, fields["properties"]["value"]] += 1
        for name, value in fields.get("traits", {}).items():
            word = (datetime.fromisoformat(when), value or "", value)
            words[owner, name] = max(words.get((owner, name), word), word, key=lambda one: one[:2])
    traits: dict[str, dict[str, Any]] = {}
    for (owner, name), (_, _, value) in words.items():
        traits.setdefault(owner, {})
        if value is not None:
            traits[owner][name] = value
    return counts, traits


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=stories(), cuts=st.sets(st.integers(1, 15), max_size=3))
async def test_any_order_in_any_batches_gives_the_counts_and_traits_of_the_story(
    runtime: Runtime, calls: list[Said], cuts: set[int]
):
    workspace = f"w{uuid4().hex[:12]}"
    await create_workspace(runtime, workspace)
    places = [0, *sorted(cut for cut in cuts if cut < len(calls)), len(calls)]
    for start, end in pairwise(places):
        answer = await told(runtime, workspace, *calls[start:end])
        assert (answer.rejected, answer.rejects) == (0, ())
        if start % 2:  # a sender that heard no answer sends again
            assert (await told(runtime, workspace, *calls[start:end])).stored == 0
    counts, traits = plain(calls)
    world = await read_world(runtime, workspace)
    ids = world.profiles["id"].to_list()
    found = Counter(
        (ids[who], kind, value)
        for who, kind, value in world.events.select("profile", "type", "value").iter_rows()
    )
    assert found == counts
    assert set(ids) <= set(USERS)
    for profile_id in (*USERS, *OWNERS):
        owner = root(profile_id)
        if owner in ids:
            profile = await get_profile(runtime, workspace, profile_id)
            assert (profile.id, profile.traits) == (owner, traits.get(owner, {}))
            live = await live_world(runtime, workspace, profile_id, world.items)
            assert live.events.height == sum(number for (who, _, _), number in counts.items() if who == owner)


async def test_words_about_channels_follow_a_profile_into_the_one_it_is_merged_into(runtime: Runtime):
    await upsert_profiles(runtime, "shop", [Profile(id="a", traits={"city": "Bath"}), Profile(id="u")])
    words = [
        ConsentFact(profile_id="a", channel="email", word="granted", at=NOW - timedelta(days=7)),
        ConsentFact(profile_id="u", channel="email", word="denied", at=NOW - timedelta(days=8)),
    ]
    assert (await set_consents(runtime, "shop", words)).stored == 2
    await suppress(runtime, "shop", [SuppressionEntry(profile_id="a", channel="social")])
    await told(runtime, "shop", ("alias", {"previousId": "a", "userId": "u"}))
    for who in ("a", "u"):
        (consent,) = await list_consents(runtime, "shop", who)
        assert (consent.profile_id, consent.granted) == ("u", True)
    assert not (await resolve_recipients(runtime, "shop", "social", ["u"])).allowed.any()
    assert (await get_profile(runtime, "shop", "u")).traits == {"city": "Bath"}
    assert (await resolve_recipients(runtime, "shop", "banner", ["u"])).allowed.all()
    await suppress(runtime, "shop", [SuppressionEntry(profile_id="a", channel="banner")])
    assert not (await resolve_recipients(runtime, "shop", "banner", ["u"])).allowed.any()
    assert [each.id for each in (await list_profiles(runtime, "shop")).rows] == ["u"]
    counts = await upsert_profiles(runtime, "shop", [Profile(id="a", traits={})])
    assert "merged into 'u'" in counts.rejects[0].reason


async def test_erasing_one_erases_all_that_were_merged_into_it(runtime: Runtime):
    view = Event(id="e", profile_id="a", type="view", occurred_at=NOW)
    await record_events(runtime, "shop", [view])
    await told(
        runtime,
        "shop",
        ("alias", {"previousId": "a", "userId": "u"}),
        ("alias", {"previousId": "u", "userId": "v"}),
    )
    assert [each.profile_id for each in await newest_events(runtime, "shop", "a")] == ["v"]
    erasure = await erase_profile(runtime, "shop", "a")
    removed = {each.where: each.count for each in erasure.removed}
    assert (len(erasure.subjects), removed["store.events"], removed["store.profiles"]) == (3, 1, 3)
    assert await erase_profile(runtime, "shop", "u") == erasure
    assert await erased_profiles(runtime, "shop", ["a", "u", "v", "w"]) == {"a", "u", "v"}
    for who in ("a", "u", "v"):
        with pytest.raises(NotFound):
            await get_profile(runtime, "shop", who)
        counts = await record_events(runtime, "shop", [msgspec.structs.replace(view, id=who, profile_id=who)])
        assert "was erased" in counts.rejects[0].reason
    refused = await told(runtime, "shop", ("alias", {"previousId": "w", "userId": "u"}))
    assert "'u' was erased" in refused.rejects[0].reason


async def test_an_erased_customer_is_in_no_example_of_a_finding(runtime: Runtime):
    await told(runtime, "shop", ("alias", {"previousId": "anna-1", "userId": "anna"}))
    odd = {
        "userId": "anna",
        "event": "view",
        "messageId": "m-of-anna-1",
        "properties": {"price": -1, "quantity": "x"},
    }
    await told(runtime, "shop", ("track", odd), ("track", {**odd, "userId": "bert"}))
    assert "anna" in str(await list_findings(runtime, "shop"))
    erasure = await erase_profile(runtime, "shop", "anna")
    assert "store.findings" in {each.where for each in erasure.removed}
    await told(runtime, "shop", ("track", {**odd, "messageId": "m-2", "userId": "anna-1"}))
    found = await list_findings(runtime, "shop")
    assert "anna" not in str(found)
    assert sum(each.count for each in found if "was erased" in each.about) == 1


async def test_a_merge_in_a_ring_and_one_told_twice_change_nothing(runtime: Runtime):
    first = await told(runtime, "shop", ("alias", {"previousId": "a", "userId": "b"}))
    again = await told(
        runtime,
        "shop",
        ("alias", {"previousId": "a", "userId": "b"}),
        ("alias", {"previousId": "b", "userId": "a"}),
        ("alias", {"previousId": "b", "userId": "b"}),
    )
    assert (first.stored, again.stored, again.duplicate) == (1, 0, 3)


async def test_merges_traits_and_events_at_once_lose_nothing(runtime: Runtime):
    async def visit(number: int) -> None:
        calls: list[Said] = [
            ("track", {"anonymousId": f"a{number % 5}", "event": "view", "messageId": f"m{number}"}),
            (
                "identify",
                {"userId": f"u{number % 5}", "anonymousId": f"a{number % 5}", "traits": {f"t{number}": 1}},
            ),
        ]
        await told(runtime, "shop", *calls)

    await asyncio.gather(*(visit(number) for number in range(30)))
    world = await read_world(runtime, "shop")
    assert world.profiles["id"].to_list() == [f"u{number}" for number in range(5)]
    assert world.events.height == 30
    for number in range(5):
        assert len((await get_profile(runtime, "shop", f"a{number}")).traits) == 6


async def test_a_clock_that_goes_back_loses_and_repeats_nothing(runtime: Runtime, clock: Clock):
    events = [Event(id=f"e{n}", profile_id="p", type="view", occurred_at=NOW + n * HOUR) for n in range(4)]
    clock.advance(hours=2)
    assert (await record_events(runtime, "shop", events[:3])).stored == 3
    clock.advance(hours=-30)
    counts = await record_events(runtime, "shop", events)
    assert (counts.stored, counts.duplicate) == (0, 0)
    assert [each.reason.split(" is ")[1][:20] for each in counts.rejects] == ["more than a day afte"] * 4
    clock.advance(hours=20)
    counts = await record_events(runtime, "shop", events)
    assert (counts.stored, counts.duplicate) == (1, 3)
    assert (await read_world(runtime, "shop")).events.height == 0  # none has happened yet
    clock.advance(hours=12)
    assert (await read_world(runtime, "shop")).events.height == 4
