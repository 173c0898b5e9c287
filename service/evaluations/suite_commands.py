"""`pitchwright eval init|validate|run|compare|ls`: suites, their runs, and two runs side by side."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import (
    FiniteRange,
    NotMet,
    Progress,
    Usage,
    global_options,
    json_option,
    note,
    print_json,
    print_table,
    run,
    settings_for,
)

if TYPE_CHECKING:
    from eval.comparison import Comparison
    from eval.result import SuiteResult, SuiteRun
    from service.runtime import Runtime

SCHEMA_FILE = "suite.schema.json"
_suite = click.argument("suite_file", metavar="SUITE", type=click.Path(dir_okay=False, path_type=Path))
_data = click.option(
    "--data",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the data of the suite's mapping, instead of the suite's own.",
)


@click.command("init")
@click.argument("suite_file", metavar="SUITE", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def init_suite(suite_file: Path, as_json: bool) -> None:
    """Begin a suite: a file to edit, with every key explained, and the schema editors complete it by.

    Example: pitchwright eval init suites/spring.yaml
    """
    from eval.schemas import encode_schema
    from eval.suite import shipped_suites

    if suite_file.exists():
        raise Usage(f"{suite_file} is there already: give another name, or edit it")
    suite_file.parent.mkdir(parents=True, exist_ok=True)
    starter = shipped_suites()["starter"].read_text(encoding="utf-8")
    suite_file.write_text(starter, encoding="utf-8")
    schema_file = suite_file.parent / SCHEMA_FILE
    schema_file.write_text(encode_schema("suite"), encoding="utf-8")
    if as_json:
        print_json({"suite": suite_file, "schema": schema_file})
    note(f"Edit {suite_file}, then: pitchwright eval validate {suite_file}")


@click.command("validate")
@_suite
@_data
@json_option
def validate_suite(suite_file: Path, folder: Path | None, as_json: bool) -> None:
    """Check a SUITE without asking an engine: keys, data, prompts, goals, and every brief.

    Example: pitchwright eval validate eval/suites/demo.yaml
    """
    from prompts.brief_limits import validate
    from prompts.copywriter import ATTEMPTS
    from prompts.errors import BriefError
    from service.evaluations.suite_runs import prepare

    prepared = prepare(suite_file, folder)
    refused: list[str] = []
    for brief in prepared.briefs:
        try:
            validate(brief)
        except BriefError as error:
            refused.append(f"{brief.channel}, {brief.product.title[:60]}: {error}")
    variants = prepared.drafts * prepared.suite.n
    counts = {
        "briefs": len(prepared.briefs),
        "drafts": prepared.drafts,
        "variants": variants,
        "asks_at_most": variants * ATTEMPTS,
        "not_writable": len(refused),
    }
    for text in (*prepared.notes, *refused):
        note(text)
    if as_json:
        print_json({"suite": f"{prepared.suite.name}.v{prepared.suite.version}", **counts})
    else:
        print_table(("of the suite", ""), [(name, f"{count:,}") for name, count in counts.items()])
    if refused:
        raise NotMet(
            f"{len(refused)} of {len(prepared.briefs)} briefs cannot be written: a run sets them aside"
        )


@click.command("run")
@_suite
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave the run here: report.json, .md, .xml and .html, result.json, samples.jsonl. "
    "[DATA_DIR/evaluations/runs/TIME-SUITE]",
)
@_data
@click.option("--fresh", is_flag=True, help="Neither use nor keep answers of other runs.")
@json_option
def run_suite(suite_file: Path, out: Path | None, folder: Path | None, fresh: bool, as_json: bool) -> None:
    """Run the SUITE of briefs and hold the figures against its thresholds.

    Every answer is kept as it comes, so a run that was killed goes on where it was.

    Example: pitchwright eval run eval/suites/demo.yaml --json
    """
    from service.evaluations.commands import show_figures
    from service.evaluations.suite_runs import evaluate_suite, new_run_folder, write_run

    started = time.perf_counter()
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "tuple[SuiteRun, Path]":
            found = await evaluate_suite(runtime, suite_file, progress, folder=folder, keep_answers=not fresh)
            return found, out or new_run_folder(runtime.settings, found.result, runtime.now())

        done, where = run(work)
    from eval.report import report, told

    summary = report(done, command=f"eval run {suite_file}", seconds=time.perf_counter() - started)
    write_run(where, done, summary)
    for text in done.result.origin.notes:
        note(text)
    aside = [entry for candidate in done.result.candidates for entry in candidate.set_aside]
    for entry in aside[:10]:
        note(f"Set aside: {told(entry)}")
    if len(aside) > 10:
        note(f"Set aside: {len(aside) - 10:,} more, see {where / 'result.json'}")
    note(f"Report in {where}.")
    show_figures(summary, as_json=as_json)


@click.command("compare")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option(
    "--tolerance",
    type=FiniteRange(min=0),
    default=0.0,
    show_default=True,
    help="Differences up to this are neither better nor worse.",
)
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write both side by side here."
)
@json_option
def compare_runs(before: str, after: str, tolerance: float, page: Path | None, as_json: bool) -> None:
    """Say what is better, worse or inconclusive in AFTER than in BEFORE; exit code 1 when something is worse.

    Each is the folder of a run, a result.json, or a name `eval ls` prints; RUN@CANDIDATE picks one of several
    candidates. Runs are paired by brief.

    Example: pitchwright eval compare eval/results/regression.json var/today --html var/compared.html
    """
    from eval.comparison import compare, find_candidate
    from eval.result import read_result, read_samples
    from service.evaluations.suite_runs import find_run

    settings = settings_for(global_options())
    sides: list[tuple[Path, SuiteResult, str | None]] = []
    for named in (before, after):
        path, candidate = find_run(settings, named)
        sides.append((path, read_result(path), candidate))
    (old_path, old, old_name), (new_path, new, new_name) = sides
    first, second = find_candidate(old, old_name), find_candidate(new, new_name)
    comparison = compare((old, first), (new, second), tolerance=tolerance)
    if page is not None:
        from eval.html.page import render
        from eval.suite_page import comparison_page

        drawn = comparison_page(
            comparison, (old, first, read_samples(old_path)), (new, second, read_samples(new_path))
        )
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render(drawn), encoding="utf-8")
        note(f"Side by side in {page}.")
    _show(comparison, as_json=as_json)


def _show(comparison: "Comparison", *, as_json: bool) -> None:
    if as_json:
        print_json(comparison)
    else:
        header = ("figure", "before", "after", "difference", "interval", "briefs", "verdict")
        print_table(header, _rows(comparison), wide=True)
        note(f"before: {comparison.before}")
        note(f"after: {comparison.after}")
    for text in comparison.warnings:
        note(text)
    alone = comparison.only_before + comparison.only_after
    if alone:
        note(f"{alone} briefs stand in one run alone and are not compared")
    if comparison.not_compared:
        note(f"figures of one run alone: {', '.join(comparison.not_compared)}")
    if comparison.worse:
        raise NotMet("worse: " + ", ".join(entry.name for entry in comparison.worse))


def _rows(comparison: "Comparison") -> Sequence[tuple[str, ...]]:
    return [
        (
            entry.name,
            f"{entry.before:.3f}",
            f"{entry.after:.3f}",
            f"{entry.difference:+.3f}",
            f"{entry.low:+.3f} to {entry.high:+.3f}",
            f"{entry.pairs:,}",
            entry.verdict,
        )
        for entry in comparison.differences
    ]


@click.command("ls")
@json_option
def list_runs(as_json: bool) -> None:
    """List the suites Pitchwright ships and the runs that are kept, the newest first.

    Example: pitchwright eval ls --json
    """
    from eval.suite import load_suite, shipped_suites
    from service.evaluations.suite_runs import kept_runs

    found, unreadable = kept_runs(settings_for(global_options()))
    suites = [
        {
            "name": name,
            "version": suite.version,
            "purpose": " ".join(suite.purpose.split()),
            "path": str(path),
        }
        for name, path in shipped_suites().items()
        for suite in [load_suite(path)]
    ]
    runs = [
        {
            "run": folder.name,
            "suite": result.label,
            "candidates": ", ".join(f"{each.name} ({each.engine.model})" for each in result.candidates),
            "drafts": sum(each.asked for each in result.candidates),
            "set_aside": sum(len(each.set_aside) for each in result.candidates),
            "met": result.met,
            "started": result.origin.started,
        }
        for folder, result in found
    ]
    for text in unreadable:
        note(text)
    if as_json:
        print_json({"suites": suites, "runs": runs})
        return
    print_table(
        ("suite", "version", "purpose", "path"),
        [tuple(str(each[key]) for key in ("name", "version", "purpose", "path")) for each in suites],
    )
    if not runs:
        note("No run is kept yet: pitchwright eval run SUITE")
        return
    header = ("run", "suite", "candidates", "drafts", "set aside", "goals met")
    print_table(
        header,
        [
            (
                str(each["run"]),
                str(each["suite"]),
                str(each["candidates"]),
                f"{each['drafts']:,}",
                f"{each['set_aside']:,}",
                "yes" if each["met"] else "NO",
            )
            for each in runs
        ],
        wide=True,
    )


COMMANDS = (init_suite, validate_suite, run_suite, compare_runs, list_runs)
