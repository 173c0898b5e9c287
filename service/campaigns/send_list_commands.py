"""`pitchwright campaign export`: a written campaign as a send list."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import NotMet, Progress, json_option, note, print_json, print_table, run
from service.contact.commands import removed_text

if TYPE_CHECKING:
    from service.campaigns.send_list_counts import Pick, SendFormat, SendListSummary
    from service.runtime import Runtime

REACH_HEADER = ("segment", "channel", "members", "may be written to")
UNITS_HEADER = (
    "segment",
    "item",
    "channel",
    "rows",
    "with a default",
    "shortened",
    "no address",
    "set aside",
    "left out",
)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that `campaign run` wrote.",
)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
@click.option(
    "--format", "form", required=True, type=click.Choice(["csv", "jsonl", "parquet"]), help="What it is."
)
@click.option("--segment", help="Only members of this segment [all of the campaign's].")
@click.option("--channel", help="Only this channel [all of the campaign's].")
@click.option("--language", help="Which of the campaign's languages, where it has several.")
@click.option(
    "--pick",
    type=click.Choice(["best", "accepted", "spread"]),
    default="best",
    show_default=True,
    help="The best variant that passed, the best a person accepted, or all that passed, spread over members.",
)
@json_option
def export(
    file: Path,
    folder: Path,
    out: Path,
    form: "SendFormat",
    segment: str | None,
    channel: str | None,
    language: str | None,
    pick: "Pick",
    as_json: bool,
) -> None:
    """Fill the variants of the campaign FILE for every member who may be written to, a row each.

    Beside OUT stand OUT.refused.jsonl, who was set aside and why, and OUT.summary.json, the counts. Nothing
    is cut off to fit. An OUT that is there is replaced once the new one is whole. Ends with exit code 1 when
    a unit has nothing to send; channels without one reader (ads, posts) are left out.

    Example: pitchwright campaign export spring.yaml --from var/spring --out spring.csv --format csv
    """
    from prompts.channels import CHANNELS
    from service.campaigns.model import load_campaign
    from service.campaigns.written import written_rows

    campaign = load_campaign(file)
    rows = written_rows(campaign, folder)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "SendListSummary":
            from service.audit.actions import record_command
            from service.campaigns.send_list_export import (
                check_language,
                check_wanted,
                export_send_list,
                is_wanted,
                send_units,
            )

            check_wanted((row.segment for row in rows), (row.channel for row in rows), segment, channel)
            check_language(campaign, language)
            kept = [row for row in rows if is_wanted(row, segment, channel, language)]
            workspace = runtime.settings.workspace
            await record_command(runtime, workspace, "campaign export", campaign=campaign.name)
            return await export_send_list(
                runtime,
                workspace,
                campaign.name,
                await send_units(runtime, workspace, kept, pick),
                out,
                form,
                pick=pick,
                snapshot=await runtime.snapshot(workspace),
                progress=progress,
            )

        summary = run(work)
    if as_json:
        print_json(summary)
    else:
        _show(summary)
    silent = [unit for unit in summary.units if unit.left_out and CHANNELS[unit.channel].personal]
    if silent:
        raise NotMet(
            f"{len(silent)} of {len(summary.units)} units have nothing to send, such as "
            f"{silent[0].segment}/{silent[0].item_id}/{silent[0].channel}: {silent[0].left_out}"
        )


def _show(summary: "SendListSummary") -> None:
    print_table(
        (*REACH_HEADER, "removed"),
        [
            (
                each.segment,
                each.channel,
                f"{each.audience:,}",
                f"{each.allowed:,}",
                removed_text(each.removed),
            )
            for each in summary.reach
        ],
    )
    print_table(
        UNITS_HEADER,
        [
            (
                unit.segment,
                unit.item_id,
                unit.channel,
                f"{unit.written:,}",
                f"{unit.defaulted:,}",
                f"{unit.shortened:,}",
                f"{unit.unaddressed:,}",
                f"{sum(unit.refused.values()):,}",
                unit.left_out or "",
            )
            for unit in summary.units
        ],
    )
    note(f"{summary.rows:,} rows in {summary.out}, snapshot {summary.snapshot}.")
    if summary.refused:
        note(f"{summary.refused:,} set aside in {summary.out}.refused.jsonl, with reasons.")
