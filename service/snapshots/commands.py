"""`pitchwright index`: build and list snapshots."""

from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, note, print_json, print_table, print_text, run

if TYPE_CHECKING:
    from service.runtime import Runtime
    from service.snapshots.model import SnapshotInfo

HEADER = ("version", "as of", "age", "items", "profiles", "events", "seconds")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.group()
def index() -> None:
    """Build and list snapshots: what every audience and recommendation reads.

    Example: pitchwright index build
    """


@index.command()
@click.option(
    "--full", is_flag=True, help="Compute everything anew, taking nothing from the newest snapshot."
)
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0, 86_400),
    default=0,
    metavar="SECONDS",
    help="Wait so long for another build to end; without it, say so at once.",
)
@json_option
def build(wait_seconds: float, *, full: bool, as_json: bool) -> None:
    """Build a snapshot of the workspace, publish it, push it to PITCHWRIGHT_SNAPSHOT_URL if that is set.

    Example: pitchwright index build --wait 600 --json
    """
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "SnapshotInfo":
            from service.snapshots.actions import build_snapshot

            return await build_snapshot(
                runtime,
                runtime.settings.workspace,
                progress,
                full=full,
                wait_seconds=wait_seconds,
                waiting=lambda seconds: note(
                    f"Another build is running: waiting up to {seconds:g} s for it."
                ),
            )

        info = run(work)
    _show((info,), as_json=as_json, one=True)


@index.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List published snapshots, newest first, and how old they are.

    Example: pitchwright index list
    """

    async def work(runtime: "Runtime") -> "tuple[SnapshotInfo, ...]":
        from service.snapshots.actions import list_snapshots

        return await list_snapshots(runtime, runtime.settings.workspace)

    infos = run(work)
    _show(infos, as_json=as_json)
    if not as_json:
        note(f"{len(infos)} versions." if len(infos) != 1 else "1 version.")


@index.command()
@json_option
def push(as_json: bool) -> None:
    """Upload the newest snapshot to PITCHWRIGHT_SNAPSHOT_URL.

    Example: pitchwright index push
    """
    with Progress() as progress:

        async def work(runtime: "Runtime") -> str | None:
            from service.snapshots.replicas import push_snapshot

            return await push_snapshot(runtime, runtime.settings.workspace, progress)

        version = run(work)
    _show_moved(version, "pushed", "Nothing to push: the newest snapshot is there already.", as_json=as_json)


@index.command()
@json_option
def pull(as_json: bool) -> None:
    """Download the newest snapshot from PITCHWRIGHT_SNAPSHOT_URL and verify it.

    Example: pitchwright index pull
    """
    with Progress() as progress:

        async def work(runtime: "Runtime") -> str | None:
            from service.snapshots.replicas import pull_snapshot

            return await pull_snapshot(runtime, runtime.settings.workspace, progress)

        version = run(work)
    _show_moved(version, "pulled", "Nothing to pull: there is none newer than ours.", as_json=as_json)


def _show_moved(version: str | None, verb: str, otherwise: str, *, as_json: bool) -> None:
    if as_json:
        print_json({verb: version})
    else:
        print_text(f"{verb.capitalize()} {version}." if version else otherwise)


def _show(infos: "tuple[SnapshotInfo, ...]", *, as_json: bool, one: bool = False) -> None:
    if as_json:
        print_json(infos[0] if one else infos)
    else:
        from service.runtime import utc_now

        now = utc_now()
        print_table(HEADER, [_row(info, (now - info.built_at).total_seconds()) for info in infos])


def _row(info: "SnapshotInfo", age_seconds: float) -> tuple[str, ...]:
    counts = (f"{count:,}" for count in (info.items, info.profiles, info.events))
    seconds = f"{sum(info.seconds.values()):.1f}"
    return (info.version, f"{info.as_of:%Y-%m-%d %H:%M}", _age(age_seconds), *counts, seconds)


def _age(seconds: float) -> str:
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{max(seconds, 0) / size:.0f} {unit}"
