"""What every store promises: upserts, pages, idempotent events, rejects, erasure; on both databases."""

import asyncio
import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from service.catalog.actions import delete_item, get_item, list_items, upsert_items
from service.catalog.model import Item
from service.contact.actions import list_consents, resolve_recipients, set_consents, suppress
from service.contact.shapes import ConsentFact, SuppressionEntry
from service.errors import NotFound
from service.events.actions import count_events, newest_events, record_events
from service.events.model import Event
from service.listing import Place
from service.profiles.actions import (
    erase_profile,
    erased_profiles,
    get_profile,
    list_profiles,
    upsert_profiles,
)
from service.profiles.model import Profile
from service.runtime import Runtime
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW, Clock

DAY = timedelta(days=1)

TROWEL = Item(
    id="trowel-1",
    title="Trowel “Ærø” 園芸 🌱",
    description="Line one\nline two\ttabbed; {{ 7*7 }}",
    category="Garden",
    brand="O'Neil & Söhne",
    price=12.345678901234,
    currency="GBP",
    url="https://shop.example/t?x=1",
    in_stock=False,
    benefits=("ash handle", 'a "sharp" edge'),
    attributes={"size": {"cm": [1, 2.5, None, True]}, "ß": ""},
)


def event(number: int, **changes: object) -> Event:
    base = Event(id=f"e{number}", profile_id="p1", type="view", occurred_at=NOW - number * DAY)
    return msgspec.structs.replace(base, **changes)


async def test_an_item_comes_back_as_it_went_in(runtime: Runtime):
    counts = await upsert_items(runtime, "shop", [TROWEL])
    assert (counts.read, counts.stored, counts.duplicate, counts.rejected) == (1, 1, 0, 0)
    assert await get_item(runtime, "shop", "trowel-1") == TROWEL


async def test_storing_the_same_items_again_counts_duplicates_and_a_change_counts_as_stored(runtime: Runtime):
    items = [Item(id=str(number), title=f"Thing {number}") for number in range(5000)]
    assert (await upsert_items(runtime, "shop", items)).stored == 5000
    again = await upsert_items(
        runtime, "shop", [*items[:-1], msgspec.structs.replace(items[-1], title="New")]
    )
    assert (again.stored, again.duplicate) == (1, 4999)
    assert (await get_item(runtime, "shop", "4999")).title == "New"


async def test_the_last_of_equal_ids_in_one_batch_wins(runtime: Runtime):
    counts = await upsert_items(runtime, "shop", [Item(id="a", title="old"), Item(id="a", title="new")])
    assert (counts.read, counts.stored, counts.duplicate) == (2, 1, 1)
    assert (await get_item(runtime, "shop", "a")).title == "new"


async def test_pages_visit_every_item_once_in_the_order_of_code_points(runtime: Runtime):
    ids = ["B", "a", "é", "10", "9", "園", "a b", "A", "🌱", "z"]
    await upsert_items(runtime, "shop", [Item(id=each) for each in ids])
    seen: list[str] = []
    after: Place | None = None
    while True:
        page = await list_items(runtime, "shop", after, 3)
        seen += [item.id for item in page.rows]
        after = page.next_after
        if after is None:
            break
    assert seen == sorted(ids)


async def test_a_page_that_ends_exactly_at_the_last_row_names_no_next_one(runtime: Runtime):
    await upsert_items(runtime, "shop", [Item(id=each) for each in "abcd"])
    assert (await list_items(runtime, "shop", "b", 2)).next_after is None
    assert (await list_items(runtime, "shop", "a", 2)).next_after == "c"


async def test_a_deleted_item_is_gone_and_its_events_stay(runtime: Runtime):
    await upsert_items(runtime, "shop", [TROWEL])
    await record_events(runtime, "shop", [event(1, item_id="trowel-1")])
    await delete_item(runtime, "shop", "trowel-1")
    with pytest.raises(NotFound, match="'trowel-1'"):
        await get_item(runtime, "shop", "trowel-1")
    with pytest.raises(NotFound):
        await delete_item(runtime, "shop", "trowel-1")
    assert len(await newest_events(runtime, "shop", "p1")) == 1


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item(id=""), "id '' has 0 characters"),
        (Item(id="x" * 201), "has 201 characters: use 1 to 200"),
        (Item(id="a\nb"), "id 'a\\nb' holds a control character"),
        (Item(id="a", title="nul \x00"), "title 'nul \\x00' holds a NUL"),
        (Item(id="a", description="half \ud83d"), "half a character"),
        (Item(id="a", price=math.nan), "price nan is not a finite number"),
        (Item(id="a", price=math.inf), "price inf is not a finite number"),
        (Item(id="a", price=-0.01), "price -0.01 is negative"),
        (Item(id="a", currency="pounds"), "currency 'pounds'"),
        (Item(id="a", url="javascript:alert(1)"), "url 'javascript:alert(1)'"),
        (Item(id="a", attributes={"n": [1, math.nan]}), "attributes.n[1] nan is not a finite number"),
        (Item(id="a", attributes={"n": {"m": "\x00"}}), "attributes.n.m '\\x00' holds a NUL"),
        (Item(id="a", attributes={"n": 2**64}), "does not fit 64 bits"),
    ],
)
async def test_an_item_that_cannot_be_stored_is_rejected_with_its_value_and_stops_nothing(
    runtime: Runtime, item: Item, reason: str
):
    counts = await upsert_items(runtime, "shop", [Item(id="before"), item, Item(id="after")])
    assert (counts.read, counts.stored, counts.rejected) == (3, 2, 1)
    (reject,) = counts.rejects
    assert (reject.row, reject.id) == (1, item.id)
    assert reason in reject.reason


async def test_a_workspace_never_sees_another_ones_rows(runtime: Runtime):
    await create_workspace(runtime, "rival")
    await upsert_items(runtime, "shop", [Item(id="x", title="ours")])
    await upsert_items(runtime, "rival", [Item(id="x", title="theirs"), Item(id="y")])
    await record_events(runtime, "shop", [event(1)])
    await record_events(runtime, "rival", [event(1), event(2)])
    assert (await get_item(runtime, "shop", "x")).title == "ours"
    assert [item.id for item in (await list_items(runtime, "shop")).rows] == ["x"]
    assert await count_events(runtime, "shop") == 1
    await erase_profile(runtime, "rival", "p1")
    assert await count_events(runtime, "shop") == 1
    assert await erased_profiles(runtime, "shop", ["p1"]) == frozenset()
    counts = await record_events(runtime, "shop", [event(3, item_id="y")])
    assert counts.rejects[0].reason.startswith("item_id 'y' is not in the catalogue")


async def test_rows_for_a_workspace_that_does_not_exist_are_refused_as_a_whole(runtime: Runtime):
    with pytest.raises(NotFound, match="no workspace 'nowhere'"):
        await upsert_items(runtime, "nowhere", [Item(id="a")])


async def test_a_profile_is_replaced_but_keeps_the_day_it_was_first_seen(runtime: Runtime, clock: Clock):
    first = Profile(id="p", traits={"city": "Århus", "age": 31, "vip": True, "note": None})
    await upsert_profiles(runtime, "shop", [first])
    clock.advance(days=3)
    counts = await upsert_profiles(runtime, "shop", [Profile(id="p", traits={"city": "Bath"})])
    assert counts.stored == 1
    assert await get_profile(runtime, "shop", "p") == Profile(id="p", traits={"city": "Bath"}, created_at=NOW)
    dated = Profile(id="p", traits={"city": "Bath"}, created_at=datetime(2020, 1, 1, tzinfo=UTC))
    await upsert_profiles(runtime, "shop", [dated])
    assert await get_profile(runtime, "shop", "p") == dated
    assert (await upsert_profiles(runtime, "shop", [dated])).duplicate == 1


async def test_an_event_comes_back_as_it_went_in_and_makes_a_bare_profile(runtime: Runtime):
    await upsert_items(runtime, "shop", [TROWEL])
    sent = Event(
        id="e",
        profile_id="new",
        type="purchase",
        occurred_at=datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC),
        item_id="trowel-1",
        variant_id="v1",
        value=0.1 + 0.2,
        quantity=3,
        properties={"order": {"lines": [1, "zwei"]}},
    )
    await record_events(runtime, "shop", [sent])
    assert await newest_events(runtime, "shop", "new") == (sent,)
    assert await get_profile(runtime, "shop", "new") == Profile(id="new", created_at=sent.occurred_at)


async def test_an_event_sent_twice_is_recorded_once_and_another_body_is_refused(runtime: Runtime):
    counts = await record_events(runtime, "shop", [event(1), event(2), event(1), event(1, value=9.0)])
    assert (counts.stored, counts.duplicate, counts.rejected) == (2, 1, 1)
    assert "id 'e1' is recorded with another value" in counts.rejects[0].reason
    assert counts.rejects[0].row == 3
    counts = await record_events(runtime, "shop", [event(1, type="click"), event(2), event(3)])
    assert (counts.stored, counts.duplicate, counts.rejected) == (1, 1, 1)
    assert "another type" in counts.rejects[0].reason
    assert [each.value for each in await newest_events(runtime, "shop", "p1")] == [None, None, None]


async def test_writers_of_the_same_events_at_once_record_each_once(runtime: Runtime):
    def batch(shift: int) -> list[Event]:
        numbers = [(number * 7 + shift * 131) % 997 for number in range(997)]
        return [event(number % 700, id=f"e{number}", profile_id=f"p{number % 83}") for number in numbers]

    results = await asyncio.gather(*(record_events(runtime, "shop", batch(shift)) for shift in range(6)))
    assert sum(counts.stored for counts in results) == 997 == await count_events(runtime, "shop")
    assert all(counts.stored + counts.duplicate == counts.read == 997 for counts in results)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"item_id": "ghost"}, "item_id 'ghost' is not in the catalogue"),
        (
            {"occurred_at": NOW + DAY + timedelta(seconds=1)},
            "2026-03-02T12:00:01+00:00 is more than a day after now",
        ),
        ({"occurred_at": datetime(2026, 1, 1)}, "2026-01-01T00:00:00 has no offset"),  # noqa: DTZ001 -- the mistake meant
        ({"occurred_at": datetime(1, 1, 1, tzinfo=UTC)}, "0001-01-01T00:00:00+00:00 is before 1900"),
        ({"value": math.nan}, "value nan"),
        ({"quantity": -math.inf}, "quantity -inf"),
        ({"type": ""}, "type is empty"),
        ({"type": "x" * 65}, "has 65 characters"),
        ({"profile_id": ""}, "profile_id ''"),
        ({"id": "a\x00"}, "id 'a\\x00'"),
        ({"properties": {"deep": [math.inf]}}, "properties.deep[0] inf"),
    ],
)
async def test_a_bad_event_is_rejected_with_its_value_and_makes_no_profile(
    runtime: Runtime, changes: dict[str, object], reason: str
):
    bad = event(5, **{"profile_id": "stranger", **changes})
    counts = await record_events(runtime, "shop", [event(1), bad, event(2)])
    assert (counts.read, counts.stored, counts.rejected) == (3, 2, 1)
    assert counts.rejects[0].row == 1
    assert reason in counts.rejects[0].reason
    assert [profile.id for profile in (await list_profiles(runtime, "shop")).rows] == ["p1"]


async def test_a_time_within_the_coming_day_is_taken(runtime: Runtime):
    assert (await record_events(runtime, "shop", [event(0, occurred_at=NOW + DAY)])).stored == 1


async def test_many_chunks_count_rows_across_them(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.ingest.CHUNK_ROWS", 100)
    rows = (event(number, item_id="ghost" if number % 150 == 149 else None) for number in range(450))
    counts = await record_events(runtime, "shop", rows)
    assert (counts.read, counts.stored, counts.rejected) == (450, 447, 3)
    assert [reject.row for reject in counts.rejects] == [149, 299, 449]


async def test_the_newest_events_come_first(runtime: Runtime):
    await record_events(runtime, "shop", [event(number) for number in (4, 1, 3, 2)])
    assert [each.id for each in await newest_events(runtime, "shop", "p1", 3)] == ["e1", "e2", "e3"]


async def test_an_erased_profile_is_in_no_read_and_does_not_come_back(runtime: Runtime, clock: Clock):
    await upsert_profiles(
        runtime, "shop", [Profile(id="p1", traits={"email": "a@b.example"}), Profile(id="p2")]
    )
    await record_events(runtime, "shop", [event(1), event(2), event(3, profile_id="p2")])
    await set_consents(runtime, "shop", [ConsentFact(profile_id="p1", channel="email", word="granted")])
    await suppress(runtime, "shop", [SuppressionEntry(profile_id="p1", reason="bounced")])
    erasure = await erase_profile(runtime, "shop", "p1")
    assert {each.where: each.count for each in erasure.removed} == {
        "store.events": 2,
        "store.consents": 1,
        "store.suppressions": 1,
        "store.profiles": 1,
    }
    with pytest.raises(NotFound):
        await get_profile(runtime, "shop", "p1")
    with pytest.raises(NotFound):
        await list_consents(runtime, "shop", "p1")
    assert [profile.id for profile in (await list_profiles(runtime, "shop")).rows] == ["p2"]
    assert await newest_events(runtime, "shop", "p1") == ()
    assert await count_events(runtime, "shop") == 1
    assert await erased_profiles(runtime, "shop", ["p1", "p2", "p3"]) == {"p1"}
    left = await resolve_recipients(runtime, "shop", "social", ["p1", "p2"])
    assert left.allowed.tolist() == [False, True]
    profiles = await upsert_profiles(
        runtime, "shop", [Profile(id="p1", traits={"email": "back"}), Profile(id="p3")]
    )
    events = await record_events(runtime, "shop", [event(1), event(9)])
    assert (profiles.stored, profiles.rejected, events.rejected) == (1, 1, 2)
    assert "'p1' was erased" in profiles.rejects[0].reason
    assert "'p1' was erased" in events.rejects[0].reason
    clock.advance(days=1)
    assert await erase_profile(runtime, "shop", "p1") == erasure


async def test_erasing_someone_unknown_says_so(runtime: Runtime):
    with pytest.raises(NotFound, match="no profile 'nobody'"):
        await erase_profile(runtime, "shop", "nobody")


async def test_an_erasure_and_events_for_the_profile_at_once_leave_no_event(runtime: Runtime):
    await upsert_profiles(runtime, "shop", [Profile(id="p1")])
    batches = [record_events(runtime, "shop", [event(n) for n in range(s, 400, 8)]) for s in range(8)]
    await asyncio.gather(*batches[:4], erase_profile(runtime, "shop", "p1"), *batches[4:])
    assert await count_events(runtime, "shop") == 0
    assert await newest_events(runtime, "shop", "p1") == ()


async def test_rejects_and_duplicates_add_up_for_a_mixed_batch(runtime: Runtime):
    kinds = Counter[str]()
    rows: list[Event] = []
    for number in range(600):
        kind = ("good", "repeat", "ghost", "nan")[number * 7919 % 4]
        kinds[kind] += 1
        changes: dict[str, dict[str, object]] = {
            "good": {},
            "repeat": {"id": "same", "occurred_at": NOW},
            "ghost": {"item_id": "ghost"},
            "nan": {"value": math.nan},
        }
        rows.append(event(number, **changes[kind]))
    counts = await record_events(runtime, "shop", rows)
    assert counts.read == 600 == counts.stored + counts.duplicate + counts.rejected
    assert counts.stored == kinds["good"] + 1
    assert counts.rejected == kinds["ghost"] + kinds["nan"]
