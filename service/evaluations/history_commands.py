"""`pitchwright eval proxies` and `eval history`: whether what predicts clicks agrees with people's clicks."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, note, run

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.runtime import Runtime


@click.command()
@click.option(
    "--outcomes",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Events as for POST /v1/events, in JSON, NDJSON or CSV; without it, those the workspace has stored.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of resampling, and of ties."
)
@json_option
def proxies(file: Path | None, seed: int, as_json: bool) -> None:
    """Put every proxy to the impressions and clicks of copy that was sent.

    Per proxy: rank correlation, calibration and lift among texts that competed, with intervals by bootstrap
    over groups. History only ever predicts what came after what it learnt from. With fewer than 20 groups of
    competing texts or 200 contrasts nothing is concluded, and the exit code is 1.

    Example: pitchwright eval proxies --outcomes events.jsonl
    """
    from service.evaluations.back_test import back_test
    from service.evaluations.commands import show_figures

    with Progress() as progress:

        async def work(runtime: "Runtime") -> "tuple[Figures, tuple[str, ...]]":
            return await back_test(runtime, file, seed, progress)

        summary, notes = run(work)
    for text in notes:
        note(text)
    show_figures(summary, as_json=as_json)


@click.command()
@click.option(
    "--upworthy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="headline_tests.csv.gz of the Upworthy Research Archive.",
)
@click.option(
    "--open-bandit",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the random_*.csv.gz of the small Open Bandit data.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every draw.")
@json_option
def history(upworthy: Path | None, open_bandit: Path | None, seed: int, as_json: bool) -> None:
    """Measure the history proxy in invented shops whose truth is known and, where given, on real clicks.

    Log-loss on the people who come next, beside each text's raw rate and the channel's mean; and how often
    its 95 % intervals hold the truth.

    Example: pitchwright eval history --upworthy headline_tests.csv.gz
    """
    from eval.figures import figures
    from eval.proxies.history.archives import digest, measure_open_bandit, measure_upworthy
    from eval.proxies.history.measure import measure_simulated
    from service.evaluations.commands import show_figures

    started = time.perf_counter()
    with Progress() as progress:
        measured = measure_simulated(seed, progress)
        if open_bandit is not None:
            measured += measure_open_bandit(open_bandit, seed)
        if upworthy is not None:
            measured += measure_upworthy(upworthy, seed, progress)
    summary = figures(
        "pitchwright eval history",
        measured,
        seconds=time.perf_counter() - started,
        seed=seed,
        data=digest(upworthy, open_bandit),
    )
    show_figures(summary, as_json=as_json)
