"""The settings that an operator cares about alone; `Settings` holds them with all others."""

from typing import Annotated, Any

import msgspec


def setting(text: str, **limits: Any) -> msgspec.Meta:
    """Document a field; the text is data, so that `--help` and the README can be checked against it."""
    return msgspec.Meta(description=text, **limits)


class OperatingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the service ends, who is told what it does, and what it does about campaigns."""

    drain_seconds: Annotated[
        float,
        setting(
            "How long after SIGTERM `/health/ready` says 503 while requests are still taken: as long as a "
            "load balancer needs to notice.",
            ge=0,
            le=600,
        ),
    ] = 0.0
    trace_url: Annotated[
        str | None,
        setting(
            "OpenTelemetry collector that traces are sent to by OTLP over HTTP, `http://HOST:4318`; needs "
            "the extra `otel`. Default: nothing is traced."
        ),
    ] = None
    shutdown_seconds: Annotated[
        float,
        setting(
            "How long after that requests, exports and deliveries under way may take to end; then they are "
            "broken off.",
            gt=0,
            le=3600,
        ),
    ] = 30.0
    campaign_worker: Annotated[
        bool,
        setting(
            "Whether `serve` writes campaigns, beside requests; `false` leaves them to `pitchwright worker`."
        ),
    ] = True
    campaign_days: Annotated[
        int,
        setting(
            "Days after which `serve` deletes campaigns that are over, with what was written for them; 0 "
            "keeps them for ever.",
            ge=0,
            le=36_500,
        ),
    ] = 90
