"""The doctor's look at a store on either database, its clock and its connection."""

from datetime import UTC, datetime, timedelta

import pytest

from service.operations import examination
from service.operations.model import Check
from service.runtime import Runtime
from service.settings import Settings


async def found(settings: Settings) -> dict[str, Check]:
    checks = examination._store_checks(settings, None)  # pyright: ignore[reportPrivateUsage] # the store alone
    return {each.name: each async for each in checks}


async def test_a_store_is_well_and_its_clock_agrees(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    checks = await found(settings)
    assert checks["store"].status == "ok"
    assert runtime.database.dialect in checks["store"].detail
    if runtime.database.dialect == "postgresql":
        assert checks["clock of the store"].status == "ok"
        for seconds, status in ((10, "warning"), (60, "failed")):
            late = timedelta(seconds=seconds)
            monkeypatch.setattr(examination, "utc_now", lambda late=late: datetime.now(UTC) - late)
            clock = (await found(settings))["clock of the store"]
            assert clock.status == status
            assert f"{seconds - 1}." in clock.detail or f"{seconds}." in clock.detail


@pytest.mark.postgres
async def test_a_server_that_is_not_there_is_told_without_its_password():
    away = Settings(database_url="postgresql://me:secret@127.0.0.1:9/shop")
    (check,) = (await found(away)).values()
    assert (check.name, check.status) == ("store", "failed")
    assert "PITCHWRIGHT_DATABASE_URL" in check.detail
    assert "secret" not in check.detail
