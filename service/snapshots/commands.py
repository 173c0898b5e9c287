"""`pitchwright index`: build and list snapshots."""

from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, print_json, print_table, run

if TYPE_CHECKING:
    from service.runtime import Runtime
    from service.snapshots.model import SnapshotInfo

HEADER = ("version", "as of", "items", "profiles", "events", "seconds")


@click.group()
def index() -> None:
    """Build and list snapshots: what every audience and recommendation reads.

    Example: pitchwright index build
    """


@index.command()
@json_option
def build(as_json: bool) -> None:
    """Build a snapshot of the workspace and publish it.

    Example: pitchwright index build --json
    """
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "SnapshotInfo":
            from service.snapshots.actions import build_snapshot

            return await build_snapshot(runtime, runtime.settings.workspace, progress)

        info = run(work)
    _show((info,), as_json=as_json, one=True)


@index.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List published snapshots, newest first.

    Example: pitchwright index list
    """

    async def work(runtime: "Runtime") -> "tuple[SnapshotInfo, ...]":
        from service.snapshots.actions import list_snapshots

        return await list_snapshots(runtime, runtime.settings.workspace)

    _show(run(work), as_json=as_json)


def _show(infos: "tuple[SnapshotInfo, ...]", *, as_json: bool, one: bool = False) -> None:
    if as_json:
        print_json(infos[0] if one else infos)
    else:
        print_table(HEADER, [_row(info) for info in infos])


def _row(info: "SnapshotInfo") -> tuple[str, ...]:
    counts = (f"{count:,}" for count in (info.items, info.profiles, info.events))
    return (info.version, f"{info.as_of:%Y-%m-%d %H:%M}", *counts, f"{sum(info.seconds.values()):.1f}")
