"""What the smaller stores promise: keys, answers, leases, segments, drafts, worlds; on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest
from sqlalchemy import text

from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS
from prompts.brief import Audience, Brand, Brief, Offer, Product
from prompts.variant import Provenance, Variant
from service.catalog.actions import delete_item, upsert_items
from service.catalog.model import Item
from service.drafts.model import Draft
from service.drafts.store import DraftStore
from service.errors import (
    Conflict,
    InvalidInput,
    KeyReused,
    NotFound,
    PreconditionFailed,
    RequestInProgress,
    Unauthenticated,
)
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import erase_profile, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.segments.model import Segment
from service.segments.store import SegmentStore
from service.snapshots.store import LeaseStore
from service.snapshots.world import live_world, read_world
from service.workspaces.actions import (
    create_key,
    create_workspace,
    ensure_workspace,
    get_workspace,
    list_keys,
    revoke_key,
    set_workspace,
    verify_key,
)
from service.workspaces.model import Remembered, WorkspacePatch
from service.workspaces.store import IdempotencyStore
from tests.contracts.conftest import NOW, Clock

HOUR = timedelta(hours=1)


async def test_settings_of_a_workspace_change_only_where_the_patch_says(runtime: Runtime):
    before = await get_workspace(runtime, "shop")
    patch = WorkspacePatch(timezone="Europe/London", brand=Brand(name="Fern", banned_words=("cheap",)))
    after = await set_workspace(runtime, "shop", patch)
    assert after == await get_workspace(runtime, "shop")
    assert after == msgspec.structs.replace(before, timezone="Europe/London", brand=patch.brand)


@pytest.mark.parametrize(
    "patch",
    [
        WorkspacePatch(timezone="Mars/Olympus"),
        WorkspacePatch(reference_time="yesterday"),
        WorkspacePatch(reference_time="2011-12-10T00:00:00"),
        WorkspacePatch(currency="quid"),
        WorkspacePatch(event_weights={"view": float("nan")}),
    ],
)
async def test_a_setting_that_means_nothing_is_refused_and_changes_nothing(
    runtime: Runtime, patch: WorkspacePatch
):
    before = await get_workspace(runtime, "shop")
    with pytest.raises(InvalidInput):
        await set_workspace(runtime, "shop", patch)
    assert await get_workspace(runtime, "shop") == before


async def test_a_workspace_is_made_once_however_many_ask(runtime: Runtime):
    made = await asyncio.gather(*(ensure_workspace(runtime, "busy") for _ in range(5)))
    assert len({each.created_at for each in made}) == 1
    with pytest.raises(Conflict, match="'busy' exists"):
        await create_workspace(runtime, "busy")
    with pytest.raises(InvalidInput, match=r"'\.\./x'"):
        await create_workspace(runtime, "../x")


async def test_a_key_opens_its_workspace_until_it_is_revoked(runtime: Runtime, clock: Clock):
    created = await create_key(runtime, "shop", "crm sync", ["crm", "copy"])
    found = await verify_key(runtime, created.text)
    assert (found.workspace, found.scopes, found.last_used_at) == ("shop", ("copy", "crm"), None)
    assert (await list_keys(runtime, "shop"))[0].last_used_at == NOW
    clock.advance(hours=1)
    await revoke_key(runtime, "shop", created.key.prefix)
    with pytest.raises(Unauthenticated):
        await verify_key(runtime, created.text)
    again = await revoke_key(runtime, "shop", created.key.id)
    assert again.revoked_at == NOW + HOUR


async def test_only_the_exact_text_of_a_key_opens(runtime: Runtime):
    created = await create_key(runtime, "shop", "k", ["admin"])
    last = "0" if created.text[-1] != "0" else "1"
    for wrong in (created.text[:-1] + last, created.text + "0", created.text.upper(), "", "pw_", "Bearer x"):
        with pytest.raises(Unauthenticated) as caught:
            await verify_key(runtime, wrong)
        assert created.text.rpartition("_")[2][:-1] not in str(caught.value)


async def test_nothing_stored_or_printed_of_a_key_gives_it_back(runtime: Runtime):
    created = await create_key(runtime, "shop", "k", ["admin"])
    secret = created.text.rpartition("_")[2]
    async with runtime.database.read() as session:
        rows = (await session.execute(text("SELECT * FROM api_keys"))).all()
    assert secret not in repr(rows)
    assert secret not in repr(created)
    assert secret not in repr(await list_keys(runtime, "shop"))


@pytest.mark.parametrize("scopes", [[], ["root"], ["crm", "everything"]])
async def test_a_key_needs_scopes_that_exist(runtime: Runtime, scopes: list[str]):
    with pytest.raises(InvalidInput, match="copy, crm, batch, ingest, counts, analyst, admin"):
        await create_key(runtime, "shop", "k", scopes)  # pyright: ignore[reportArgumentType] # the mistake meant


async def test_an_idempotency_key_answers_the_same_again_and_only_for_the_same_request(
    runtime: Runtime, clock: Clock
):
    answer = Remembered(status=201, headers={"Location": "/x"}, body=b'{"\xc3\xa9":1}\x00')

    async def begin(fingerprint: str) -> Remembered | None:
        async with runtime.database.write() as session:
            return await IdempotencyStore(session, "shop").begin("k", fingerprint, clock(), timedelta(days=1))

    assert await begin("a") is None
    with pytest.raises(RequestInProgress):
        await begin("a")
    async with runtime.database.write() as session:
        await IdempotencyStore(session, "shop").finish("k", answer)
    assert await begin("a") == answer
    with pytest.raises(KeyReused):
        await begin("b")
    clock.advance(days=1)
    assert await begin("b") is None
    async with runtime.database.write() as session:
        await IdempotencyStore(session, "shop").forget("k")
    assert await begin("c") is None


async def test_of_many_claims_of_one_idempotency_key_one_wins(runtime: Runtime):
    async def claim() -> bool:
        try:
            async with runtime.database.write() as session:
                return await IdempotencyStore(session, "shop").begin("k", "f", NOW) is None
        except RequestInProgress:
            return False

    assert sum(await asyncio.gather(*(claim() for _ in range(6)))) == 1


async def test_a_lease_has_one_holder_until_it_is_released_or_over(runtime: Runtime):
    async def acquire(holder: str, now: datetime) -> bool:
        async with runtime.database.write() as session:
            return await LeaseStore(session, "shop").acquire("build", holder, now, HOUR)

    assert await acquire("a", NOW)
    assert not await acquire("b", NOW)
    assert await acquire("a", NOW + HOUR / 2)
    assert not await acquire("b", NOW + HOUR)
    assert await acquire("b", NOW + 2 * HOUR)
    async with runtime.database.write() as session:
        await LeaseStore(session, "shop").release("build", "a")
    assert not await acquire("a", NOW + 2 * HOUR)
    async with runtime.database.write() as session:
        await LeaseStore(session, "shop").release("build", "b")
    assert await acquire("a", NOW + 2 * HOUR)


def segment(name: str, *, segment_id: str = "s1", version: int = 1) -> Segment:
    definition = {"all": [{"trait": "city", "equals": "Bath"}]}
    return Segment(
        id=segment_id,
        name=name,
        definition=definition,
        version=version,
        created_at=NOW,
        updated_at=NOW,
        note=f"v{version}",
    )


async def test_a_segment_keeps_every_version_of_its_definition(runtime: Runtime):
    first = segment("Gardeners")
    second = msgspec.structs.replace(first, version=2, name="Green", definition={"any": []}, note="wider")
    async with runtime.database.write() as session:
        await SegmentStore(session, "shop").add(first)
    async with runtime.database.write() as session:
        await SegmentStore(session, "shop").replace(second, expected_version=1)
    async with runtime.database.read() as session:
        store = SegmentStore(session, "shop")
        assert await store.get("Green") == await store.get("s1") == second
        assert (await store.get_version("s1", 1)).definition == first.definition
        assert (await store.page(None, 10)).rows == await store.all() == (second,)
        with pytest.raises(NotFound):
            await store.get("Gardeners")


async def test_a_segment_is_changed_only_from_the_version_that_was_read(runtime: Runtime):
    async with runtime.database.write() as session:
        await SegmentStore(session, "shop").add(segment("a"))

    async def change(number: int) -> bool:
        try:
            async with runtime.database.write() as session:
                await SegmentStore(session, "shop").replace(
                    segment(f"a{number}", version=2), expected_version=1
                )
        except PreconditionFailed:
            return False
        return True

    assert sum(await asyncio.gather(*(change(number) for number in range(4)))) == 1


async def test_segment_names_are_unique_and_free_again_after_deletion(runtime: Runtime):
    async def add(value: Segment) -> None:
        async with runtime.database.write() as session:
            await SegmentStore(session, "shop").add(value)

    await add(segment("a"))
    with pytest.raises(Conflict, match="'a' exists"):
        await add(segment("a", segment_id="s2"))
    async with runtime.database.write() as session:
        await SegmentStore(session, "shop").delete("s1", expected_version=1)
    await add(segment("a", segment_id="s3"))
    async with runtime.database.read() as session:
        with pytest.raises(NotFound):
            await SegmentStore(session, "shop").get_version("s1", 1)


def draft(number: int, copy: str, **changes: object) -> Draft:
    brief = Brief(
        channel="push",
        product=Product(id="p", title="Trowel ÆRØ"),
        audience=Audience(name="Everyone"),
        offer=Offer(text="20% off"),
    )
    made_by = Provenance(prompt="x", prompt_digest="d", engine="e", model="m", seed=1, attempts=1)
    variant = Variant(
        id="v", status="passed", fields={"title": copy, "tags": ["#soil"]}, checks=(), provenance=made_by
    )
    made = Draft(id=f"2026{number:04}", created_at=NOW, brief=brief, variants=(variant,))
    return msgspec.structs.replace(made, **changes)


async def test_drafts_are_listed_newest_first_and_found_by_their_words(runtime: Runtime):
    drafts = [draft(number, f"Dig {number}", item_id=f"i{number % 2}") for number in range(5)]
    drafts.append(draft(9, "100% ÉLAN_x", profile_id="p1", segment="s1"))
    async with runtime.database.write() as session:
        for each in drafts:
            await DraftStore(session, "shop").add(each)
    async with runtime.database.read() as session:
        store = DraftStore(session, "shop")
        assert await store.get(drafts[5].id) == drafts[5]
        assert [await store.count(segment) for segment in ("s1", "s2")] == [1, 0]
        first = await store.page(None, 4)
        rest = await store.page(first.next_after, 4)
        assert [*first.rows, *rest.rows] == drafts[::-1]
        assert rest.next_after is None
        for words, found in (
            ("élan", 1),
            ("100%", 1),
            ("0_x", 0),
            ("n_x", 1),
            ("trowel ærø", 6),
            ("#SOIL", 6),
            ("%", 6),
        ):
            assert len((await store.page(None, 10, text=words)).rows) == found, words
        assert len((await store.page(None, 10, item_id="i1")).rows) == 2
        assert (await store.page(None, 10, channel="email")).rows == ()


async def test_drafts_written_for_a_profile_go_when_it_is_erased(runtime: Runtime):
    await upsert_profiles(runtime, "shop", [Profile(id="p1")])
    async with runtime.database.write() as session:
        await DraftStore(session, "shop").add(draft(1, "For you", profile_id="p1"))
        await DraftStore(session, "shop").add(draft(2, "For all"))
    await erase_profile(runtime, "shop", "p1")
    async with runtime.database.read() as session:
        assert [each.id for each in (await DraftStore(session, "shop").page(None, 9)).rows] == ["20260002"]


async def fill(runtime: Runtime) -> None:
    await upsert_items(
        runtime, "shop", [Item(id="b", title="Bulb", price=2.5), Item(id="a", category="Tools")]
    )
    await upsert_profiles(runtime, "shop", [Profile(id="z", traits={"city": "Århus"}), Profile(id="q")])
    rows = [
        ("e1", "z", "b", 5, 9.5),
        ("e2", "z", None, 30, None),
        ("e3", "q", "a", 2, 1.0),
        ("e4", "new", "b", 1, None),
    ]
    events = [
        Event(
            id=event_id,
            profile_id=who,
            type="view",
            item_id=what,
            value=value,
            occurred_at=NOW - days * timedelta(days=1),
        )
        for event_id, who, what, days, value in rows
    ]
    await record_events(runtime, "shop", events)


async def test_a_world_holds_the_store_in_the_promised_columns_and_order(runtime: Runtime):
    await fill(runtime)
    world = await read_world(runtime, "shop")
    assert (world.workspace, world.as_of, world.timezone) == ("shop", NOW, "UTC")
    for frame, columns in (
        (world.items, ITEM_COLUMNS),
        (world.profiles, PROFILE_COLUMNS),
        (world.events, EVENT_COLUMNS),
    ):
        assert dict(frame.schema) == dict(columns)
    assert world.items["id"].to_list() == ["a", "b"]
    assert world.profiles["id"].to_list() == ["new", "q", "z"]
    assert msgspec.json.decode(world.profiles["traits"][2]) == {"city": "Århus"}
    day = timedelta(days=1)
    assert world.events.select("profile", "item", "value", "time").rows() == [
        (0, 1, None, NOW - day),
        (1, 0, 1.0, NOW - 2 * day),
        (2, None, None, NOW - 30 * day),
        (2, 1, 9.5, NOW - 5 * day),
    ]


async def test_a_world_leaves_out_the_erased_and_forgets_items_that_left(runtime: Runtime):
    await fill(runtime)
    await erase_profile(runtime, "shop", "q")
    await delete_item(runtime, "shop", "b")
    world = await read_world(runtime, "shop")
    assert world.profiles["id"].to_list() == ["new", "z"]
    assert world.events.select("profile", "item").rows() == [(0, None), (1, None), (1, None)]


@pytest.mark.parametrize(
    ("reference", "as_of", "events"),
    [
        ("now", NOW, 4),
        ("latest_event", NOW - timedelta(days=1), 4),
        ((NOW - timedelta(days=4)).isoformat(), NOW - timedelta(days=4), 2),
        ("2026-03-01T13:00:00+02:00", datetime(2026, 3, 1, 11, tzinfo=UTC), 4),
    ],
)
async def test_the_reference_time_decides_what_now_is_and_hides_what_came_after(
    runtime: Runtime, reference: str, as_of: datetime, events: int
):
    await fill(runtime)
    await set_workspace(runtime, "shop", WorkspacePatch(reference_time=reference))
    world = await read_world(runtime, "shop")
    assert (world.as_of, world.events.height) == (as_of, events)


async def test_an_empty_workspace_is_a_world_too(runtime: Runtime):
    await set_workspace(runtime, "shop", WorkspacePatch(reference_time="latest_event"))
    world = await read_world(runtime, "shop")
    assert (world.as_of, world.items.height, world.profiles.height, world.events.height) == (NOW, 0, 0, 0)


async def test_one_profile_live_has_the_rows_it_has_in_the_whole_world(runtime: Runtime):
    await fill(runtime)
    whole = await read_world(runtime, "shop")
    for row, profile_id in enumerate(whole.profiles["id"]):
        live = await live_world(runtime, "shop", profile_id, whole.items)
        mine = whole.events.filter(pl.col("profile") == row).with_columns(profile=pl.lit(0, dtype=pl.UInt32))
        assert live.events.equals(mine)
        assert live.profiles.equals(whole.profiles[row : row + 1])
    with pytest.raises(NotFound):
        await live_world(runtime, "shop", "nobody", whole.items)
