"""Events kept by type and no longer; on both databases."""

import pytest

from service.errors import InvalidInput
from service.events.actions import count_events, newest_events, record_events
from service.events.model import Event
from service.privacy.retention import apply_retention
from service.runtime import Runtime
from service.snapshots.store import last_change
from service.workspaces.actions import create_workspace, set_workspace
from service.workspaces.model import WorkspacePatch
from tests.contracts.conftest import NOW, Clock
from tests.contracts.test_store import DAY


def event(event_type: str, days: int) -> Event:
    return Event(id=f"{event_type}-{days}", profile_id="p", type=event_type, occurred_at=NOW - days * DAY)


async def test_each_type_is_kept_as_long_as_it_is_said(
    runtime: Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.privacy.retention.ROWS_AT_ONCE", 2)
    await create_workspace(runtime, "rival")
    rows = [event(kind, days) for kind in ("view", "click", "purchase") for days in (1, 20, 40, 60, 80)]
    for workspace in ("shop", "rival"):
        await record_events(runtime, workspace, rows)
    assert await apply_retention(runtime, "shop") == {}
    kept = {"view": 10, "purchase": 70, "*": 60}
    await set_workspace(runtime, "shop", WorkspacePatch(retention_days=kept))
    clock.advance(hours=1)
    assert await apply_retention(runtime, "shop") == {"*": 2, "purchase": 1, "view": 4}
    left = {each.id for each in await newest_events(runtime, "shop", "p")}
    assert left == {"view-1", "click-1", "click-20", "click-40"} | {
        f"purchase-{days}" for days in (1, 20, 40, 60)
    }
    assert await count_events(runtime, "rival") == len(rows)
    async with runtime.database.read() as session:
        assert await last_change(session, "shop") == clock.now
    assert sum((await apply_retention(runtime, "shop")).values()) == 0


@pytest.mark.parametrize("kept", [{"view": 0}, {"view": -1}, {"": 5}, {"view": 40_000}])
async def test_a_retention_that_means_nothing_is_refused(runtime: Runtime, kept: dict[str, int]):
    with pytest.raises(InvalidInput, match="number of days"):
        await set_workspace(runtime, "shop", WorkspacePatch(retention_days=kept))
