"""Importing folders into a real store."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.catalog.actions import get_item
from service.errors import NotFound
from service.events.actions import count_events, newest_events
from service.importing.actions import import_folder
from service.importing.errors import EmptyCatalogue, ImportFailed
from service.importing.model import ImportSummary, KindCounts
from service.profiles.actions import get_profile
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import get_workspace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAPPING = """
timezone: Europe/London
reference_time: latest_event
currency: EUR
items:
  file: items.csv
  where: [{column: sold, op: is, value: 1}]
  id: sku
  title: name
  price: price
  url: link
profiles: {file: events.csv, rows: many, id: who, traits: {country: country}}
events:
  file: events.csv
  profile: who
  item: sku
  type: {constant: purchase}
  time: when
  value: {multiply: [n, each]}
  quantity: n
  properties: {order: order}
  weights: {purchase: 5}
"""
ITEMS = ["sku,name,price,link,sold", "a,Apple,1.50,https://x.example/a,1", "p,Postage,3,,0"]
EVENTS = [
    "who,sku,when,n,each,country,order",
    "c1,a,2020-07-01 10:00,2,1.5,,o1",
    "c1,a,2020-07-01 10:00,2,1.5,France,o1",
    "c2,p,2020-07-02 10:00,1,3,Spain,o2",
]


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with open_runtime(Settings(data_dir=str(tmp_path / "var")), clock=lambda: NOW) as opened:
        yield opened


def put(folder: Path, items: list[str] = ITEMS, events: list[str] = EVENTS, mapping: str = MAPPING) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    (folder / "events.csv").write_text("\n".join(events) + "\n")
    (folder / "map.yaml").write_text(mapping)
    return folder


async def run(runtime: Runtime, folder: Path, workspace: str = "shop") -> ImportSummary:
    return await import_folder(runtime, workspace, folder, folder / "map.yaml")


def rejected(summary: ImportSummary) -> list[dict[str, object]]:
    assert summary.rejects is not None
    return [json.loads(line) for line in Path(summary.rejects).read_text().splitlines()]


async def test_a_folder_becomes_a_workspace(runtime: Runtime, tmp_path: Path):
    seen: list[tuple[str, int, int | None]] = []
    folder = put(tmp_path / "in")
    summary = await import_folder(
        runtime, "shop", folder, folder / "map.yaml", lambda *step: seen.append(step)
    )
    assert summary.items == KindCounts(read=2, filtered=1, stored=1)
    assert summary.profiles == KindCounts(read=3, stored=2, duplicate=1)
    assert summary.events == KindCounts(read=3, filtered=1, stored=2)
    assert summary.rejects is None
    assert [step[0] for step in seen] == ["items", "profiles", "events"]
    workspace = await get_workspace(runtime, "shop")
    assert (workspace.timezone, workspace.reference_time, workspace.currency) == (
        "Europe/London",
        "latest_event",
        "EUR",
    )
    assert workspace.event_weights == {"purchase": 5}
    assert (await get_item(runtime, "shop", "a")).price == 1.5
    assert (await get_profile(runtime, "shop", "c1")).traits == {"country": "France"}
    first = (await newest_events(runtime, "shop", "c1"))[0]
    assert first.occurred_at == datetime(2020, 7, 1, 9, tzinfo=UTC)
    assert (first.value, first.quantity, first.properties) == (3.0, 2.0, {"order": "o1"})
    with pytest.raises(NotFound):
        await get_item(runtime, "shop", "p")


async def test_importing_twice_changes_nothing_and_repeats_in_the_source_stay(
    runtime: Runtime, tmp_path: Path
):
    folder = put(tmp_path / "in", events=[EVENTS[0], EVENTS[1], EVENTS[1], EVENTS[1]])
    assert (await run(runtime, folder)).events.stored == 3
    again = await run(runtime, folder)
    assert again.items == KindCounts(read=2, filtered=1, duplicate=1)
    assert again.profiles == KindCounts(read=3, duplicate=3)
    assert again.events == KindCounts(read=3, duplicate=3)
    assert await count_events(runtime, "shop") == 3


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.sampled_from(range(4)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_any_repetition_and_order_of_rows_keeps_counts_right(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], order: object
):
    folder = tmp_path_factory.mktemp("rows")
    events = [f"c{row % 2},a,2020-07-0{row + 1} 10:00,1,1,FR,o" for row in rows]
    shuffled = list(events)
    order.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis types its Random as object here

    async def twice() -> None:
        async with open_runtime(Settings(data_dir=str(folder / "var")), clock=lambda: NOW) as runtime:
            first = await run(runtime, put(folder, events=[EVENTS[0], *events]))
            second = await run(runtime, put(folder, events=[EVENTS[0], *shuffled]))
            assert (first.events.stored, first.events.duplicate) == (len(rows), 0)
            assert (second.events.stored, second.events.duplicate) == (0, len(rows))
            assert await count_events(runtime, "shop") == len(rows)

    asyncio.run(twice())


async def test_bad_rows_are_kept_aside_with_their_line_and_stop_nothing(runtime: Runtime, tmp_path: Path):
    folder = put(
        tmp_path / "in",
        items=[
            *ITEMS,
            "b,Bad price,abc,,1",
            "n,Not a price,NaN,,1",
            "m,Minus,-2,,1",
            ",No id,1,,1",
            "j,Js,1,javascript:x,1",
        ],
        events=[
            *EVENTS,
            "c3,zzz,2020-07-01,1,1,FR,o3",
            "c3,b,2020-07-01,1,1,FR,o3",
            "c3,a,2199-01-01,1,1,FR,o3",
            "c3,a,1969-01-01,1,1,FR,o3",
            "c3,a,soon,1,1,FR,o3",
            "c3,a,2020-07-01,many,1,FR,o3",
            ",a,2020-07-01,1,1,FR,o3",
            "c3,a",
            "c4,a,2020-07-05,1,1,FR,o4",
        ],
    )
    summary = await run(runtime, folder)
    assert summary.items == KindCounts(read=7, filtered=1, stored=1, rejected=5)
    assert summary.events == KindCounts(read=12, filtered=1, stored=3, rejected=8)
    items = {row["line"]: row["reason"] for row in rejected(summary) if row["kind"] == "items"}
    assert items == {
        4: "price 'abc' is not a number",
        5: "price 'NaN' is not a number",
        6: "price '-2.0' is negative",
        7: "id is empty",
        8: "url 'javascript:x' is not an http or https address",
    }
    events = {row["line"]: str(row["reason"]) for row in rejected(summary) if row["kind"] == "events"}
    assert "'zzz' is not in the catalogue" in events[5]
    assert "'b' is not in the catalogue" in events[6]
    assert "lies in the future (now is 2026-11-22 12:00 UTC)" in events[7]
    assert "lies before 1970" in events[8]
    assert "'soon' is not a time" in events[9]
    assert "'many' is not a number" in events[10]
    assert events[11] == "profile is empty"
    assert events[12] == "2 cells where the header has 7"
    raw = next(row["raw"] for row in rejected(summary) if row["line"] == 4)
    assert raw == {"sku": "b", "name": "Bad price", "price": "abc", "link": "", "sold": "1"}
    top = summary.reasons[0]
    assert (top.kind, top.count) == ("events", 2)
    assert "…" in top.reason
    assert "'zzz'" in top.example


async def test_bytes_that_are_not_utf8_cost_their_row(runtime: Runtime, tmp_path: Path):
    folder = put(tmp_path / "in")
    (folder / "items.csv").write_bytes(("\n".join(ITEMS)).encode() + b"\ne,Caf\xe9,2,,1\n")
    summary = await run(runtime, folder)
    assert summary.items == KindCounts(read=3, filtered=1, stored=1, rejected=1)
    (row,) = rejected(summary)
    assert "set `encoding` in the mapping" in str(row["reason"])
    assert "Caf\\xe9" in json.dumps(row["raw"]).replace("\\\\", "\\")


@pytest.mark.parametrize("what", ["gzip", "column", "file", "key"])
async def test_what_is_unusable_as_a_whole_is_refused_before_anything_is_stored(
    runtime: Runtime, tmp_path: Path, what: str
):
    folder = put(tmp_path / "in")
    if what == "gzip":
        (folder / "map.yaml").write_text(MAPPING.replace("events.csv", "events.csv.gz"))
        (folder / "events.csv.gz").write_bytes(gzip.compress("\n".join(EVENTS * 99).encode())[:-30])
        words = "breaks at byte"
    elif what == "column":
        (folder / "events.csv").write_text("who,sku,time\nc1,a,2020-07-01\n")
        words = "has no column 'country'"
    elif what == "file":
        (folder / "events.csv").unlink()
        words = "does not exist"
    else:
        (folder / "map.yaml").write_text(MAPPING.replace("title: name", "titel: name"))
        words = "unknown key `titel` at `items.titel`; did you mean `title`"
    with pytest.raises(ImportFailed, match=words):
        await run(runtime, folder)
    with pytest.raises(NotFound):
        await get_workspace(runtime, "shop")


async def test_an_empty_catalogue_is_refused_with_what_to_do(runtime: Runtime, tmp_path: Path):
    folder = put(tmp_path / "in", items=[ITEMS[0], "b,Bad,abc,,1", ITEMS[2]])
    with pytest.raises(EmptyCatalogue) as refused:
        await run(runtime, folder)
    assert "of 2 rows in items.csv, 1 were left out by `where` and 1 rejected" in str(refused.value)
    assert "'abc' is not a number" in str(refused.value)
    with pytest.raises(NotFound):
        await get_workspace(runtime, "shop")


async def test_an_item_without_any_text_is_kept_and_mentioned(runtime: Runtime, tmp_path: Path):
    summary = await run(runtime, put(tmp_path / "in", items=[*ITEMS, "q,,2,,1"]))
    assert summary.items.stored == 2
    assert "1 items have neither title nor description" in summary.notes[0]


async def test_the_last_of_equal_items_wins_and_is_counted_once(runtime: Runtime, tmp_path: Path):
    folder = put(tmp_path / "in", items=[*ITEMS, "a,Apple again,2,,1"])
    assert (await run(runtime, folder)).items == KindCounts(read=3, filtered=1, stored=1, duplicate=1)
    assert (await get_item(runtime, "shop", "a")).title == "Apple again"
    assert (await run(runtime, folder)).items == KindCounts(read=3, filtered=1, duplicate=2)


async def test_each_kind_of_event_may_have_its_own_file(runtime: Runtime, tmp_path: Path):
    mapping = MAPPING.split("profiles:")[0] + (
        "events:\n"
        "- {file: events.csv, profile: who, item: sku, type: {constant: purchase}, time: when}\n"
        "- {file: events.csv, profile: who, item: sku, type: {constant: view}, time: when}\n"
    )
    summary = await run(runtime, put(tmp_path / "in", mapping=mapping))
    assert summary.events == KindCounts(read=6, filtered=2, stored=4)
    assert {event.type for event in await newest_events(runtime, "shop", "c1")} == {"view", "purchase"}


async def test_summaries_are_json_and_counts_add_up(runtime: Runtime, tmp_path: Path):
    summary = await run(runtime, put(tmp_path / "in"))
    assert msgspec.json.decode(msgspec.json.encode(summary), type=ImportSummary) == summary
    for counts in (summary.items, summary.profiles, summary.events):
        assert counts.read == counts.filtered + counts.stored + counts.duplicate + counts.rejected
