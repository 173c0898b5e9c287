"""`pitchwright audit`: the record of who did what, written to a file and checked."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import NotMet, json_option, print_json, run

if TYPE_CHECKING:
    from service.audit.model import Entry
    from service.runtime import Runtime


@click.group()
def audit() -> None:
    """Export the record of who did what, and check that it is whole.

    Example: pitchwright audit export --out audit.jsonl
    """


@audit.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSON Lines to write."
)
@json_option
def export(out: Path, as_json: bool) -> None:
    """Write the workspace's audit log, one entry a line, and check its chain; exit code 1 where it breaks.

    Keep the last digest elsewhere: a log cut off at its end is whole up to there.

    Example: pitchwright audit export --out audit.jsonl
    """

    async def work(runtime: "Runtime") -> "list[Entry]":
        from service.audit.actions import every_entry

        return [entry async for entry in every_entry(runtime, runtime.settings.workspace)]

    import msgspec

    from service.audit.model import first_break

    entries = run(work)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.Encoder().encode_lines(entries))
    broken = first_break(entries)
    last = entries[-1].digest if entries else None
    if as_json:
        print_json({"out": out, "entries": len(entries), "last_digest": last, "broken_at": broken})
    else:
        click.echo(f"Entries: {len(entries):,}, in {out}; last digest {last or 'none'}.")
    if broken is not None:
        raise NotMet(f"entry {broken} is not what was recorded: the log was changed from there on")
