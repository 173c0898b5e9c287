"""`pitchwright eval`: measure copy and audiences; exit code 1 when a threshold is missed."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import NotMet, Progress, json_option, note, print_json, print_table, run
from service.evaluations import suite_commands
from service.evaluations.data_commands import data
from service.evaluations.history_commands import history, proxies
from service.evaluations.match_commands import match
from service.evaluations.proxy_commands import proxy
from service.evaluations.voice_commands import voice

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.runtime import Runtime


@click.group("eval")
def eval_() -> None:
    """Measure how good copy and audiences are.

    Example: pitchwright eval run eval/suites/demo.yaml
    """


for _command in (*suite_commands.COMMANDS, data, history, match, proxies, proxy, voice):
    eval_.add_command(_command)


@eval_.command()
@click.option(
    "--seeds", type=click.IntRange(1, 50), default=5, show_default=True, help="Demo worlds to measure on."
)
@json_option
def audiences(seeds: int, as_json: bool) -> None:
    """Measure how precisely `like` finds the profiles of a planted interest, beside TF-IDF.

    Example: pitchwright eval audiences --json
    """
    from service.evaluations.actions import evaluate_audiences

    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await evaluate_audiences(runtime, seeds, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


@eval_.command()
@click.argument(
    "folder",
    metavar="SUITE",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tests/guardrails"),
)
@json_option
def guardrails(folder: Path, as_json: bool) -> None:
    """Measure the checks on the labelled copies of SUITE [tests/guardrails]: precision and recall per rule.

    Every copy that a rule missed, and every finding no label asks for, is told on stderr.

    Example: pitchwright eval guardrails --json
    """
    from eval.guardrails import digest, judge, load_labelled, measure_guardrails, mistakes

    started = time.perf_counter()
    copies = load_labelled(folder)
    judged = judge(copies)
    from eval.figures import figures

    summary = figures(
        "pitchwright eval guardrails",
        measure_guardrails(judged),
        seconds=time.perf_counter() - started,
        data={"suite": digest(copies)},
    )
    for text in mistakes(judged):
        note(text)
    show_figures(summary, as_json=as_json)


@eval_.command()
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the files the mapping names.",
)
@click.option(
    "--mapping",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file that says which file and column is what, as for `pitchwright import`.",
)
@click.option(
    "--test-events",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Events of other profiles, in the columns of the mapping's events; none holds out a fifth of DIR's.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decides who is held out, which items are hidden, and ties in time.",
)
@json_option
def recommend(folder: Path, mapping: Path, test_events: Path | None, seed: int, as_json: bool) -> None:
    """Measure recommendations beside the strongest simple methods, on profiles nothing was learnt from.

    Of each test profile the first four fifths of its items are known, the rest is to be found. All methods
    see the same training profiles, histories and reference times; hyper-parameters are chosen on the
    training profiles alone. Goals are those of the data sets Pitchwright knows.

    Example: pitchwright eval recommend --data data/online_retail --mapping eval/datasets/online_retail.yaml
    """
    from service.evaluations.actions import evaluate_recommendations

    with Progress() as progress:

        async def work(runtime: "Runtime") -> "tuple[Figures, tuple[str, ...]]":
            return await evaluate_recommendations(runtime, folder, mapping, test_events, seed, progress)

        summary, notes = run(work)
    for text in notes:
        note(text)
    show_figures(summary, as_json=as_json)


def show_figures(summary: "Figures", *, as_json: bool) -> None:
    """Print a report as JSON or as a table; raises `NotMet` when a figure misses its goal."""
    from eval.figures import TABLE_HEADER, rows

    if as_json:
        print_json(summary)
    else:
        prefix, table = _without_prefix(rows(summary))
        print_table(TABLE_HEADER, table, title=prefix or None, wide=True)
        note(f"{summary.command}: seed {summary.seed}, {summary.seconds:.1f} s on {summary.machine}")
        for name, digest in sorted(summary.data.items()):
            note(f"{name}: {digest}")
    missed = [entry for entry in summary.figures if entry.met is False]
    if missed:
        raise NotMet("; ".join(f"{entry.name} is {entry.value:.4g}, goal {entry.goal}" for entry in missed))


def _without_prefix(table: "list[tuple[str, ...]]") -> "tuple[str, list[tuple[str, ...]]]":
    """Take what all names begin with, up to a dot, out of the table: it is long, and says nothing twice."""
    names = [row[0].split(".") for row in table]
    shared = 0
    while len(names) > 1 and all(len(name) > shared + 1 for name in names):
        if len({name[shared] for name in names}) > 1:
            break
        shared += 1
    prefix = ".".join(names[0][:shared]) if names else ""
    return prefix, [(".".join(name[shared:]), *row[1:]) for name, row in zip(names, table, strict=True)]
