"""Spans for OpenTelemetry where `PITCHWRIGHT_TRACE_URL` names a collector; without it nothing, at no cost.

A span is opened by `span(...)` wherever work is done. It goes to the tracer of the request or job that the
work is for, which travels in the context as the request's id does, into tasks and threads. Attributes are
ids, names and numbers; never a text, a trait or a key.
"""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from service.errors import ExtraMissing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

    from service.settings import Settings

Attributes = Mapping[str, str | int | float | bool]

_tracer: "ContextVar[Tracer | None]" = ContextVar("tracer", default=None)


@contextlib.contextmanager
def span(name: str, attributes: Attributes | None = None) -> "Generator[Span | None]":
    """Open a span for the block, inside of the one around it; none where nothing is traced."""
    tracer = _tracer.get()
    if tracer is None:
        yield None
        return
    with tracer.start_as_current_span(name, attributes=attributes) as opened:
        yield opened


class Tracing:
    """What collects an application's spans and sends them."""

    def __init__(self, exporter: "SpanExporter") -> None:
        """Send to the exporter in batches, from a thread of their own."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from eval.figures import version

        resource = Resource.create({"service.name": "pitchwright", "service.version": version()})
        self._provider: TracerProvider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("pitchwright", version())

    @contextlib.contextmanager
    def request(self, headers: Sequence[tuple[bytes, bytes]], request_id: str) -> "Generator[Span]":
        """Open the span of a request, in the trace that its `traceparent` names; work in it is traced."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carried = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        trace = {name: carried[name] for name in ("traceparent", "tracestate") if name in carried}
        context = TraceContextTextMapPropagator().extract(trace)
        token = _tracer.set(self._tracer)
        try:
            with self._tracer.start_as_current_span(
                "request", context, SpanKind.SERVER, {"pitchwright.request_id": request_id}
            ) as opened:
                yield opened
        finally:
            _tracer.reset(token)

    def close(self) -> None:
        """Send what was not sent yet. Blocks."""
        self._provider.shutdown()


def open_tracing(settings: "Settings") -> Tracing | None:
    """Open what the settings ask for; raises ExtraMissing when it is not installed."""
    return None if settings.trace_url is None else Tracing(exporter_to(settings.trace_url))


def exporter_to(url: str) -> "SpanExporter":
    """Return what sends spans to a collector by OTLP over HTTP; raises ExtraMissing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"PITCHWRIGHT_TRACE_URL needs a package that is not installed ({error.name}): "
            'pip install "pitchwright[otel]"'
        ) from None
    root = url.rstrip("/")
    return OTLPSpanExporter(endpoint=root if root.endswith("/v1/traces") else f"{root}/v1/traces")


def finish(opened: Any, method: str, route: str, status: int) -> None:
    """Say what a request's span was about, once it is known."""
    opened.update_name(f"{method} {route}")
    opened.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
    )
    if status >= 500:
        from opentelemetry.trace import Status, StatusCode

        opened.set_status(Status(StatusCode.ERROR))
