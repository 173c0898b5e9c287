"""`pitchwright import`: a folder of files into the store."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.importing.model import ImportSummary
    from service.runtime import Runtime


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--mapping",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file that says which file and column is what.",
)
@json_option
def import_(folder: Path, mapping: Path, as_json: bool) -> None:
    """Import the items, profiles, events and consents in FOLDER as the mapping says.

    Bad rows go to rejects.jsonl and stop nothing; importing twice changes nothing.

    Example: pitchwright import data/online_retail --mapping eval/datasets/online_retail.yaml
    """
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "ImportSummary":
            from service.importing.actions import import_folder

            return await import_folder(runtime, runtime.settings.workspace, folder, mapping, progress)

        summary = run(work)
    if as_json:
        print_json(summary)
    else:
        _show(summary)


def _show(summary: "ImportSummary") -> None:
    kinds = (
        ("items", summary.items),
        ("profiles", summary.profiles),
        ("events", summary.events),
        ("consents", summary.consents),
    )
    header = ("", "read", "stored", "duplicate", "rejected", "filtered")
    rows = [
        (kind, *(f"{count:,}" for count in (c.read, c.stored, c.duplicate, c.rejected, c.filtered)))
        for kind, c in kinds
        if c.read
    ]
    print_table(header, rows)
    for reason in summary.reasons:
        note(
            f"{reason.count:,} {reason.kind} rejected: {reason.reason} (first in {reason.file}:{reason.line})"
        )
    if summary.rejects:
        note(f"Every rejected row with its reason: {summary.rejects}")
    for text in summary.notes:
        note(text)
    note(f"Imported into workspace {summary.workspace!r} in {summary.seconds:.1f} s.")
