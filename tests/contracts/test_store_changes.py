"""Lists in the order of changes: a client that polls them has, in the end, what the store has."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from service import ingest
from service.catalog.actions import list_items, upsert_items
from service.catalog.model import Item
from service.catalog.store import ItemStore
from service.errors import InvalidInput
from service.listing import COMMIT_LAG, Mark, Place
from service.profiles.actions import erase_profile, list_profiles, upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.segments.actions import create_segment, list_segments, update_segment
from service.segments.model import SegmentPatch
from tests.contracts.conftest import NOW, Clock


class Client:
    """Keeps a copy of a catalogue by asking for what changed, two items a page."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.since = NOW - timedelta(days=365)
        self.copy: dict[str, str] = {}
        self.seen = 0

    async def poll(self) -> None:
        after: Place | None = None
        while True:
            part = await list_items(self.runtime, "shop", after, 2, updated_since=self.since)
            self.seen += len(part.rows)
            self.copy.update({item.id: item.title for item in part.rows})
            after = part.next_after
            if after is None:
                break
            assert part.updated_since is None
        assert part.updated_since is not None
        self.since = part.updated_since


async def written(runtime: Runtime) -> dict[str, str]:
    return {item.id: item.title for item in (await list_items(runtime, "shop", None, 500)).rows}


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_polls_between_writes_misses_none_also_of_one_moment(
    runtime: Runtime, clock: Clock, seed: int
):
    chance = random.Random(seed)
    client = Client(runtime)
    for number in range(25):
        items = [Item(id=f"i-{chance.randrange(9)}", title=f"as of {number}") for _ in range(2)]
        await upsert_items(runtime, "shop", items)
        clock.advance(minutes=chance.choice((0, 0, 1, 30)))
        if chance.random() < 0.5:
            await client.poll()
    await client.poll()
    assert client.copy == await written(runtime)


async def test_a_write_that_comes_to_light_late_is_listed_with_the_next_poll(runtime: Runtime, clock: Clock):
    await upsert_items(runtime, "shop", [Item(id="first")])
    client = Client(runtime)
    began = clock.now
    clock.advance(seconds=(COMMIT_LAG - timedelta(seconds=1)).total_seconds())
    await upsert_items(runtime, "shop", [Item(id="second")])
    await client.poll()
    async with runtime.database.write() as session:  # dated when it began, before the second
        await ItemStore(session, "shop").upsert([Item(id="slow")], began)
    await client.poll()
    assert client.copy.keys() == {"first", "second", "slow"}


async def test_rows_of_a_long_import_are_dated_when_they_are_written(
    runtime: Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    def slowly() -> Iterator[Item]:
        for each in "abcd":
            clock.advance(minutes=20)
            yield Item(id=each)

    monkeypatch.setattr(ingest, "CHUNK_ROWS", 2)
    began = clock.now
    await upsert_items(runtime, "shop", slowly())
    later = await list_items(runtime, "shop", updated_since=began + timedelta(minutes=60))
    assert [item.id for item in later.rows] == ["c", "d"]


async def test_where_nothing_changes_the_same_is_asked_and_answered_again(runtime: Runtime, clock: Clock):
    await upsert_items(runtime, "shop", [Item(id=each) for each in "abc"])
    clock.advance(hours=2)
    await upsert_items(runtime, "shop", [Item(id="d")])
    client = Client(runtime)
    await client.poll()
    assert (client.since, client.seen) == (clock.now - COMMIT_LAG, 4)
    await client.poll()
    assert (client.since, client.seen) == (clock.now - COMMIT_LAG, 5)
    nothing = await list_items(runtime, "shop", updated_since=clock.now + timedelta(hours=1))
    assert (nothing.rows, nothing.updated_since) == ((), clock.now + timedelta(hours=1))


async def test_what_changes_while_it_is_paged_through_moves_to_the_end(runtime: Runtime, clock: Clock):
    await upsert_items(runtime, "shop", [Item(id=each, title="old") for each in "abcd"])
    first = await list_items(runtime, "shop", None, 2, updated_since=NOW)
    assert first.next_after == Mark(NOW, "b")
    clock.advance(minutes=1)
    await upsert_items(runtime, "shop", [Item(id=each, title="new") for each in "ac"])
    rest = await list_items(runtime, "shop", first.next_after, 9, updated_since=NOW)
    assert [(item.id, item.title) for item in rest.rows] == [("d", "old"), ("a", "new"), ("c", "new")]


async def test_a_place_of_the_other_order_and_a_moment_without_a_zone_are_refused(runtime: Runtime):
    with pytest.raises(InvalidInput, match="another order"):
        await list_items(runtime, "shop", "a", updated_since=NOW)
    with pytest.raises(InvalidInput, match="another order"):
        await list_items(runtime, "shop", Mark(NOW, "a"))
    with pytest.raises(InvalidInput, match="with an offset"):
        await list_items(runtime, "shop", updated_since=NOW.replace(tzinfo=None))
    for edge in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(InvalidInput, match="no moment in UTC"):
            await list_items(runtime, "shop", updated_since=type(NOW).fromisoformat(edge))


async def test_profiles_and_segments_are_listed_by_change_too(runtime: Runtime, clock: Clock):
    await upsert_profiles(runtime, "shop", [Profile(id=each) for each in ("p-1", "p-2", "p-3")])
    seeded = {"similar_to": {"profiles": ["p-3"]}}
    for name, definition in (("b", {"like": "tea"}), ("a", seeded), ("c", {"like": "salt"})):
        await create_segment(runtime, "shop", name, definition)
    clock.advance(hours=1)
    since = clock.now
    await upsert_profiles(runtime, "shop", [Profile(id="p-2", traits={"plan": "gold"}), Profile(id="p-1")])
    await update_segment(runtime, "shop", "b", SegmentPatch(note="again"))
    assert [each.id for each in (await list_profiles(runtime, "shop", updated_since=since)).rows] == ["p-2"]
    assert [each.name for each in (await list_segments(runtime, "shop", updated_since=since)).rows] == ["b"]
    clock.advance(hours=1)
    await erase_profile(runtime, "shop", "p-3")  # its alias changes a definition, and no list names it
    since = clock.now
    (changed,) = (await list_segments(runtime, "shop", updated_since=since)).rows
    assert (changed.name, changed.updated_at, changed.version) == ("a", since, 1)
    assert (await list_profiles(runtime, "shop", updated_since=since)).rows == ()
