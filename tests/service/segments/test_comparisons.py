"""Segments beside each other and over time, and what uses one."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from indexing.errors import SnapshotMissing
from service.drafts.store import DraftStore
from service.errors import Gone, InvalidInput, NotFound
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.segments.actions import create_segment, delete_segment, update_segment
from service.segments.comparisons import list_changes, overlap
from service.segments.impact import impacted
from service.segments.members import count_members, list_members, profile_segments
from service.segments.model import SegmentPatch
from service.segments.previews import preview_segment
from service.snapshots.actions import build_snapshot
from tests.service.segments.people_shop import BRITISH, NOW, W

BUYERS = {"event": "purchase", "op": "ge", "value": 1}


async def test_a_count_is_what_members_and_preview_count_erased_ones_left_out(runtime: Runtime) -> None:
    segment = await create_segment(runtime, W, "British", BRITISH)
    await erase_profile(runtime, W, "p02")
    counted = await count_members(runtime, W, "British")
    page = await list_members(runtime, W, segment.id, limit=100)
    previewed = await preview_segment(runtime, W, segment.id)
    assert counted.count == page.count == len(page.members) == previewed.size == 29
    assert (counted.population, counted.as_of, counted.definition_version) == (60, NOW, 1)
    assert previewed.definition_version == page.definition_version == 1
    assert counted.snapshot == page.snapshot == previewed.snapshot


async def test_the_segments_of_a_profile_are_those_that_list_it(runtime: Runtime) -> None:
    await create_segment(runtime, W, "British", BRITISH)
    await create_segment(runtime, W, "buyers", BUYERS)
    await create_segment(runtime, W, "gardeners", {"like": "gardening", "top": 20})
    await create_segment(runtime, W, "like the lost", {"similar_to": {"profiles": ["p99"]}})
    lists = {
        name: {each.profile_id: each.score for each in (await list_members(runtime, W, name)).members}
        for name in ("British", "buyers", "gardeners")
    }
    for profile in ("p02", "p03", "p04", "p05", "p59"):
        for at in ("snapshot", "live"):
            found = await profile_segments(runtime, W, profile, at=at)
            named = {each.name: each.score for each in found.segments}
            assert named == {name: members[profile] for name, members in lists.items() if profile in members}
            assert [(each.name, "p99" in each.error) for each in found.failed] == [("like the lost", True)]
    await erase_profile(runtime, W, "p04")
    for at in ("snapshot", "live"):
        with pytest.raises(NotFound, match="p04"):
            await profile_segments(runtime, W, "p04", at=at)


async def test_live_segments_of_a_profile_follow_its_newest_events(runtime: Runtime) -> None:
    await create_segment(runtime, W, "buyers", BUYERS)
    assert (await profile_segments(runtime, W, "p03", at="live")).segments == ()
    await record_events(
        runtime, W, [Event(id="new", profile_id="p03", type="purchase", item_id="pan", occurred_at=NOW)]
    )
    assert [each.name for each in (await profile_segments(runtime, W, "p03", at="live")).segments] == [
        "buyers"
    ]
    assert (await profile_segments(runtime, W, "p03")).segments == ()


async def test_overlaps_are_counted_by_hand(runtime: Runtime) -> None:
    await create_segment(runtime, W, "British", BRITISH)
    await create_segment(runtime, W, "buyers", BUYERS)
    await create_segment(runtime, W, "French", {"not": BRITISH})
    await create_segment(runtime, W, "nobody", {"any": []})
    await create_segment(runtime, W, "like the lost", {"similar_to": {"profiles": ["p99"]}})
    await erase_profile(runtime, W, "p02")
    found = await overlap(runtime, W, "British")
    assert (found.count, found.as_of, found.definition_version) == (29, NOW, 1)
    assert [(each.name, each.count, each.shared, each.jaccard) for each in found.others] == [
        ("buyers", 39, 19, round(19 / 49, 6)),
        ("French", 30, 0, 0.0),
        ("nobody", 0, 0, 0.0),
    ]
    assert [each.name for each in found.failed] == ["like the lost"]
    named = await overlap(runtime, W, "British", ["nobody", "nobody", "British"])
    assert [each.name for each in named.others] == ["nobody"]
    with pytest.raises(NotFound, match="'walkers'"):
        await overlap(runtime, W, "British", ["walkers"])


async def test_too_many_to_compare_with_is_refused(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.segments.comparisons.MOST_COMPARED", 1)
    for name in ("a", "b", "c"):
        await create_segment(runtime, W, name, BRITISH)
    with pytest.raises(InvalidInput, match="2 segments to compare with: at most 1"):
        await overlap(runtime, W, "a")
    assert (await overlap(runtime, W, "a", ["b"])).others[0].jaccard == 1.0


async def test_changes_are_told_page_by_page_and_never_of_the_erased(runtime: Runtime) -> None:
    segment = await create_segment(runtime, W, "British", BRITISH)
    first = (await list_members(runtime, W, segment.id, limit=1)).snapshot
    await upsert_profiles(
        runtime,
        W,
        [
            Profile(id="p00", traits={"country": "FR"}),
            Profile(id="p01", traits={"country": "GB"}),
            Profile(id="p61", traits={"country": "GB"}),
            Profile(id="p62", traits={"country": "GB"}),
        ],
    )
    await build_snapshot(runtime, W)
    for erased in ("p04", "p62"):
        await erase_profile(runtime, W, erased)
    page = await list_changes(runtime, W, "British", first, limit=2)
    assert (page.entered, page.left, page.count) == (2, 1, 30)
    assert page.next is not None
    await update_segment(runtime, W, segment.id, SegmentPatch(definition={"any": []}))
    rest = await list_changes(runtime, W, "British", first, cursor=page.next)
    told = [(each.profile_id, each.change) for each in (*page.changes, *rest.changes)]
    assert told == [("p00", "left"), ("p01", "entered"), ("p61", "entered")]
    assert (rest.next, rest.snapshot, rest.definition_version) == (None, page.snapshot, 1)
    other = await create_segment(runtime, W, "other", BRITISH)
    for cursor, named, since, told in (
        (page.next, other.id, first, "another segment"),
        (page.next, segment.id, page.snapshot, "other snapshots"),
        (replace(page.next, offset=99), segment.id, first, "offset 99"),
    ):
        with pytest.raises(InvalidInput, match=told):
            await list_changes(runtime, W, named, since, cursor=cursor)
    with pytest.raises(Gone, match="GET /v1/snapshots"):
        await list_changes(runtime, W, "British", "20200101T000000Z-00000000")
    await build_snapshot(runtime, W)  # the older ones hold the erased, and go
    with pytest.raises(Gone, match="GET /v1/snapshots"):
        await list_changes(runtime, W, "British", first, cursor=page.next)


async def test_time_alone_moves_people_out_of_a_window(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await create_segment(runtime, W, "recent", {"event": "*", "within_days": 10})
    first = (await list_members(runtime, W, segment.id, limit=1)).snapshot
    monkeypatch.setattr(runtime, "now", lambda: NOW + timedelta(days=2))
    await build_snapshot(runtime, W)
    page = await list_changes(runtime, W, segment.id, first)
    assert [(each.profile_id, each.change) for each in page.changes] == [("p09", "left"), ("p10", "left")]
    assert page.as_of - page.since_as_of == timedelta(days=2)


async def test_what_uses_a_segment_is_told_with_the_way_there(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    british = await create_segment(runtime, W, "British", BRITISH)
    await create_segment(runtime, W, "others", {"not": {"segment": "British"}})
    await create_segment(runtime, W, "alike", {"similar_to": {"segment": "others"}, "top": 3})
    await create_segment(runtime, W, "apart", {"all": [{"segment": "alike"}, {"segment": british.id}]})
    await create_segment(runtime, W, "alone", BUYERS)

    async def three(_: DraftStore, segment: str) -> int:
        return 3 if segment == british.id else 0

    monkeypatch.setattr(DraftStore, "count", three)
    found = await impacted(runtime, W, "British")
    assert [(each.name, each.through) for each in found.segments] == [
        ("apart", ()),
        ("others", ()),
        ("alike", ("others",)),
    ]
    assert (found.drafts, found.deletable) == (3, False)
    free = await impacted(runtime, W, "alone")
    assert (free.segments, free.drafts, free.deletable) == ((), 0, True)
    await delete_segment(runtime, W, "alone")
    with pytest.raises(NotFound):
        await impacted(runtime, W, "alone")


async def test_without_a_snapshot_a_count_says_so(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    await create_segment(runtime, W, "British", BRITISH)
    shelf = runtime.snapshots.shelf(W)
    monkeypatch.setattr(shelf, "list", lambda: ())
    for ask in (count_members, overlap, profile_segments):
        with pytest.raises(SnapshotMissing, match="build one"):
            await ask(runtime, W, "British")
