"""Traces: one for each request, in the caller's, with the work done inside and nothing about anybody."""

import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service import tracing
from service.app import create_app
from service.errors import ExtraMissing
from service.llm.measured import MeasuredEngine
from service.telemetry import Metrics
from service.tracing import exporter_to, span
from tests.service.http.shop import Shop, serving
from tests.service.http.test_http_metrics import Twice

URL = "http://collector:4318"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def about(found: ReadableSpan) -> dict[str, object]:
    return dict(found.attributes or {})


async def test_a_request_is_a_trace_with_its_work_inside(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    sent = InMemorySpanExporter()

    def opened(url: str) -> InMemorySpanExporter:
        assert url == URL
        return sent

    monkeypatch.setattr(tracing, "exporter_to", opened)
    app = create_app(shop.settings(trace_url=URL), background=False)
    secret = shop.keys["default/admin"]
    async with serving(app) as client:
        headers = {
            "Authorization": f"Bearer {secret}",
            "traceparent": f"00-{TRACE}-{CALLER}-01",
            "X-Request-Id": "r-1",
        }
        body = {"definition": {"like": "somebody's secret wish"}}
        answer = await client.post("/v1/segments/preview?x=hidden", json=body, headers=headers)
        assert answer.status_code == 400
        answer = await client.post("/v1/segments/preview", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        await MeasuredEngine(Twice(), Metrics()).generate([])  # of no request, so of no trace
    refused, asked = [each for each in sent.get_finished_spans() if each.name.startswith("POST ")]
    assert about(refused)["http.response.status_code"] == 400
    assert about(asked) == {
        "pitchwright.request_id": "r-1",
        "http.request.method": "POST",
        "http.route": "/v1/segments/preview",
        "http.response.status_code": 200,
    }
    assert asked.parent is not None
    assert asked.context is not None
    assert f"{asked.parent.span_id:016x}" == CALLER
    inside = [
        each for each in sent.get_finished_spans() if each.context and not each.name.startswith("POST ")
    ]
    assert {f"{each.context.trace_id:032x}" for each in inside if each.context} == {TRACE}
    names = {each.name for each in inside if each.parent and each.parent.span_id == asked.context.span_id}
    assert "store.read" in names
    assert any(name.startswith("run ") for name in names)
    assert "engine.generate" not in {each.name for each in inside}
    everything = "".join(each.to_json() for each in sent.get_finished_spans())
    assert [word for word in ("secret wish", "hidden", secret) if word in everything] == []


def test_an_engines_call_is_a_span_that_says_when_it_failed():
    import asyncio

    sent = InMemorySpanExporter()
    traced = tracing.Tracing(sent)

    async def ask() -> None:
        engine = MeasuredEngine(Twice(), Metrics())
        with traced.request([], "r-1"):
            for _ in range(2):
                await engine.generate([])

    with pytest.raises(Exception, match="late"):
        asyncio.run(ask())
    traced.close()
    good, bad, _ = sent.get_finished_spans()
    assert good.name == bad.name == "engine.generate"
    assert about(good) == {"pitchwright.model": "m", "pitchwright.asks": 0}
    assert (good.status.is_ok, bad.status.is_ok) == (True, False)


def test_without_a_collector_nothing_is_traced_and_without_the_packages_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
):
    with span("anything") as opened:
        assert opened is None
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ExtraMissing, match=r'pip install "pitchwright\[otel\]"'):
        exporter_to(URL)
