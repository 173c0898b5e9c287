"""`pitchwright bench soak`: does the service stay what it is."""

from typing import TYPE_CHECKING

import click

from service.console import FiniteRange, Progress, json_option, run
from service.evaluations.commands import show_figures

if TYPE_CHECKING:
    from service.benchmarks.soak import Soaked
    from service.runtime import Runtime


def _rates(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """Read VERB=N of each `--rate` over what the load does by itself."""
    from service.benchmarks.soak_load import RATES

    rates = dict(RATES)
    for each in given:
        verb, _, number = each.partition("=")
        if verb not in RATES:
            raise click.BadParameter(f"{each!r} names no verb: write VERB=N, VERB one of {', '.join(RATES)}")
        rates[verb] = FiniteRange(min=0, max=1000).convert(number, _option, _context)
    return rates


@click.command()
@click.option(
    "--minutes", type=FiniteRange(min=0.2, max=10_000), default=20.0, show_default=True, help="How long."
)
@click.option(
    "--rate",
    "rates",
    metavar="VERB=N",
    multiple=True,
    callback=_rates,
    help="Requests a second of a verb; 0 leaves it out. [ingest=4 recommend=5 count=2 members=1 preview=0.5 "
    "draft=1 campaign=0.02 progress=0.5]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the load.")
@click.option(
    "--database-url",
    metavar="URL",
    help="A PostgreSQL server whose user may make databases [SQLite in a folder of its own].",
)
@json_option
def soak(minutes: float, rates: dict[str, float], seed: int, database_url: str | None, as_json: bool) -> None:
    """Load `pitchwright serve` with a bit of everything at fixed rates, and see whether it stays what it is.

    On the demo's shop, with the paced stand-in of `bench drafts` for an engine: events come in, snapshots are
    built, customers and audiences are asked about, drafts and campaigns written. Printed are faults, how
    long each verb takes in the last fifth beside the first, memory, open files, and whether each unit of the
    campaigns was written once. Ctrl-C prints what was measured so far. Exit code 1 when a goal is missed.
    Linux only.

    Example: pitchwright bench soak --minutes 20 --rate ingest=8 --json
    """
    from service.benchmarks.soak import Plan, benchmark_soak

    plan = Plan(minutes=minutes, rates=rates, seed=seed, server=database_url)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Soaked":
            return await benchmark_soak(plan, runtime.settings, progress)

        soaked = run(work)
    try:
        show_figures(soaked.figures, as_json=as_json)
    finally:
        if not soaked.whole:
            raise click.Abort
