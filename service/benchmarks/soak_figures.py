"""What `bench soak` says of a run: faults, waits at start and end, memory, handles, campaigns, the store."""

from collections.abc import Sequence

import msgspec
import numpy as np

from eval.figures import Figure, Interval, figure
from service.benchmarks.overload import STRETCHES, slope_of
from service.benchmarks.soak_load import Answered

MIB = 2**20
SHARE = 0.2
"""Of a run: what counts as its start and its end, and as the warm-up of its memory."""
MOST_GROWTH = 1.05
"""Memory is flat when the end has no more resident than this, times what there was after the warm-up."""
SPARE_HANDLES = 16
"""Handles do not leak when there are no more of them at the end than so many above those after the warm-up:
connections come and go."""
TOO_MANY = 429


class Sample(msgspec.Struct, frozen=True):
    """What the service held at a moment."""

    seconds: float
    resident: int
    handles: int


class Units(msgspec.Struct, frozen=True):
    """What became of the campaigns' units."""

    ordered: int
    once: int
    """Found exactly once, done, with as many variants as were asked for."""


class Store(msgspec.Struct, frozen=True):
    """Bytes the store takes."""

    main: int
    wal: int
    """SQLite's write-ahead log; 0 on PostgreSQL, whose log is the server's."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as far as it came."""

    seconds: float
    verbs: Sequence[str]
    answered: Sequence[Answered]
    samples: Sequence[Sample]
    snapshots: int
    """Published while the load was on."""
    cpu_seconds: float
    units: Units | None = None
    """None where the run was broken off."""
    store: tuple[Store, Store] | None = None
    """Before the load and after it."""


def figures_of(run: Measured) -> list[Figure]:
    """Say all of it, with the goals."""
    refused = sum(each.status == TOO_MANY for each in run.answered)
    made = [figure("soak.refused", refused, n=len(run.answered), at_most=0)]
    for verb in run.verbs:
        made += _of_verb(verb, [each for each in run.answered if each.verb == verb], run.seconds)
    late = [each.late for each in run.answered if each.due >= 0]
    if late:
        made.append(figure("soak.load.late.p99", float(np.percentile(late, 99)), unit="s", n=len(late)))
    made += _held(run.samples)
    if run.seconds > 0:
        made.append(figure("soak.cpu", run.cpu_seconds / run.seconds, unit="cores"))
    made.append(figure("soak.snapshots", run.snapshots, at_least=None if run.units is None else 1))
    if run.units is not None:
        once = run.units.once / max(run.units.ordered, 1)
        made.append(figure("soak.campaign.units.once", once, n=run.units.ordered, at_least=1))
    if run.store is not None:
        before, after = run.store
        beside = ("before", before.main / MIB)
        made.append(figure("soak.store.size", after.main / MIB, unit="MiB", baseline=beside))
        made.append(
            figure("soak.store.wal", after.wal / MIB, unit="MiB", baseline=("before", before.wal / MIB))
        )
    return made


def faults(answered: Sequence[Answered]) -> list[Answered]:
    """List what went wrong; a refusal because of too many requests counts apart."""
    return [each for each in answered if each.problem and each.status != TOO_MANY]


def _of_verb(verb: str, answered: Sequence[Answered], seconds: float) -> list[Figure]:
    """Count a verb's faults, and compare how long its answers took at the end with the start.

    A quantile of a fifth in which there was no request is left out.
    """
    made = [figure(f"soak.{verb}.errors", len(faults(answered)), n=len(answered), at_most=0)]
    good = [each for each in answered if not each.problem]
    first = [each.seconds for each in good if 0 <= each.due < SHARE * seconds]
    last = [each.seconds for each in good if each.due >= (1 - SHARE) * seconds]
    if first and last:
        for share, name in ((50, "p50"), (99, "p99")):
            start, end = (1000 * float(np.percentile(waits, share)) for waits in (first, last))
            beside = ("first fifth", start)
            made.append(figure(f"soak.{verb}.{name}", end, unit="ms", n=len(last), baseline=beside))
    return made


def _held(samples: Sequence[Sample]) -> list[Figure]:
    """Say what memory and handles did once they were warm; nothing of a run too short for it."""
    settled = [each for each in samples if each.seconds >= SHARE * samples[-1].seconds]
    if len(settled) < STRETCHES:
        return []
    hours = np.array([each.seconds for each in settled]) / 3600
    resident = np.array([each.resident for each in settled]) / MIB
    handles = np.array([each.handles for each in settled], dtype=np.float64)
    part = max(1, round(SHARE * len(settled)))
    warm, end = (float(np.median(each)) for each in (resident[:part], resident[-part:]))
    held, held_at_end = (float(np.median(each)) for each in (handles[:part], handles[-part:]))
    slope, (low, high) = slope_of(hours, resident)
    beside = ("after the warm-up", warm)
    return [
        figure("soak.memory.resident", end, unit="MiB", n=part, baseline=beside),
        figure("soak.memory.growth", end / warm, n=part, at_most=MOST_GROWTH),
        figure("soak.memory.slope", slope, unit="MiB/h", interval=Interval(low, high), n=len(settled)),
        figure("soak.memory.peak", float(resident.max()), unit="MiB", n=len(settled), baseline=beside),
        figure(
            "soak.handles",
            held_at_end,
            n=part,
            baseline=("after the warm-up", held),
            at_most=held + SPARE_HANDLES,
        ),
    ]
