"""What Prometheus is told of how things stand, and the dashboard that asks for it."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select, update

from prompts.engine import Answer, Ask, EngineInfo
from prompts.errors import EngineTimeout
from service.app import create_app
from service.campaigns.job import Failure
from service.campaigns.leases import LeaseStore
from service.campaigns.model import Campaign, places
from service.campaigns.ordering import cancel_campaign
from service.campaigns.store import CampaignStore
from service.console import log_to_stderr
from service.errors import DatabaseUnavailable
from service.llm.measured import MeasuredEngine
from service.llm.openai_engine import OpenAIEngine
from service.llm.servers import BREAKS_AFTER
from service.telemetry import Metrics
from service.webhooks import actions
from service.webhooks.tables import DeliveryRow
from tests.service.http.shop import Shop, serving

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "deploy/grafana/pitchwright.json").read_text())
CAMPAIGN = Campaign(name="spring", segments=("gardeners",), channels=("push",))
NAME = re.compile(r"\b(?:pitchwright|process)_[a-z0-9_]+")
SUFFIXES = ("_bucket", "_count", "_sum")


def told(answer: httpx.Response) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def expressions(panel: Any) -> Iterator[str]:
    if isinstance(panel, dict):
        for key, value in panel.items():
            if key == "expr" or (key == "query" and isinstance(value, str)):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(panel, list):
        for each in panel:
            yield from expressions(each)


async def test_every_metric_of_the_dashboard_is_there(client: httpx.AsyncClient):
    asked = {name for each in expressions(DASHBOARD) for name in NAME.findall(each)}
    assert len(asked) > 20
    families = list(text_string_to_metric_families((await client.get("/metrics")).text))
    there = {sample.name for family in families for sample in family.samples}
    for family in families:  # one whose labels were not used yet has no sample
        there |= {family.name, f"{family.name}_total"} | {family.name + each for each in SUFFIXES}
    assert sorted(asked - there) == []
    ours = {each.name for each in families if re.fullmatch(r"pitchwright_.*(?<!_created)", each.name)}
    shown = {name.removesuffix("_total") for name in asked} | {
        name.removesuffix(each) for name in asked for each in SUFFIXES
    }
    assert sorted(ours - shown - {"pitchwright_build"}) == []


async def test_the_store_is_told_of_and_one_that_is_down_leaves_the_rest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    app = create_app(shop.settings(), background=False)
    async with serving(app) as client:
        runtime = app.state.runtime
        webhook = await actions.create_webhook(
            runtime, "default", "https://crm.example/x", ("campaign.done",)
        )
        await actions.send_test(runtime, "default", webhook.id)
        await actions.send_test(runtime, "default", webhook.id)
        async with runtime.database.write() as session:
            late = runtime.now() - timedelta(hours=1)
            first = select(func.min(DeliveryRow.id)).scalar_subquery()
            await session.execute(
                update(DeliveryRow).where(DeliveryRow.id == first).values(next_attempt_at=late)
            )
        async with runtime.database.write() as session:
            for name, units in (("open", 5), ("over", 3)):
                listed = list(places(CAMPAIGN, {"gardeners": [f"i{number}" for number in range(units)]}))
                await CampaignStore(session, "default").add(name, CAMPAIGN, listed, late)
            leases = await LeaseStore(session, "default", "open").take("w", 3, late, runtime.now())
            failed = [(leases[0], Failure(code="c", reason="r"))]
            await LeaseStore(session, "default", "open").finish("w", failed, late)
        await cancel_campaign(runtime, "default", "over")
        found = told(await client.get("/metrics"))
        assert [found[f"pitchwright_jobs campaign {state}"] for state in ("running", "cancelled")] == [1, 1]
        states = ("queued", "leased", "done", "failed")
        assert [found[f"pitchwright_campaign_units {state}"] for state in states] == [3, 2, 0, 0]
        assert found["pitchwright_webhook_deliveries pending"] == 2
        assert found["pitchwright_webhook_deliveries dead"] == 0
        assert 3600 <= found["pitchwright_webhook_overdue_seconds"] < 3660
        assert found["pitchwright_store_up"] == 1
        assert found["pitchwright_store_connections_limit"] == 32
        assert found["pitchwright_requests_in_flight"] == 1  # the one that asks
        assert found["pitchwright_executor_threads"] == 2
        assert found["pitchwright_data_free_bytes"] > 0
        assert found["process_resident_memory_bytes"] > 1e6

        def down() -> Any:
            raise DatabaseUnavailable("gone")

        monkeypatch.setattr(runtime.database, "read", down)
        answer = await client.get("/metrics")
        found = told(answer)
        assert (answer.status_code, found["pitchwright_store_up"]) == (200, 0)
        assert "pitchwright_webhook_deliveries pending" not in found
        assert found["pitchwright_executor_threads"] == 2


class Twice:
    """An engine that answers once and is then too late."""

    info = EngineInfo(name="e", model="m")

    def __init__(self) -> None:
        self.answers = [[Answer(text="a", prompt_tokens=7, completion_tokens=3)] * 2]

    async def generate(self, asks: Sequence[Ask], *, on_text: Any = None) -> list[Answer]:
        del asks, on_text
        if not self.answers:
            raise EngineTimeout("late")
        return self.answers.pop()

    async def healthy(self) -> bool:
        return True

    async def close(self) -> None: ...


async def test_an_engines_work_is_counted():
    metrics = Metrics()
    engine = MeasuredEngine(Twice(), metrics)
    await engine.generate([])
    with pytest.raises(EngineTimeout):
        await engine.generate([])
    count = metrics.registry.get_sample_value
    assert count("pitchwright_engine_tokens_total", {"kind": "prompt"}) == 14
    assert count("pitchwright_engine_tokens_total", {"kind": "completion"}) == 6
    assert count("pitchwright_engine_failures_total", {"error": "EngineTimeout"}) == 1
    assert count("pitchwright_engine_seconds_count") == 2
    assert engine.resting() == {}


async def test_a_server_that_rests_is_told_of_without_its_password():
    info = EngineInfo(name="openai", model="m")
    urls = ["http://me:secret@127.0.0.1:9/v1", "http://127.0.0.1:10/v1"]
    engine = OpenAIEngine(urls, info)
    try:
        server = engine._servers.all[0]  # pyright: ignore[reportPrivateUsage]
        for _ in range(BREAKS_AFTER):
            assert not any(engine.resting().values())
            server.failed(0.0)
        assert list(MeasuredEngine(engine, Metrics()).resting().values()) == [True, False]
    finally:
        await engine.close()


def test_a_line_says_which_request_job_and_unit_it_is_about(capsys: pytest.CaptureFixture[str]):
    before = structlog.get_config()
    log_to_stderr()
    try:
        with structlog.contextvars.bound_contextvars(request_id="r-1", job="j-1"):
            structlog.get_logger("pitchwright.jobs").info("begun", unit="u-1")
    finally:
        structlog.configure(**before)
    line = json.loads(capsys.readouterr().err)
    assert {"event": "begun", "request_id": "r-1", "job": "j-1", "unit": "u-1"}.items() <= line.items()
