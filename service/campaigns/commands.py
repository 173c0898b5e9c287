"""`pitchwright campaign`: a whole campaign from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.campaigns.send_list_commands import export
from service.console import NotMet, Progress, json_option, note, print_json, print_table, run
from service.contact.commands import removed_text
from service.drafts.commands import copy_text, score_text, verdict
from service.evaluations.commands import show_figures
from service.on_ray import LOCAL, connected, on_option

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.campaigns.model import CampaignSummary, Row
    from service.runtime import Runtime

HEADER = ("channel", "copy", "checks", "scores")
REACH_HEADER = ("segment", "channel", "members", "may be written to", "removed")


@click.group()
def campaign() -> None:
    """Write a whole campaign from a file; running it again goes on where it stopped.

    Example: pitchwright campaign run spring.yaml --out var/spring
    """


@campaign.command("run")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of variants.jsonl and summary.json."
)
@on_option
@json_option
def run_file(file: Path, out: Path, on: str, as_json: bool) -> None:
    """Write every variant of the campaign FILE, one JSON line each, into the folder OUT.

    OUT gets variants.jsonl and summary.json. What is finished there already is kept, so run it again after
    an interruption. Ends with exit code 1 when a unit has no variant that passed its checks.

    Example: pitchwright campaign run spring.yaml --out var/spring
    """
    from service.campaigns.model import load_campaign

    plan = load_campaign(file)
    with connected(on), Progress() as progress:

        async def work(runtime: "Runtime") -> "CampaignSummary":
            from service.campaigns.actions import run_campaign

            summary, _ = await run_campaign(
                runtime, runtime.settings.workspace, plan, out, progress, on_ray=on != LOCAL
            )
            return summary

        summary = run(work)
    if as_json:
        print_json(summary)
    else:
        _show(summary)
    if summary.units.without_passing:
        raise NotMet(
            f"{summary.units.without_passing} of {summary.units.total} units have no passing variant"
        )


@campaign.command("plan")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--probe",
    type=click.IntRange(0, 1000),
    default=8,
    show_default=True,
    help="Units written to see what one costs, and thrown away; 0 asks the engine nothing.",
)
@json_option
def plan_file(file: Path, probe: int, as_json: bool) -> None:
    """Say what the campaign FILE would cost before anything of it is written.

    Units, prompts, their tokens, the most tokens their answers may have, an answer that is asked for again
    counting anew; and from a probe of real units the tokens and seconds of the whole. Exit code 1 when that
    is more than the campaign's budget.

    Example: pitchwright campaign plan spring.yaml --probe 16 --json
    """
    from service.campaigns.model import load_campaign

    ordered = load_campaign(file)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            from service.campaigns.planning import plan_campaign

            return await plan_campaign(runtime, runtime.settings.workspace, ordered, probe, progress)

        planned = run(work)
    show_figures(planned, as_json=as_json)


@campaign.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of campaign files, for editors and for programs that write them.

    Example: pitchwright campaign schema > campaign.schema.json
    """
    from eval.schemas import schema_of, written
    from service.campaigns.model import Campaign

    click.echo(written(schema_of(Campaign, "campaign")), nl=False)


def _show(summary: "CampaignSummary") -> None:
    units, variants = summary.units, summary.variants
    click.echo(
        f"{summary.campaign}: {units.total} units, {units.written} written, {units.reused} found finished"
    )
    click.echo(", ".join(f"{count} {status}" for status, count in variants.items()))
    print_table(
        REACH_HEADER,
        [
            (each.name, each.channel, f"{each.audience:,}", f"{each.allowed:,}", removed_text(each.removed))
            for each in summary.reach
        ],
    )
    note(f"In {summary.out}: variants.jsonl, summary.json; {summary.seconds:.1f} s with {summary.engine}.")
    for scorer, count in summary.scores_missing.items():
        note(f"{count} variants have no {scorer} score, because the scorer broke; their `unscored` says how.")
    if summary.superseded:
        note(f"{summary.superseded} rows of other units were moved to superseded.jsonl.")


def print_variants(rows: "Sequence[Row]") -> None:
    """Print variants as one table per audience and item, readable at 100 columns without colour."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.segment, row.item_id), []).append(row)
    for (segment, _), members in groups.items():
        brief = members[0].brief
        offer = f", {brief.offer.text}" if brief.offer else ""
        print_table(HEADER, [_row(row) for row in members], title=f"{segment}: {brief.product.title}{offer}")


def _row(row: "Row") -> tuple[str, ...]:
    return (
        f"{row.channel} {row.number}",
        copy_text(row.fields),
        verdict(row.status, row.checks),
        score_text(row.scores),
    )


campaign.add_command(export)
