"""Computed traits: against plain Python, alone and among others, across time zones, in rules and on disk."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexing.audience import evaluate, explain
from indexing.computed_traits import NAMES, PREFIX, Calendar, ComputedTraits, compute_traits
from indexing.definition_parser import read_text
from indexing.event_columns import EventColumns, read_columns
from indexing.live import live_population
from indexing.snapshot import build, open_snapshot
from indexing.unknown_names import in_words, unknown_names
from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, RESPONSE_COLUMNS
from tests.indexing.conftest import NOW
from tests.indexing.plain_computed import plain_traits
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import make_world

AS_OF = datetime(2026, 4, 15, 0, 30, tzinfo=UTC)
WEIGHTS = {"view": 1.0, "purchase": 2.5, "return": -2.0}
ITEMS: list[dict[str, Any]] = [
    {"id": f"i{row}", "title": f"Item {row}", "category": category, "price": price, "in_stock": True}
    for row, (category, price) in enumerate(
        [("Tea", 2.0), ("Tea", 9.0), ("Tea", 9.0), ("Tea", None), ("Ale", 5.0), (None, 7.0), (None, 1.0)]
    )
]
LONDON, SYDNEY = "Europe/London", "Australia/Sydney"

EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["view", "purchase", "purchase", "return", "odd"]),
        "item": st.none() | st.integers(0, len(ITEMS) - 1),
        "value": st.sampled_from([None, 0.1, 0.2, 20.0, -5.0]),
        "channel": st.sampled_from([None, None, "email", "push", "sms", "Ärger"]),
        "time": st.integers(-2, 24 * 80).map(lambda hours: AS_OF - timedelta(hours=hours)),
    }
)
PEOPLE = st.lists(st.lists(EVENTS, max_size=8), max_size=7)


def columns(people: list[list[dict[str, Any]]]) -> EventColumns:
    rows = [{"profile": row, "quantity": 1.0, **event} for row, mine in enumerate(people) for event in mine]
    frame = pl.DataFrame(rows, schema=EVENT_COLUMNS).sort("profile", "time", maintain_order=True)
    return read_columns(frame, len(people))


def responses(people: list[list[dict[str, Any]]]) -> pl.DataFrame:
    rows = [{"profile": row, **event} for row, mine in enumerate(people) for event in mine]
    return pl.DataFrame([row for row in rows if row.get("channel")], schema=RESPONSE_COLUMNS)


def computed(people: list[list[dict[str, Any]]], timezone: str = LONDON, **more: Any) -> ComputedTraits:
    items = pl.DataFrame(ITEMS, schema_overrides=ITEM_COLUMNS)
    calendar = Calendar(as_of=AS_OF, timezone=timezone)
    answered = responses(people)
    return compute_traits(columns(people), items, calendar, WEIGHTS, responses=answered, **more)


def told(found: ComputedTraits) -> list[dict[str, Any]]:
    return [
        {name.removeprefix(PREFIX): value for name, value in row.items() if value is not None}
        for row in found.frame.to_dicts()
    ]


def event(kind: str, *when: int, item: int | None = 0, value: float | None = 1.0) -> dict[str, Any]:
    return {"type": kind, "item": item, "value": value, "time": datetime(2026, *when, tzinfo=UTC)}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PEOPLE, st.sampled_from([LONDON, SYDNEY, "UTC"]))
def test_every_trait_is_what_its_definition_says(people: list[list[dict[str, Any]]], zone: str) -> None:
    found = computed(people, zone)
    assert found.names() == NAMES
    expected = plain_traits(people, ITEMS, AS_OF, ZoneInfo(zone), WEIGHTS)
    for mine, plain in zip(told(found), expected, strict=True):
        assert mine == pytest.approx(plain, abs=2e-6)


@settings(max_examples=25, deadline=None)
@given(PEOPLE)
def test_one_alone_has_what_it_has_among_others(people: list[list[dict[str, Any]]]) -> None:
    everyone = computed(people)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexing.computed_traits._EVENTS_AT_ONCE", 3)
        assert computed(people).frame.equals(everyone.frame)
    for row, mine in enumerate(people):
        assert computed([mine], cuts=everyone.cuts).frame.equals(everyone.one(row).frame)


def test_days_and_hours_are_those_of_the_zone_through_daylight_saving() -> None:
    spring = [
        event("purchase", 3, 28, 23, 30),  # Saturday night in London, Sunday morning in Sydney
        event("purchase", 3, 29, 0, 30),  # half an hour before the clocks go forward in London
        event("purchase", 3, 29, 23, 30),  # already Monday in London
    ]
    [london], [sydney] = (told(computed([spring], zone)) for zone in (LONDON, SYDNEY))
    assert (london["frequency"], sydney["frequency"]) == (3, 2)
    assert london["cadence_days"] == 1
    assert "cadence_days" not in sydney
    winter, summer = event("view", 3, 10, 20, 15), event("view", 4, 10, 19, 15)
    [both] = told(computed([[winter, summer]]))
    assert both["preferred_hour"] == 20  # eight in the evening by both clocks
    assert told(computed([[winter, summer]], "UTC"))[0]["preferred_hour"] == 19


def test_a_rhythm_that_stopped_is_overdue_and_a_surge_is_a_trend() -> None:
    weekly = [event("purchase", 2, day, 12) for day in (1, 8, 15, 22)]
    [late] = told(computed([weekly]))
    assert (late["cadence_days"], late["overdue"]) == (7, round(52 / 7, 6))
    [busy] = told(computed([[event("view", 4, day, 9) for day in range(1, 9)]]))
    assert busy["trend"] == 0.8
    assert "recency_days" not in busy


def test_quintiles_share_buyers_out_and_ties_share_a_score() -> None:
    people = [[event("purchase", 4, 1, value=float(n))] for n in range(10)] + [[], [event("view", 4, 1)]]
    scores = [one.get("monetary_score") for one in told(computed(people))]
    assert scores == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, None, None]
    assert {one.get("frequency_score") for one in told(computed(people))} == {1, None}


def test_a_snapshot_keeps_them_and_rules_read_them_alike_live(tmp_path: Path) -> None:
    world = make_world(40, n_events=6)
    answered = [
        {"profile": row % 13, "channel": ("sms", "email")[row % 2], "time": world.as_of} for row in range(30)
    ]
    answered += [{"profile": 18, "channel": "push", "time": world.as_of + timedelta(days=1)}] * 9
    world = msgspec.structs.replace(world, responses=pl.DataFrame(answered, schema=RESPONSE_COLUMNS))
    snapshot = build(world, PlainEmbedder(), tmp_path / "new", now=NOW)
    opened = open_snapshot(tmp_path / "new")
    assert opened.computed.frame.equals(snapshot.computed.frame)
    rules = "computed.frequency >= 1 and computed.recency_days < 1000 and computed.favourite_category exists"
    definition = read_text(f'{rules} and computed.rfm != "999"')
    members = set(evaluate(definition, snapshot, None).rows.tolist())
    bought = set(snapshot.events.filter(type="purchase")["profile"].to_list())
    assert members
    assert members <= bought
    assert unknown_names(definition, snapshot) == ()
    channels = snapshot.computed.frame["computed.preferred_channel"].to_list()
    assert (channels[:5], channels[13:]) == (["sms", "email", "sms", "email", "email"], [None] * 27)
    by_mail = evaluate(read_text('computed.preferred_channel = "email"'), snapshot, None)
    assert by_mail.rows.tolist() == [row for row, channel in enumerate(channels) if channel == "email"]
    [misspelt] = in_words(unknown_names(read_text("computed.frequence > 1"), snapshot))
    assert "'computed.frequency'" in misspelt
    for row in range(0, 40, 9):
        mine = world.events.filter(pl.col("profile") == row).with_columns(profile=pl.lit(0, pl.UInt32))
        told = world.responses.filter(profile=row).with_columns(profile=pl.lit(0, pl.UInt32))
        alone = msgspec.structs.replace(
            world, profiles=world.profiles.slice(row, 1), events=mine, responses=told
        )
        live = live_population(alone, snapshot)
        assert live.computed.frame.equals(snapshot.computed.one(row).frame)
        stored = explain(definition, snapshot, None, row=row)
        now = explain(definition, snapshot, None, person=live)
        assert stored == now
        assert stored.matched == (row in members)


def test_the_same_events_give_the_same_bytes_however_long_the_names_are() -> None:
    items = pl.DataFrame([{**each, "category": f"{row}, a long category"} for row, each in enumerate(ITEMS)])
    bought: dict[str, Any] = {"type": "purchase", "value": 1.0, "time": AS_OF}
    people = [[{**bought, "item": row, "channel": f"{row}, a long channel"}] for row in range(len(ITEMS))]
    calendar, heard = Calendar(as_of=AS_OF, timezone=LONDON), responses(people)

    def written() -> bytes:
        file = BytesIO()
        traits = compute_traits(columns(people), items, calendar, WEIGHTS, responses=heard)
        traits.frame.rechunk().write_ipc(file)
        return file.getvalue()

    assert len({written() for _ in range(8)}) == 1


def test_an_older_snapshot_has_none_and_says_so() -> None:
    old = open_snapshot(Path(__file__).parent / "snapshots" / "format-2" / "snapshot")
    definition = read_text("computed.frequency >= 0 or computed.rfm exists")
    assert evaluate(definition, old, None).size == 0
    [warning] = in_words(unknown_names(definition, old))
    assert warning.startswith("the snapshot holds no trait 'computed.frequency'")


def test_a_live_profile_has_the_traits_that_its_snapshot_has() -> None:
    old = open_snapshot(Path(__file__).parent / "snapshots" / "format-3" / "snapshot")
    world = make_world(40, n_events=3)
    mine = world.events.filter(profile=0)
    live = live_population(
        msgspec.structs.replace(world, profiles=world.profiles.slice(0, 1), events=mine), old
    )
    assert live.computed.names() == old.computed.names() == tuple(n for n in NAMES if "channel" not in n)


def test_every_computed_trait_is_documented() -> None:
    readme = (Path(__file__).parents[2] / "indexing" / "README.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in readme] == []
