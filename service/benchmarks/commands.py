"""`pitchwright bench`: how fast and how large, each part beside what it is compared with."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from service.benchmarks.campaign_commands import campaign
from service.benchmarks.soak_command import soak
from service.console import (
    Progress,
    Usage,
    global_options,
    json_option,
    note,
    quieten_libraries,
    run,
    settings_for,
)
from service.evaluations.commands import show_figures

if TYPE_CHECKING:
    from eval.figures import Figures
    from prompts.engine import Dialect
    from service.runtime import Runtime

EVENTS_PER_PROFILE = 20
PARTS = ("build", "profiles", "encode", "search", "segments")


@click.group()
def bench() -> None:
    """Measure speed and memory at scale, beside what each part is compared with.

    Example: pitchwright bench index --profiles 20000 --items 2000
    """
    before = signal.signal(signal.SIGTERM, _end)
    click.get_current_context().call_on_close(lambda: signal.signal(signal.SIGTERM, before))


def _end(number: int, _frame: object) -> NoReturn:
    """End as on Ctrl-C: by default the process would be gone, and the servers it started would go on."""
    raise SystemExit(128 + number)


bench.add_command(campaign)
bench.add_command(soak)


@bench.command()
@click.option(
    "--profiles", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Profiles."
)
@click.option("--items", type=click.IntRange(min=1), default=20_000, show_default=True, help="Item texts.")
@click.option("--events", type=click.IntRange(min=1), help=f"Events [{EVENTS_PER_PROFILE} per profile].")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the whole world."
)
@click.option("--only", default="", help=f"Parts to measure, comma-separated, of {', '.join(PARTS)} [all].")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the snapshot in this folder, and use the one of the same seed and sizes that is there.",
)
@json_option
def index(
    profiles: int,
    items: int,
    events: int | None,
    seed: int,
    only: str,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Build a snapshot of a seeded world and measure search, profiles, segments and encoding on it.

    A million profiles need about 8 GiB of memory, 10 GiB of disk and half an hour on two cores. Every figure
    stands beside what it is compared with, measured in the same run. Texts encoded in this data folder
    before are remembered: name a new --data-dir to see what encoding takes. Exit code 1 when a goal is
    missed.

    Example: pitchwright bench index --profiles 20000 --items 2000 --json
    """
    parts = tuple(part.strip() for part in only.split(",") if part.strip())
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise Usage(f"--only {unknown[0]!r} is no part of this benchmark: use some of {', '.join(PARTS)}")
    if parts and "build" not in parts:
        note("Without the part build there are no seconds of stages, and no second build is made.")
    from eval.benchmarks.whole import Sizes
    from service.benchmarks.actions import benchmark_index

    sizes = Sizes(profiles=profiles, items=items, events=events or EVENTS_PER_PROFILE * profiles)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await benchmark_index(runtime, sizes, seed=seed, only=parts, keep=keep, progress=progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


@bench.command()
@click.option("--engine", metavar="URL", help="An OpenAI-compatible server [a paced stand-in].")
@click.option(
    "--vllm-python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Start the real vLLM with this Python, on the embedded model's weights.",
)
@click.option("--model", help="The model's name there [the first it lists].")
@click.option(
    "--dialect",
    type=click.Choice(["pocket", "full"]),
    default="pocket",
    show_default=True,
    help="How prompts are worded for it.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=2000.0,
    show_default=True,
    help="Tokens a second of the stand-in.",
)
@click.option(
    "--drafts", "count", type=click.IntRange(min=1), default=300, show_default=True, help="A round."
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=32, show_default=True, help="Drafts at a time."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the briefs.")
@json_option
def drafts(
    engine: str | None,
    vllm_python: Path | None,
    model: str | None,
    dialect: "Dialect",
    rate: float,
    count: int,
    concurrency: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure how much of an engine's speed is left behind the whole service, over HTTP.

    The same prompts go to the same engine straight and through `pitchwright serve`, in turns: checks,
    scoring and storage included. Without --engine the engine is a stand-in in a process of its own that
    writes recorded answers at a fixed rate, as a GPU machine elsewhere would. Exit code 1 when a goal is
    missed.

    Example: pitchwright bench drafts --vllm-python .venv-vllm/bin/python --json
    """
    if engine is not None and vllm_python is not None:
        raise Usage("--engine and --vllm-python both say what to measure: give one of them")
    from service.benchmarks.drafts import Plan, benchmark_drafts

    plan = Plan(
        drafts=count,
        concurrency=concurrency,
        seed=seed,
        engine=engine,
        vllm_python=vllm_python,
        model=model,
        dialect=dialect,
        tokens_per_second=rate,
    )
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await benchmark_drafts(plan, runtime.settings, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


@bench.command()
@click.option(
    "--seconds", type=click.FloatRange(min=5), default=60.0, show_default=True, help="How long it is pressed."
)
@click.option(
    "--times",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Clients, as a multiple of the queue.",
)
@click.option(
    "--queue", type=click.IntRange(min=2), default=32, show_default=True, help="Variants that may wait."
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=8, show_default=True, help="Written at a time."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=200.0,
    show_default=True,
    help="Tokens a second of the stand-in.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the briefs.")
@json_option
def overload(
    seconds: float, times: int, queue: int, concurrency: int, rate: float, seed: int, as_json: bool
) -> None:
    """Ask `pitchwright serve` for several times what it may take, and watch its memory.

    One workspace presses, another asks for one draft at a time; the engine is the paced stand-in of `bench
    drafts`. Printed is who is refused and how, what a refused request leaves in memory, how long the light
    workspace waits beside the heavy one, and what is answered once the engine is dead. Exit code 1 when a
    goal is missed. Linux only.

    Example: pitchwright bench overload --seconds 120 --json
    """
    from service.benchmarks.overload import Load, benchmark_overload

    load = Load(
        seconds=seconds,
        times=times,
        queue=queue,
        concurrency=concurrency,
        tokens_per_second=rate,
        seed=seed,
    )
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await benchmark_overload(load, runtime.settings, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


@bench.command()
@click.option(
    "--events", type=click.IntRange(min=10_000), default=1_000_000, show_default=True, help="Events to send."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the events.")
@click.option(
    "--database-url",
    metavar="URL",
    help="A PostgreSQL server whose user may make databases [SQLite in a folder of its own].",
)
@json_option
def ingest(events: int, seed: int, database_url: str | None, as_json: bool) -> None:
    """Measure how fast events come in over HTTP, and whether the server's memory stays flat.

    Batches of 500 go through `pitchwright serve` and, in turns, through a bare `executemany` into a store of
    the same schema, on PostgreSQL also by COPY; each batch is durable in all of them. The databases are the
    benchmark's own and go with it. Exit code 1 when a goal is missed.

    Example: pitchwright bench ingest --events 100000 --json
    """
    from service.benchmarks.ingest import Plan, benchmark_ingest

    plan = Plan(events=events, seed=seed, server=database_url)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await benchmark_ingest(plan, runtime.settings, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


@bench.command()
@click.option(
    "--members", type=click.IntRange(min=1), default=100_000, show_default=True, help="Members to write to."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the members.")
@json_option
def sendlist(members: int, seed: int, as_json: bool) -> None:
    """Measure how fast a send list is read, filled, checked and written, and whether memory stays flat.

    A row a member on three channels, beside a script that renders a Jinja template for every text of the same
    rows. Rates are by processor time: what one core does. Exit code 1 when a goal is missed.

    Example: pitchwright bench sendlist --members 1000000 --json
    """
    from service.benchmarks.send_list import Plan, benchmark_send_list

    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            plan = Plan(members=members, seed=seed)
            return await benchmark_send_list(plan, runtime.settings, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


@bench.command()
@click.option("--profiles", type=click.IntRange(min=1), default=100_000, show_default=True, help="Profiles.")
@click.option("--items", type=click.IntRange(min=1), default=4_096, show_default=True, help="Item texts.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    multiple=True,
    default=(1, 2),
    show_default=True,
    help="Size of a Ray on this machine; give it several times.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the world.")
@json_option
def ray(profiles: int, items: int, workers: tuple[int, ...], seed: int, as_json: bool) -> None:
    """Measure parts of a build on Ray beside this process, and work out what a hundred million profiles take.

    Encoding, profiles, and the lists of an approximate index. The rates of the first two are those from the
    first parts done to the last, without the start. What takes long is encoding, once here and once for each
    size: minutes in all. Exit code 1 when a vector differs by more than 0.000001, or an index at all.

    Example: pitchwright bench ray --workers 1 --workers 2 --json
    """
    from eval.benchmarks.workers import measure_workers

    quieten_libraries()
    model = settings_for(global_options()).embedder
    with Progress() as progress:
        summary = measure_workers(
            model, profiles=profiles, items=items, seed=seed, workers=workers, progress=progress
        )
    show_figures(summary, as_json=as_json)
