"""The HTTP application: routes, layers and lifespan put together. There is none at module level.

Outside in: time limits for readers, telemetry (id, access line, metrics), protective headers, Litestar's
routing, recording (audit), access (key, rate, scope, body), ETags (of what an analyst sees, so around the
masking), masking, idempotency, the guard against unknown parameters, the handler; an error anywhere becomes a
problem.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, cast

import structlog
from litestar import Litestar, Request, Router
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.types import ASGIApp

from eval.figures import version
from service.access import Access
from service.api_page import ReadablePage
from service.audit.recording import Recording
from service.audit.routes import ROUTES as AUDIT
from service.campaigns.routes import ROUTES as CAMPAIGNS
from service.campaigns.worker import work_forever
from service.catalog.routes import ROUTES as CATALOG
from service.contact.routes import ROUTES as CONTACT
from service.drafts.routes import ROUTES as DRAFTS
from service.etags import Conditional
from service.events.routes import ROUTES as EVENTS
from service.exports.routes import ROUTES as EXPORTS
from service.gauges import Gauges
from service.health import ROUTES as HEALTH
from service.idempotency import Idempotency
from service.llm.measured import MeasuredEngine
from service.loaded import set_apart
from service.masking import Masking
from service.openapi import PUBLIC, ClosedStructs, LimitedTuples
from service.parameters import known_parameters
from service.privacy.masks import Masks
from service.privacy.retention import retain_forever
from service.privacy.routes import ROUTES as PRIVACY
from service.problems import ProblemHandler
from service.profiles.routes import ROUTES as PROFILES
from service.prompts.actions import catalog_of
from service.prompts.routes import ROUTES as PROMPTS
from service.protection import ProtectiveHeaders
from service.rate_limits import RateLimits
from service.runtime import Runtime, open_runtime
from service.scoring.routes import ROUTES as SCORING
from service.segments.routes import ROUTES as SEGMENTS
from service.settings import Settings
from service.slow_readers import SlowReaders
from service.snapshots.actions import refresh_forever
from service.snapshots.routes import ROUTES as SNAPSHOTS
from service.telemetry import AsgiApp, Metrics, Telemetry, access_logger
from service.tracing import open_tracing
from service.tracking.routes import ROUTES as TRACKING
from service.webhooks.routes import ROUTES as WEBHOOKS
from service.webhooks.sending import send_forever
from service.workspaces.actions import list_all_workspaces
from service.workspaces.model import ApiKey
from service.workspaces.routes import ROUTES as BRAND

ROUTES = [
    *DRAFTS,
    *SCORING,
    *BRAND,
    *CATALOG,
    *PROFILES,
    *CONTACT,
    *PRIVACY,
    *EVENTS,
    *TRACKING,
    *SEGMENTS,
    *EXPORTS,
    *CAMPAIGNS,
    *WEBHOOKS,
    *PROMPTS,
    *SNAPSHOTS,
    *AUDIT,
    *HEALTH,
]

TAGS = {
    "drafts": "Copy, written and checked for a brief.",
    "brand": "How the workspace's brand sounds, and what it may say.",
    "items": "What is advertised.",
    "profiles": "Customers, and what suits them.",
    "contact": "Whom may be written to: consent, suppressions, frequency caps, a holdout.",
    "privacy": "What customers may ask of their data.",
    "events": "What customers did.",
    "tracking": "The same in Segment's calls, for sources that were made for it.",
    "segments": "Audiences: defined, previewed, paged through, matched.",
    "campaigns": "Copy for many items and audiences, written by a durable job.",
    "webhooks": "Other systems told of what happens here.",
    "prompts": "What the engine is asked with: versions of a workspace's own, with history.",
    "snapshots": "The immutable folders that answers about many profiles come from.",
    "audit": "Who did what, when and from where.",
    "health": "For load balancers and Prometheus.",
}


def create_app(settings: Settings, *, background: bool = True) -> Litestar:
    """Make the application for these settings; its lifespan opens the runtime and closes it.

    `background` starts the tasks a server needs beside requests: warming the models, keeping snapshots
    fresh, deleting events that are no longer to be kept, sending to webhooks, and writing campaigns.
    """
    metrics, logger = Metrics(), access_logger(settings.log_level)
    problems = ProblemHandler(logger)
    limits = RateLimits(settings.requests_per_minute) if settings.requests_per_minute else None
    app = Litestar(
        route_handlers=ROUTES,
        lifespan=[partial(_lifespan, settings=settings, logger=logger, background=background)],
        dependencies={
            "runtime": Provide(_runtime, sync_to_thread=False),
            "workspace": Provide(_workspace, sync_to_thread=False),
            "key": Provide(_key, sync_to_thread=False),
            "masks": Provide(_masks, sync_to_thread=False),
            "metrics": Provide(_metrics, sync_to_thread=False),
            "gauges": Provide(_gauges, sync_to_thread=False),
        },
        middleware=[Recording(), Access(), Conditional(), Masking(), Idempotency()],
        guards=[known_parameters],
        exception_handlers={Exception: problems},
        openapi_config=_openapi_config(),
        plugins=[LimitedTuples(), ClosedStructs()],
        logging_config=None,
        request_max_body_size=settings.max_body_bytes,
        state=State(
            {
                "metrics": metrics,
                "gauges": Gauges(metrics.registry),
                "problems": problems,
                "rate_limits": limits,
            }
        ),
    )
    protected = ProtectiveHeaders(cast("AsgiApp", app.asgi_handler))
    observed = Telemetry(protected, metrics, logger)
    app.state.telemetry = observed
    app.asgi_handler = cast("ASGIApp", SlowReaders(observed, settings.send_timeout_seconds))
    return app


@contextlib.asynccontextmanager
async def _lifespan(
    app: Litestar, settings: Settings, logger: structlog.typing.FilteringBoundLogger, background: bool
) -> AsyncGenerator[None]:
    async with open_runtime(settings) as runtime, _traced(app.state.telemetry, settings):
        app.state.runtime = runtime
        runtime.measured = partial(MeasuredEngine, metrics=app.state.metrics)
        work = (
            (
                _warm(app, runtime, logger),
                refresh_forever(runtime),
                retain_forever(runtime),
                send_forever(runtime),
                *([work_forever(runtime)] if settings.campaign_worker else []),
            )
            if background
            else ()
        )
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _traced(telemetry: Telemetry, settings: Settings) -> AsyncGenerator[None]:
    telemetry.tracing = tracing = open_tracing(settings)
    try:
        yield
    finally:
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


async def _warm(app: Litestar, runtime: Runtime, logger: structlog.typing.FilteringBoundLogger) -> None:
    """Load what the first request would wait for; `/health/ready` says what could not be loaded."""
    workspaces = await list_all_workspaces(runtime)
    snapshots = {f"snapshot of {each.id}": partial(runtime.snapshot, each.id) for each in workspaces}
    prompts = {f"prompts of {each.id}": partial(catalog_of, runtime, each.id) for each in workspaces}
    parts = {"documentation": partial(_document, app, runtime)}
    for name, load in {
        **parts,
        "embedder": runtime.embedder,
        "engine": runtime.engine,
        **prompts,
        **snapshots,
        "headline tests": partial(runtime.headline_archive.open, runtime),
    }.items():
        try:
            await load()
        except Exception as error:  # a server that cannot write yet still answers, and says why
            logger.warning("not warmed", part=name, reason=str(error))
    set_apart()


async def _document(app: Litestar, runtime: Runtime) -> None:
    """Build the API's document off the event loop, which it would hold up for a good part of a second."""
    await runtime.run(app.plugins.get(OpenAPIPlugin).provide_openapi_schema)


async def _documented(request: Request[Any, Any, Any]) -> None:
    """See to it that there is a document, for who asks before the server is warm."""
    await _document(request.app, _runtime(request))


def _runtime(request: Request[Any, Any, Any]) -> Runtime:
    return request.app.state.runtime


def _workspace(request: Request[Any, Any, Any]) -> str:
    return request.scope["state"]["workspace"]


def _key(request: Request[Any, Any, Any]) -> ApiKey:
    return request.scope["state"]["key"]


def _masks(request: Request[Any, Any, Any]) -> Masks | None:
    return request.scope["state"].get("masks")


def _metrics(request: Request[Any, Any, Any]) -> Metrics:
    return request.app.state.metrics


def _gauges(request: Request[Any, Any, Any]) -> Gauges:
    return request.app.state.gauges


def _openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Pitchwright",
        version=version(),
        description="Knows whom to talk to and what to say: customer profiles, audiences, checked copy.",
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="An API key."),
                "basic": SecurityScheme(
                    type="http", scheme="basic", description="An API key as user name, no password."
                ),
                "api_key": SecurityScheme(
                    type="apiKey", name="X-API-Key", security_scheme_in="header", description="An API key."
                ),
            }
        ),
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        render_plugins=[ReadablePage(), JsonRenderPlugin()],
        openapi_router=Router(
            path="/schema",
            route_handlers=[],
            opt={"scope": (PUBLIC,)},
            include_in_schema=False,
            before_request=_documented,
        ),
    )
