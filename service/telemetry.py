"""What the service tells about itself: a request id, one access line per request, metrics by route template.

A line never holds a body, a query string, a header or a key. Metrics live in a registry of their own, so that
two applications in one process do not count into each other.
"""

import asyncio
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from eval.scorers.registry import broken
from prompts.variant import Variant
from service.tracing import Tracing, finish

REQUEST_ID_HEADER = b"x-request-id"
METRICS_MEDIA_TYPE = CONTENT_TYPE_LATEST
UNMATCHED = "unmatched"
"""The route label of a request that no route answers: paths from outside never become labels."""
UNANSWERED = 499
"""The status of a request whose client left before an answer began."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

# ASGI's own types, spelled out here so that this module serves any ASGI application.
AsgiScope = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[Any]]
AsgiSend = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class Metrics:
    """Counters, histograms and gauges of one application, rendered for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "pitchwright_requests",
            "Requests answered, by route template and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "pitchwright_request_seconds",
            "Seconds from the first byte in to the last byte out, by route template.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.variants = Counter(
            "pitchwright_variants",
            "Variants written, by channel and by how their checks ended.",
            ["channel", "status"],
            registry=self.registry,
        )
        self.scores_missing = Counter(
            "pitchwright_scores_missing",
            "Scores that are missing because a scorer broke, by scorer.",
            ["scorer"],
            registry=self.registry,
        )
        self.engine_in_flight = Gauge(
            "pitchwright_engine_in_flight",
            "Drafts that wait for the engine now.",
            registry=self.registry,
        )
        self.engine_seconds = Histogram(
            "pitchwright_engine_seconds",
            "Seconds until the engine answered all asks of a call, waiting for a turn at it included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.engine_tokens = Counter(
            "pitchwright_engine_tokens",
            "Tokens of prompts and of completions.",
            ["kind"],
            registry=self.registry,
        )
        self.engine_failures = Counter(
            "pitchwright_engine_failures",
            "Calls of the engine that failed, by error.",
            ["error"],
            registry=self.registry,
        )
        self.requests_in_flight = Gauge(
            "pitchwright_requests_in_flight", "Requests under way.", registry=self.registry
        )

    def count_variants(self, channel: str, variants: Sequence[Variant]) -> None:
        """Count what was written for a channel, and what scorers owe it."""
        for variant in variants:
            self.variants.labels(channel, variant.status).inc()
        self.count_broken(variants)

    def count_broken(self, variants: Sequence[Variant]) -> None:
        """Count the scores that are missing because a scorer broke."""
        for scorer, count in broken(variants).items():
            self.scores_missing.labels(scorer).inc(count)

    def render(self) -> bytes:
        """Every metric in Prometheus' text format."""
        return generate_latest(self.registry)


def access_logger(level: str = "info") -> structlog.typing.FilteringBoundLogger:
    """Make a logger of JSON lines on stderr: standard output belongs to the answers of commands."""
    return structlog.wrap_logger(
        structlog.PrintLogger(file=sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def request_id(scope: Mapping[str, Any]) -> str:
    """Return the id of this request, as its answer's `X-Request-Id` says it."""
    return str(scope.get("state", {}).get("request_id", ""))


class Telemetry:
    """Goes around all of Litestar: even a path that no route knows gets an id, a line and a count."""

    def __init__(self, app: AsgiApp, metrics: Metrics, logger: structlog.typing.FilteringBoundLogger) -> None:
        self.tracing: Tracing | None = None
        self._app = app
        self._metrics = metrics
        self._logger = logger
        self.in_flight: set[asyncio.Task[Any]] = set()
        metrics.requests_in_flight.set_function(lambda: len(self.in_flight))
        """Requests under way, each in a task of its own."""
        self.closing = False
        """Whether the process is about to end: connections then end with the answers they bring."""

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        identity = _incoming_id(scope) or uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = identity
        answer = {"status": UNANSWERED, "bytes": 0}

        async def observed(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                headers = [
                    pair for pair in message.get("headers", []) if pair[0].lower() != REQUEST_ID_HEADER
                ]
                headers += [(b"connection", b"close")] * self.closing
                message["headers"] = [*headers, (REQUEST_ID_HEADER, identity.encode("ascii"))]
            elif message["type"] == "http.response.body":
                answer["bytes"] += len(message.get("body", b""))
            await send(message)

        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- for the type checker: an application runs in a task
        self.in_flight.add(task)
        try:
            with structlog.contextvars.bound_contextvars(request_id=identity):
                await self._traced(scope, receive, observed, answer)
        except asyncio.CancelledError:
            if not self.closing or answer["status"] != UNANSWERED:
                raise
            # Broken off because the process ends, before anything was said: another one may answer.
            headers = [(b"retry-after", b"1"), (b"content-length", b"0")]
            await observed({"type": "http.response.start", "status": 503, "headers": headers})
            await observed({"type": "http.response.body", "body": b""})
        finally:
            self.in_flight.discard(task)
            self._record(scope, identity, answer, time.perf_counter() - started)

    async def _traced(
        self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend, answer: dict[str, int]
    ) -> None:
        if self.tracing is None:
            await self._app(scope, receive, send)
            return
        with self.tracing.request(scope["headers"], request_id(scope)) as span:
            try:
                await self._app(scope, receive, send)
            finally:
                finish(span, str(scope["method"]), _route(scope), answer["status"])

    def _record(self, scope: AsgiScope, identity: str, answer: dict[str, int], seconds: float) -> None:
        method, route = str(scope["method"]), _route(scope)
        self._metrics.requests.labels(method, route, str(answer["status"])).inc()
        self._metrics.request_seconds.labels(method, route).observe(seconds)
        self._logger.info(
            "request",
            request_id=identity,
            method=method,
            route=route,
            status=answer["status"],
            seconds=round(seconds, 6),
            bytes=answer["bytes"],
            workspace=scope.get("state", {}).get("workspace"),
        )


def _route(scope: AsgiScope) -> str:
    return str(scope.get("path_template") or UNMATCHED)


def _incoming_id(scope: AsgiScope) -> str | None:
    for name, value in scope["headers"]:
        if name.lower() == REQUEST_ID_HEADER:
            text = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None
