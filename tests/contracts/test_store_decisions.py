"""What the store promises about decisions; on both databases."""

import asyncio

import msgspec

from prompts.variant import CheckResult, Variant
from service.drafts.decision import Actor, Decision, Verdict
from service.drafts.decision_store import DecisionStore
from service.drafts.model import Draft, Parent
from service.drafts.store import DraftStore
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW
from tests.contracts.test_store_rooms import draft

ADA = Actor(key_id="k1", name="Ada's desk")
COPY = {"title": "Perch", "body": "Zebra finches ÉLAN", "tags": ["#b", "#a"]}


def decision(number: int, verdict: Verdict = "accepted", **changes: object) -> Decision:
    made = Decision(number=number, verdict=verdict, by=ADA, at=NOW, reason=f"r{number}")
    return msgspec.structs.replace(made, **changes)


def edit(number: int) -> Decision:
    checks = (CheckResult(rule="length.hard", passed=True),)
    return decision(number, "edited", fields=COPY, checks=checks)


async def stored(runtime: Runtime, *drafts: Draft) -> None:
    async with runtime.database.write() as session:
        for each in drafts:
            await DraftStore(session, "shop").add(each)


async def add(runtime: Runtime, draft_id: str, made: Decision, *, workspace: str = "shop") -> bool:
    async with runtime.database.write() as session:
        return await DecisionStore(session, workspace).add(draft_id, "v", made)


async def test_decisions_come_back_as_they_were_in_their_order(runtime: Runtime):
    await stored(runtime, draft(1, "Dig"), draft(2, "Sow"))
    history = [decision(1, "rejected"), edit(2), decision(3)]
    for each in history:
        assert await add(runtime, "20260001", each)
    async with runtime.database.read() as session:
        found = await DecisionStore(session, "shop").of_draft("20260001")
        both = await DecisionStore(session, "shop").of_drafts(["20260001", "20260002"])
        [later, first] = (await DraftStore(session, "shop").page(None, 5)).rows
    assert found == {"v": tuple(history)}
    assert both == {"20260001": found}
    assert list((found["v"][1].fields or {}).items()) == list(COPY.items())
    assert later.standings == ()
    [standing] = first.standings
    assert (standing.verdict, standing.fields, standing.decisions) == ("accepted", COPY, 3)


async def test_a_number_is_taken_once_however_many_want_it(runtime: Runtime):
    await stored(runtime, draft(1, "Dig"))
    taken = await asyncio.gather(*(add(runtime, "20260001", decision(1)) for _ in range(5)))
    assert sum(taken) == 1
    assert not await add(runtime, "20260001", decision(3))
    assert await add(runtime, "20260001", decision(2))


async def test_a_draft_is_found_by_what_was_written_and_by_what_it_was_edited_to(runtime: Runtime):
    await stored(runtime, draft(1, "Dig"))
    await add(runtime, "20260001", edit(1))
    async with runtime.database.read() as session:
        for words in ("dig", "zebra", "élan", "#a"):
            assert len((await DraftStore(session, "shop").page(None, 5, text=words)).rows) == 1, words


async def test_decisions_stay_in_their_workspace_and_go_with_their_draft(runtime: Runtime):
    await create_workspace(runtime, "other")
    await upsert_profiles(runtime, "shop", [Profile(id="p1")])
    await stored(runtime, draft(1, "For you", profile_id="p1"), draft(2, "For all"))
    for draft_id in ("20260001", "20260002"):
        await add(runtime, draft_id, decision(1))
    async with runtime.database.read() as session:
        assert await DecisionStore(session, "other").of_drafts(["20260001", "20260002"]) == {}
    await erase_profile(runtime, "shop", "p1")
    async with runtime.database.read() as session:
        left = await DecisionStore(session, "shop").of_drafts(["20260001", "20260002"])
    assert list(left) == ["20260002"]


async def test_copy_comes_back_in_the_order_of_the_channels_fields(runtime: Runtime):
    made = draft(1, "Dig")
    variant: Variant = msgspec.structs.replace(made.variants[0], fields={"title": "t", "body": "b"})
    await stored(runtime, msgspec.structs.replace(made, variants=(variant,)))
    async with runtime.database.read() as session:
        found = await DraftStore(session, "shop").get("20260001")
    assert found is not None
    assert list(found.variants[0].fields) == ["title", "body"]


async def test_a_rewrite_and_its_parent_find_each_other(runtime: Runtime):
    parent = Parent(draft_id="20260001", variant_id="v")
    await stored(runtime, draft(1, "Dig"), draft(2, "Sow", parent=parent), draft(3, "Reap", parent=parent))
    await create_workspace(runtime, "other")
    async with runtime.database.write() as session:
        await DraftStore(session, "other").add(draft(4, "Theirs", parent=parent))
    async with runtime.database.read() as session:
        found = await DraftStore(session, "shop").get("20260001")
        page = await DraftStore(session, "shop").page(None, 5)
    assert found is not None
    assert [(each.draft_id, each.variant_id) for each in found.children] == [
        ("20260002", "v"),
        ("20260003", "v"),
    ]
    assert [each.parent for each in page.rows] == [parent, parent, None]
    assert page.rows[2] == found
