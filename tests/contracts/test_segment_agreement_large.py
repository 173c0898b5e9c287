"""Counts agree in a large world too: one whose members are known by arithmetic, on either store."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace, set_workspace
from service.workspaces.model import WorkspacePatch
from tests.contracts.test_segment_agreement import AS_OF, W, ask
from tests.indexing.people import CornerEmbedder

PEOPLE = 200_000
"""Twice as many events."""
PLANS = ("gold", "silver", "free")
PAGE = 10_000

GOLD = {"trait": "plan", "value": "gold"}
SILVER = {"trait": "plan", "value": "silver"}
LATELY = {"event": "purchase", "op": "ge", "value": 2, "within_days": 30}
SPENT = {"event": "purchase", "aggregate": "value", "op": "ge", "value": 12}
DEFINITIONS: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({"all": []}, lambda _: True),
    (GOLD, lambda n: n % 3 == 0),
    (LATELY, lambda n: min(n % 5, 3) >= 2),
    ({"all": [GOLD, {"not": {"event": "purchase"}}]}, lambda n: n % 3 == 0 and n % 5 == 0),
    ({"any": [SILVER, SPENT]}, lambda n: n % 3 == 1 or (n % 5) * (n % 7) >= 12),
]


def people() -> Iterator[Profile]:
    return (Profile(id=f"p-{n:07}", traits={"plan": PLANS[n % 3]}, created_at=AS_OF) for n in range(PEOPLE))


def events() -> Iterator[Event]:
    """Purchases, `n % 5` of profile n: 1, 11, 21 and 31 days ago, each worth `n % 7`."""
    for n in range(PEOPLE):
        for place in range(n % 5):
            yield Event(
                id=f"e-{n}-{place}",
                profile_id=f"p-{n:07}",
                type="purchase",
                occurred_at=AS_OF - timedelta(days=1 + 10 * place),
                value=float(n % 7),
            )


@pytest.mark.slow
async def test_every_way_to_ask_gives_one_answer_of_many_people(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    async def corners(_: Runtime) -> CornerEmbedder:
        return CornerEmbedder()

    monkeypatch.setattr(Runtime, "embedder", corners)
    async with open_runtime(settings, clock=lambda: AS_OF) as runtime:
        await create_workspace(runtime, W)
        await set_workspace(runtime, W, WorkspacePatch(reference_time=AS_OF.isoformat()))
        await upsert_items(runtime, W, [Item(id="i-1", title="Trowel")])
        assert (await upsert_profiles(runtime, W, people())).stored == PEOPLE
        recorded = await record_events(runtime, W, events())
        assert (recorded.stored, recorded.rejected) == (2 * PEOPLE, 0)
        await create_segment(runtime, W, "drawn", {"all": []})
        await build_snapshot(runtime, W)
        looked_at = [f"p-{n:07}" for n in range(0, PEOPLE, PEOPLE // 7)]
        for tree, holds in DEFINITIONS:
            expected = [f"p-{n:07}" for n in range(PEOPLE) if holds(n)]
            assert await ask(runtime, tree, looked_at, PAGE) == expected
