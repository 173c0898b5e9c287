"""What a hundred million profiles and ten million variants take: arithmetic, its assumptions beside it."""

from __future__ import annotations

import msgspec

from eval.figures import Figure, figure
from indexing.index_plan import plan_index

PROFILES = 100_000_000
VARIANTS = 10_000_000


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured here, of one worker, which has one core."""

    dim: int
    interests_per_profile: float
    texts_per_core_second: float
    profiles_per_core_second: float
    vectors_per_core_second: float
    """Put into inverted lists."""


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed, none of it measured; put your own in their place."""

    items: float = 1e6
    events_per_profile: float = 20
    event_bytes: float = 40
    """In the driver's memory: profile, item, type, value, quantity, time."""
    encoder_parameters: float = 10.6e6
    """In the six blocks of all-MiniLM-L6-v2: 6 x (4 x 384^2 + 2 x 384 x 1536). Looking tokens up is free."""
    tokens_per_text: float = 40
    machine_cores: float = 16
    machine_dollars_per_hour: float = 0.80
    gpu_tokens_per_second: float = 2_000
    """Written by one engine, the prompts' prefix cached."""
    tokens_per_variant: float = 80
    tries_per_variant: float = 1.2
    gpu_dollars_per_hour: float = 2.50


def scale_figures(measured: Measured, assumed: Assumed | None = None) -> list[Figure]:
    """Work out bytes, FLOPs, machine hours and cost per thousand.

        interests        = profiles x interests per profile
        vector bytes     = interests x dim x 4
        encoding FLOPs   = texts x tokens per text x 2 x parameters
        machine hours    = number / rate of a core / cores / 3600
        engine hours     = variants x tokens x tries / tokens per second / 3600
        cost per 1,000   = hours x price per hour / thousands

    Texts are the items and the variants, each encoded once; vectors are the interests, each put into a list.
    It supposes that n cores work n times as fast as one, which Ray comes near only where parts are many and
    the machines' memory keeps up; events are read, lists' centres found and associations made by one driver,
    whose hours are not in it.
    """
    assumed = assumed or Assumed()
    interests = round(PROFILES * measured.interests_per_profile)
    vectors = interests * measured.dim * 4
    index = plan_index(interests, measured.dim, 2**62, "ivf").bytes
    texts = assumed.items + VARIANTS
    encoding = texts / measured.texts_per_core_second / assumed.machine_cores / 3_600
    computing = PROFILES / measured.profiles_per_core_second / assumed.machine_cores / 3_600
    listing = interests / measured.vectors_per_core_second / assumed.machine_cores / 3_600
    tokens = VARIANTS * assumed.tokens_per_variant * assumed.tries_per_variant
    writing = tokens / assumed.gpu_tokens_per_second / 3_600
    profile_cost = computing * assumed.machine_dollars_per_hour / (PROFILES / 1_000)
    variant_cost = (
        writing * assumed.gpu_dollars_per_hour
        + encoding * VARIANTS / texts * assumed.machine_dollars_per_hour
    ) / (VARIANTS / 1_000)
    gigabyte = 1e9
    return [
        *(
            figure(f"ray.scale.assumed_{name}", float(value))
            for name, value in msgspec.structs.asdict(assumed).items()
        ),
        figure("ray.scale.interests", interests, n=PROFILES),
        figure("ray.scale.vector_gigabytes", vectors / gigabyte, unit="GB", n=interests),
        figure("ray.scale.index_gigabytes", index / gigabyte, unit="GB", n=interests),
        figure(
            "ray.scale.driver_event_gigabytes",
            PROFILES * assumed.events_per_profile * assumed.event_bytes / gigabyte,
            unit="GB",
        ),
        figure(
            "ray.scale.encoding_petaflop",
            texts * assumed.tokens_per_text * 2 * assumed.encoder_parameters / 1e15,
            unit="PFLOP",
            n=round(texts),
        ),
        figure("ray.scale.encoding_machine_hours", encoding, unit="h", n=round(texts)),
        figure("ray.scale.profiles_machine_hours", computing, unit="h", n=PROFILES),
        figure("ray.scale.lists_machine_hours", listing, unit="h", n=interests),
        figure("ray.scale.writing_gpu_hours", writing, unit="h", n=VARIANTS),
        figure("ray.scale.dollars_per_thousand_profiles", profile_cost, unit="$"),
        figure("ray.scale.dollars_per_thousand_variants", variant_cost, unit="$"),
    ]
