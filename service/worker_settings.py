"""Settings of who writes campaigns."""

from typing import Annotated

import msgspec


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `Settings` says of workers."""

    campaign_worker: Annotated[
        bool,
        msgspec.Meta(
            description="Whether `serve` writes campaigns, beside requests; `false` leaves them to "
            "`pitchwright worker`."
        ),
    ] = True
