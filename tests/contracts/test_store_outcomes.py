"""What the store promises about outcomes: counted as they arrive or all over again, it is the same."""

import random
from datetime import datetime, timedelta

import msgspec
import pytest

from eval.proxies.history.history import Place
from eval.proxies.history.tally import Counts
from eval.proxies.outcomes import Copy, count, outcomes
from prompts.variant import Score
from service.drafts.decision_store import DecisionStore
from service.drafts.store import DraftStore
from service.events.actions import record_events
from service.events.model import Event
from service.outcomes.actions import history_scores, logged_outcomes
from service.outcomes.store import OutcomeStore
from service.profiles.actions import erase_profile
from service.runtime import Runtime
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import NOW, Clock
from tests.contracts.test_store_decisions import decision
from tests.contracts.test_store_rooms import draft

OF_A = {"channel": "push", "text": "Dig in\nwith this", "segment": "s1"}


def event(number: int, kind: str, variant: str, who: int, **properties: str) -> Event:
    return Event(
        id=f"e{number:05}",
        profile_id=f"p{who}",
        type=kind,
        occurred_at=NOW - timedelta(hours=number % 50),
        variant_id=variant,
        properties=dict(properties),
    )


def shown(variant: str, people: int, clicked: int, **properties: str) -> list[Event]:
    first = sum(map(ord, variant)) * 1000
    impressions = [event(first + n, "impression", variant, n, **properties) for n in range(people)]
    return impressions + [event(first + people + n, "click", variant, n) for n in range(clicked)]


async def counts(runtime: Runtime, after: datetime | None, until: datetime) -> dict[str, Counts]:
    async with runtime.database.read() as session:
        added = await OutcomeStore(session, "shop").added(after, until)
    return {name: each.counts for name, each in added.items()}


@pytest.mark.parametrize("seed", range(2))
async def test_what_arrives_adds_up_to_what_is_there(runtime: Runtime, clock: Clock, seed: int):
    """Impressions and clicks of few people on few variants, in any order, some of them again and again."""
    draw = random.Random(seed)
    kinds = ("impression", "click", "view")
    log = [event(n, draw.choice(kinds), draw.choice("abc"), draw.randrange(6)) for n in range(60)]
    total: dict[str, Counts] = {}
    until = None
    while log:
        size = draw.randrange(1, 20)
        arriving, log = log[:size], log[size:]
        await record_events(runtime, "shop", arriving)
        now = clock()
        for name, (seen, clicked) in (await counts(runtime, until, now)).items():
            before = total.get(name, Counts())
            total[name] = Counts(before.shown + seen, before.clicked + clicked)
        until = now
        clock.advance(minutes=1)
    whole = await counts(runtime, None, clock())
    assert {name: each for name, each in total.items() if any(each)} == {
        name: each for name, each in whole.items() if any(each)
    }
    async with runtime.database.read() as session:
        frame = await OutcomeStore(session, "shop").events()
    copies = {name: Copy(text=name, place=Place("push")) for name in "abc"}
    counted = count(outcomes(frame, copies))
    assert dict(counted) == {copies[name].cell: each for name, each in whole.items() if each.shown}


async def test_outcomes_stay_in_their_workspace(runtime: Runtime, clock: Clock):
    await create_workspace(runtime, "other")
    await record_events(runtime, "other", shown("a", 3, 1))
    assert await counts(runtime, None, clock()) == {}
    assert (await logged_outcomes(runtime, "shop")).trials.height == 0


async def test_history_follows_events_that_arrive_come_late_or_are_erased(runtime: Runtime, clock: Clock):
    async def evidence() -> Counts:
        history = await runtime.histories.of(runtime, "shop")
        return history.evidence(Place("push", segment="s1").cell(OF_A["text"]))

    assert await evidence() == Counts()
    await record_events(runtime, "shop", shown("a", 40, 4, **OF_A))
    assert await evidence() == Counts()  # it was looked up a moment ago
    clock.advance(minutes=1)
    assert await evidence() == Counts(40, 4)
    counted = clock()
    clock.advance(minutes=1)
    await record_events(runtime, "shop", [event(1, "click", "a", 30), event(2, "impression", "a", 77)])
    assert await evidence() == Counts(41, 5)
    late = clock()
    clock.now = counted - timedelta(seconds=30)  # recorded by another process before, seen only now
    await record_events(runtime, "shop", [event(3, "impression", "a", 78)])
    clock.now = late + timedelta(minutes=1)
    assert await evidence() == Counts(42, 5)
    await erase_profile(runtime, "shop", "p0")
    clock.advance(minutes=1)
    assert await evidence() == Counts(41, 4)


async def test_copy_of_drafts_is_looked_up_as_it_stands_and_other_copy_as_events_say(
    runtime: Runtime, clock: Clock
):
    edited = decision(1, "edited", fields={"title": "Dug", "tags": ["#x"]}, checks=())
    async with runtime.database.write() as session:
        for each in (draft(1, "Dig", item_id="i1", segment="s1"), draft(2, "Sow")):
            await DraftStore(session, "shop").add(each)
        await DecisionStore(session, "shop").add("20260002", "v", edited)
    await record_events(
        runtime,
        "shop",
        [
            *shown("20260001/v", 3, 1),
            *shown("20260002/v", 2, 0),
            *shown("mail-7", 2, 2, channel="email", text="Hello", campaign="spring"),
            *shown("nameless", 2, 0),
            *shown("mute", 2, 0, channel="email"),
        ],
    )
    clock.advance(minutes=1)
    found = await logged_outcomes(runtime, "shop")
    assert found.copies == {
        "20260001/v": Copy(text="Dig\n#soil", place=Place("push", "x", "s1", "i1")),
        "20260002/v": Copy(text="Dug\n#x", place=Place("push", "x", "", "p")),
        "mail-7": Copy(text="Hello", place=Place("email"), campaign="spring"),
    }
    assert found.set_aside["variant_without_text"] == 4
    history = await runtime.histories.of(runtime, "shop")
    assert history.evidence(Place("email").cell("mute")) == Counts(2, 0)  # it still tells of its channel


async def test_scores_say_what_is_known_of_each_text(runtime: Runtime, clock: Clock):
    made = draft(1, "Dig")
    [one] = made.variants
    texts = [
        {"title": "Dig in", "body": "with this"},
        {"title": "Dig in", "body": "now"},
        {"title": "New"},
        {},
    ]
    variants = [msgspec.structs.replace(one, id=str(n), fields=fields) for n, fields in enumerate(texts)]

    async def scores() -> list[Score | None]:
        clock.advance(minutes=1)
        return await history_scores(runtime, "shop", made.brief, variants, item_id="i1", segment="s1")

    assert await scores() == [None] * 4
    await record_events(
        runtime,
        "shop",
        [
            *shown("a", 300, 60, **OF_A),
            *(
                each
                for n in range(4)
                for each in shown(f"other {n}", 100, 5, channel="push", text=f"O{n}\nx")
            ),
        ],
    )
    known, opening, new, empty = await scores()
    assert known is not None
    assert opening is not None
    assert new is not None
    assert empty is None
    assert known.value > 0.6 > new.value
    assert known.value > opening.value > new.value
    told = [score.reason.partition("; weights: history ")[0] for score in (known, opening, new)]
    assert told == [
        "of 300 people shown this text, 60 clicked",
        "of 300 people shown another text with this opening, 60 clicked",
        "nobody was shown this text yet",
    ]
