"""`pitchwright segment overlap` and `changes`: segments beside each other, and over time."""

from typing import TYPE_CHECKING

import click

from service.console import json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.runtime import Runtime
    from service.segments.model import Changes, Overlaps

OVERLAP_HEADER = ("segment", "members", "shared", "jaccard")


@click.command()
@click.argument("name")
@click.argument("others", nargs=-1)
@json_option
def overlap(name: str, others: tuple[str, ...], as_json: bool) -> None:
    """Say how many members the audience NAME shares with OTHERS, or with every other one.

    Example: pitchwright segment overlap gardeners walkers
    """

    async def work(runtime: "Runtime") -> "Overlaps":
        from service.segments import comparisons

        return await comparisons.overlap(runtime, runtime.settings.workspace, name, others)

    found = run(work)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.count:,} members of {name!r}")
    rows = [
        (each.name, f"{each.count:,}", f"{each.shared:,}", f"{each.jaccard:.3f}") for each in found.others
    ]
    print_table(OVERLAP_HEADER, rows)
    for failed in found.failed:
        note(f"{failed.name!r} cannot be evaluated: {failed.error}")
    note(f"As of {found.as_of:%Y-%m-%d %H:%M} UTC, snapshot {found.snapshot}.")


@click.command()
@click.argument("name")
@click.option("--since", required=True, metavar="SNAPSHOT", help="The earlier snapshot (`index list`).")
@click.option("--until", metavar="SNAPSHOT", help="The later one; the newest when left out.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many."
)
@json_option
def changes(name: str, since: str, until: str | None, limit: int, as_json: bool) -> None:
    """List who entered the audience NAME and who left it between two snapshots.

    Example: pitchwright segment changes gardeners --since 20261122T035339Z-0e7de06e
    """

    async def work(runtime: "Runtime") -> "Changes":
        from service.segments.comparisons import list_changes

        workspace = runtime.settings.workspace
        return await list_changes(runtime, workspace, name, since, until=until, limit=limit)

    found = run(work)
    if as_json:
        print_json(found)
        return
    for change in found.changes:
        click.echo(f"{change.change}\t{change.profile_id}")
    note(
        f"{found.entered:,} entered and {found.left:,} left between {found.since_as_of:%Y-%m-%d %H:%M} and "
        f"{found.as_of:%Y-%m-%d %H:%M} UTC; {found.count:,} members then."
    )
