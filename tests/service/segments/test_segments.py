"""Segments over a real store and a published snapshot."""

from typing import Any

import pytest
from msgspec.structs import replace

from indexing.errors import DefinitionError, EmbedderError
from service.catalog.actions import delete_item
from service.errors import Conflict, Gone, InvalidInput, NotFound, PreconditionFailed
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.segments import actions, previews
from service.segments.members import count_members, list_members, match_profile
from service.segments.model import MembersCursor, SegmentPatch
from service.segments.selection import SNAPSHOTS_REMEMBERED, memory_of
from service.snapshots.actions import build_snapshot, list_snapshots
from service.snapshots.replicas import KEEP
from tests.indexing.plain_embedder import PlainEmbedder
from tests.service.segments.people_shop import BRITISH, NOW, W


async def _all_members(runtime: Runtime, segment: str, limit: int) -> list[str]:
    page = await list_members(runtime, W, segment, limit=limit)
    found = [member.profile_id for member in page.members]
    while page.next is not None:
        page = await list_members(runtime, W, segment, cursor=page.next, limit=limit)
        found += [member.profile_id for member in page.members]
    return found


async def test_members_preview_and_match_agree(runtime: Runtime) -> None:
    definition = {"all": [BRITISH, {"event": "purchase", "op": "ge", "value": 2, "within_days": 40}]}
    segment = await actions.create_segment(runtime, W, "British buyers", definition)
    members = await _all_members(runtime, segment.id, 7)
    expected = [f"p{n:02}" for n in range(60) if n % 2 == 0 and n % 3 and n + 1 <= 40]
    assert members == expected
    preview = await previews.preview(runtime, W, definition)
    assert (preview.size, preview.population, preview.as_of) == (len(expected), 60, NOW)
    assert len(preview.sample) == 10
    assert preview.sample[0].why == (
        "country is GB, needs exactly GB",
        "purchase events in the last 40 days: 3, needs at least 2",
    )
    for profile in ("p02", "p04", "p03", "p58", "p06"):
        for at in ("snapshot", "live"):
            match = await match_profile(runtime, W, segment.name, profile, at=at)
            assert match.matched == (profile in expected), (profile, at)
            assert match.definition_version == 1


async def test_a_preview_says_which_names_the_snapshot_does_not_hold(runtime: Runtime) -> None:
    misspelt = {"any": [{"trait": "contry", "op": "eq", "value": "GB"}, {"event": "bought"}, BRITISH]}
    preview = await previews.preview(runtime, W, misspelt)
    assert preview.size == 30
    assert preview.warnings == (
        "the snapshot holds no trait 'contry' (nearest: 'country')",
        "the snapshot holds no event type 'bought'",
    )
    assert (await previews.preview(runtime, W, BRITISH)).warnings == ()


async def test_an_item_deleted_since_the_snapshot_still_counts_until_the_next(runtime: Runtime) -> None:
    rule = {"event": "purchase", "item": "pan"}
    before = await previews.preview(runtime, W, rule)
    await delete_item(runtime, W, "pan")
    assert (await previews.preview(runtime, W, rule)).size == before.size > 0
    await build_snapshot(runtime, W)
    after = await previews.preview(runtime, W, rule)
    assert (after.size, after.warnings) == (0, ("the snapshot holds no item 'pan'",))


async def test_a_like_by_another_encoder_than_the_snapshots_is_refused(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other() -> PlainEmbedder:
        return PlainEmbedder(dim=8)

    monkeypatch.setattr(runtime, "embedder", other)
    with pytest.raises(EmbedderError, match=r"8 dimensions.*rebuild the snapshot"):
        await previews.preview(runtime, W, {"like": "gardening"})
    assert (await previews.preview(runtime, W, BRITISH)).size == 30


async def test_meaning_is_matched_live_as_in_the_snapshot(runtime: Runtime) -> None:
    segment = await actions.create_segment(runtime, W, "gardeners", {"like": "gardening", "top": 20})
    members = await _all_members(runtime, "gardeners", 100)
    assert len(members) == 20
    assert all(int(member[1:]) % 2 == 0 for member in members)
    for number in range(0, 60, 5):
        profile = f"p{number:02}"
        stored = await match_profile(runtime, W, segment.id, profile)
        live = await match_profile(runtime, W, segment.id, profile, at="live")
        assert (live.matched, live.score, live.reasons) == (stored.matched, stored.score, stored.reasons)
        assert stored.matched == (profile in members)
    audience = await previews.resolve_audience(runtime, W, "gardeners")
    assert (audience.name, audience.interest) == ("gardeners", "gardening")
    assert audience.description.startswith("These customers are drawn to gardening")


async def test_live_sees_what_happened_after_the_snapshot(runtime: Runtime) -> None:
    await actions.create_segment(runtime, W, "busy", {"event": "purchase", "op": "ge", "value": 4})
    assert not (await match_profile(runtime, W, "busy", "p01", at="live")).matched
    bought = Event(id="new", profile_id="p01", type="purchase", item_id="pan", occurred_at=NOW)
    await record_events(runtime, W, [bought])
    assert (await match_profile(runtime, W, "busy", "p01", at="live")).matched
    assert not (await match_profile(runtime, W, "busy", "p01", at="snapshot")).matched


async def test_a_cursor_keeps_its_snapshot_and_its_definition(runtime: Runtime) -> None:
    segment = await actions.create_segment(runtime, W, "British", BRITISH)
    first = await list_members(runtime, W, segment.id, limit=10)
    await upsert_profiles(runtime, W, [Profile(id="p00a", traits={"country": "GB"})])
    await build_snapshot(runtime, W)
    await actions.update_segment(runtime, W, segment.id, SegmentPatch(definition={"any": []}), version=1)
    assert first.next is not None
    second = await list_members(runtime, W, segment.id, cursor=first.next, limit=100)
    assert second.next is None
    assert (second.snapshot, second.definition_version) == (first.snapshot, 1)
    seen = [member.profile_id for member in (*first.members, *second.members)]
    assert seen == [f"p{n:02}" for n in range(0, 60, 2)]
    assert (await list_members(runtime, W, segment.id)).count == 0


async def test_audiences_that_were_looked_at_hold_no_old_snapshot(runtime: Runtime) -> None:
    segment = await actions.create_segment(runtime, W, "British", BRITISH)
    begun = await list_members(runtime, W, segment.id, limit=10)
    for _ in range(KEEP + 1):
        await build_snapshot(runtime, W)
        await count_members(runtime, W, segment.id)
    published = [info.version for info in await list_snapshots(runtime, W)]
    assert published[KEEP:] == [begun.snapshot], "the first is leased by its cursor, the others are gone"
    held = {version for _, version, _ in memory_of(runtime).selections}
    assert held == set(published[:SNAPSHOTS_REMEMBERED])
    rest = await list_members(runtime, W, segment.id, cursor=begun.next, limit=100)
    assert (rest.snapshot, len(rest.members)) == (begun.snapshot, 20)


async def test_a_cursor_that_is_gone_or_foreign_is_refused(runtime: Runtime) -> None:
    segment = await actions.create_segment(runtime, W, "British", BRITISH)
    other = await actions.create_segment(runtime, W, "French", {"not": BRITISH})
    page = await list_members(runtime, W, segment.id, limit=10)
    cursor = page.next
    assert cursor is not None

    async def read(changed: MembersCursor, of: str = segment.id) -> Any:
        return await list_members(runtime, W, of, cursor=changed)

    with pytest.raises(Gone, match="start again without the cursor"):
        await read(replace(cursor, snapshot="20200101T000000Z-00000000"))
    with pytest.raises(Gone):
        await read(replace(cursor, snapshot="../../etc"))
    with pytest.raises(Gone, match="version 9"):
        await read(replace(cursor, version=9))
    with pytest.raises(InvalidInput, match="another segment"):
        await read(cursor, other.id)
    with pytest.raises(InvalidInput, match="offset -1"):
        await read(replace(cursor, offset=-1))


async def test_the_erased_are_masked_from_every_answer_at_once(runtime: Runtime) -> None:
    segment = await actions.create_segment(runtime, W, "British", BRITISH)
    await erase_profile(runtime, W, "p02")
    page = await list_members(runtime, W, segment.id, limit=100)
    preview = await previews.preview(runtime, W, BRITISH)
    described = await previews.describe_segment(runtime, W, segment.id)
    assert page.count == preview.size == described.description.size == 29
    assert "p02" not in {member.profile_id for member in page.members}
    for at in ("snapshot", "live"):
        with pytest.raises(NotFound, match="p02"):
            await match_profile(runtime, W, segment.id, "p02", at=at)


async def test_changing_needs_the_current_version(runtime: Runtime) -> None:
    segment = await actions.create_segment(runtime, W, "British", BRITISH)
    changed = await actions.update_segment(
        runtime, W, segment.id, SegmentPatch(definition={"like": "tea"}, note="wider"), version=1
    )
    assert (changed.version, changed.definition, changed.note) == (2, {"like": "tea"}, "wider")
    with pytest.raises(PreconditionFailed, match="version 2, not 1"):
        await actions.update_segment(runtime, W, segment.id, SegmentPatch(name="x"), version=1)
    with pytest.raises(PreconditionFailed):
        await actions.delete_segment(runtime, W, segment.id, version=1)
    await actions.delete_segment(runtime, W, segment.id, version=2)
    with pytest.raises(NotFound):
        await actions.get_segment(runtime, W, segment.id)


async def test_segments_that_use_each_other_are_guarded(runtime: Runtime) -> None:
    british = await actions.create_segment(runtime, W, "British", BRITISH)
    await actions.create_segment(runtime, W, "others", {"not": {"segment": "British"}})
    with pytest.raises(DefinitionError, match="circle: British -> others -> British"):
        await actions.update_segment(runtime, W, british.id, SegmentPatch(definition={"segment": "others"}))
    with pytest.raises(Conflict, match="used by segment 'others'"):
        await actions.delete_segment(runtime, W, british.id)
    with pytest.raises(Conflict, match="used by segment 'others'"):
        await actions.update_segment(runtime, W, british.id, SegmentPatch(name="Brits"))
    with pytest.raises(DefinitionError, match="no segment 'Brits'"):
        await actions.create_segment(runtime, W, "third", {"segment": "Brits"})
    with pytest.raises(Conflict, match="'British' exists already"):
        await actions.create_segment(runtime, W, "British", BRITISH)
    with pytest.raises(InvalidInput, match="printable"):
        await actions.create_segment(runtime, W, "  \n", BRITISH)
    assert [each.name for each in (await actions.list_segments(runtime, W)).rows] == ["British", "others"]
    with pytest.raises(NotFound, match="no workspace 'nowhere'"):
        await actions.list_segments(runtime, "nowhere")
    rest = await actions.list_segments(runtime, W, after="British")
    assert [each.name for each in rest.rows] == ["others"]


async def test_a_segment_of_nobody_is_fine(runtime: Runtime) -> None:
    segment = await actions.create_segment(
        runtime, W, "nobody", {"trait": "country", "op": "eq", "value": "XX"}
    )
    page = await list_members(runtime, W, segment.id)
    assert (page.members, page.count, page.next) == ((), 0, None)
    preview = await previews.preview_segment(runtime, W, segment.id)
    assert (preview.size, preview.sample) == (0, ())
    assert preview.description.sentences[0].startswith("Nobody matches")


async def test_a_failed_evaluation_stays_visible_on_the_segment(runtime: Runtime) -> None:
    seeds = {"similar_to": {"profiles": ["p02"]}, "top": 5}
    segment = await actions.create_segment(runtime, W, "like p02", seeds)
    assert (await list_members(runtime, W, segment.id)).count == 5
    await erase_profile(runtime, W, "p02")
    await build_snapshot(runtime, W)
    with pytest.raises(DefinitionError, match=r"no profile of 'erased-.*' is in the snapshot"):
        await list_members(runtime, W, segment.id)
    assert "erased-" in ((await actions.get_segment(runtime, W, segment.id)).error or "")
