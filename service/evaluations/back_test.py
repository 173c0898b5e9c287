"""The back-test over the runtime: which events, which copy, which proxies."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from eval.figures import Figures, figures
from eval.proxies.agreement import agreement, verdicts
from eval.proxies.backtest import run_back_test
from eval.proxies.outcomes import Copy, Outcomes, outcomes
from eval.proxies.port import Proxy
from service.evaluations.outcome_files import EventFile, copies_in, frame_of, read_events
from service.outcomes.actions import copies_of_drafts, logged_outcomes
from service.runtime import Runtime

Progress = Callable[[str, int, int | None], None]
_SHOWN = 5
"""So many refused rows are told; of the others only the number."""


async def back_test(
    runtime: Runtime, file: Path | None, seed: int, progress: Progress
) -> tuple[Figures, tuple[str, ...]]:
    """Put every proxy to a file of events, or to the workspace's own; also what is to be said in words.

    A variant's text is that of the workspace's draft, else the one the file says. Raises `Usage` for a file
    that cannot be read.
    """
    started = time.perf_counter()
    workspace = runtime.settings.workspace
    notes: list[str] = []
    data: dict[str, str] = {}
    if file is None:
        found = await logged_outcomes(runtime, workspace)
    else:
        read = await runtime.run(read_events, file, runtime.now())
        notes += _refusals(file, read)
        data[file.name] = read.digest
        variants = {event.variant_id for event in read.events if event.variant_id}
        async with runtime.database.read() as session:
            drafts = await copies_of_drafts(session, workspace, variants)
        found = await runtime.run(_outcomes, read, drafts)
    proxies, missing = text_proxies()
    test = await runtime.run(run_back_test, found, proxies, progress)
    measured = await runtime.run(agreement, test, seed)
    summary = figures(
        "pitchwright eval proxies",
        measured,
        seconds=time.perf_counter() - started,
        seed=seed,
        data=data,
    )
    return summary, (*notes, *missing, *verdicts(measured))


def text_proxies() -> tuple[Mapping[str, Proxy], tuple[str, ...]]:
    """Return the proxies that read texts, by name, and why one is not among them.

    History is put to the test beside them.
    """
    from eval.scorers.headline import NAME, shipped

    proxy = shipped()
    if isinstance(proxy, str):
        return {}, (f"{NAME} is not put to the test: {proxy}",)
    return {proxy.name: proxy}, ()


def _outcomes(read: EventFile, drafts: Mapping[str, Copy]) -> Outcomes:
    return outcomes(frame_of(read.events), {**copies_in(read.events), **drafts})


def _refusals(file: Path, read: EventFile) -> list[str]:
    notes = [f"{file.name}, {reason}" for reason in read.refused[:_SHOWN]]
    if len(read.refused) > _SHOWN:
        notes.append(f"{file.name}: {len(read.refused):,} rows were refused in all")
    if read.repeated:
        notes.append(f"{file.name}: {read.repeated:,} rows repeat the id of an earlier one and were not read")
    return notes
