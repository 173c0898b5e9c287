"""`pitchwright segment discover`: groups of profiles as proposals for segments."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, Usage, json_option, note, print_json, print_table, print_text, run

if TYPE_CHECKING:
    from service.runtime import Runtime
    from service.segments.discovery import Found
    from service.segments.model import SavedGroup

MOST_GROUPS = 100
"""Beyond these no number is tried by itself."""
GROUP_HEADER = ("proposed segment", "size", "share", "stability", "", "overlap")


@click.command()
@click.option("--k", type=click.IntRange(1, 200), help="So many groups; without it the number is chosen.")
@click.option(
    "--max-k",
    type=click.IntRange(2, MOST_GROUPS),
    default=30,
    show_default=True,
    help="At most so many groups.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For every draw.")
@click.option(
    "--plot", "map_file", type=click.Path(dir_okay=False, path_type=Path), help="Draw the map as a PNG here."
)
@click.option("--save", is_flag=True, help="Store every proposal as a segment.")
@json_option
def discover(k: int | None, max_k: int, seed: int, map_file: Path | None, save: bool, as_json: bool) -> None:
    """Find groups of profiles with like interests and propose them as segments.

    Example: pitchwright segment discover --plot groups.png
    """
    if map_file is not None and not map_file.absolute().parent.is_dir():
        raise Usage(f"--plot {map_file}: there is no folder {map_file.absolute().parent}; make it first")
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "tuple[Found, tuple[SavedGroup, ...]]":
            from service.segments import discovery

            workspace = runtime.settings.workspace
            found = await discovery.discover_segments(
                runtime, workspace, k=k, max_k=max_k, seed=seed, progress=progress
            )
            if map_file is not None:
                await discovery.draw_groups(runtime, found, map_file)
            saved = await discovery.save_groups(runtime, workspace, found) if save else ()
            return found, saved

        found, saved = run(work)
    discovery = found.discovery
    if discovery.limited:
        more = f"--max-k, up to {MOST_GROUPS}" if max_k < MOST_GROUPS else "--k"
        note(f"{found.grouping.k} groups are the most tried with --max-k {max_k}; allow more with {more}.")
    if as_json:
        print_json({"discovery": discovery, "saved": saved})
        return
    rows = [
        (
            group.name,
            f"{group.size:,}",
            f"{group.share:.1%}",
            f"{group.stability:.2f}",
            group.standing,
            f"{group.overlap:.2f}",
        )
        for group in discovery.groups
    ]
    print_table(GROUP_HEADER, rows)
    for group in discovery.groups:
        print_text(f"{group.name}: {' '.join(group.description.sentences)}")
    print_text(discovery.verdict)
    note(
        f"{discovery.without:,} of {discovery.population:,} profiles like nothing yet and are in no group; "
        f"as of {discovery.as_of:%Y-%m-%d %H:%M} UTC."
    )
    if map_file is not None:
        note(f"Map in {map_file}.")
    for each in saved:
        note(f"Created {each.segment.name!r}: {each.size:,} members, overlap {each.overlap:.2f}.")
