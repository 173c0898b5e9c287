"""`pitchwright index`: build and list snapshots."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import (
    FiniteRange,
    Progress,
    Usage,
    json_option,
    note,
    print_json,
    print_table,
    print_text,
    run,
)
from service.on_ray import LOCAL, connected, on_option

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.runtime import Runtime
    from service.snapshots.model import SnapshotInfo

HEADER = ("version", "as of", "age", "items", "profiles", "events", "seconds")
STAGE_HEADER = ("stage", "seconds", "peak memory so far")
MIB = 2**20
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
    type=FiniteRange(0, 86_400),
    default=0,
    metavar="SECONDS",
    help="Wait so long for another build to end; without it, say so at once.",
)
@on_option
@json_option
def build(wait_seconds: float, on: str, *, full: bool, as_json: bool) -> None:
    """Build a snapshot of the workspace, publish it, push it to PITCHWRIGHT_SNAPSHOT_URL if that is set.

    Example: pitchwright index build --wait 600 --json
    """
    with connected(on), Progress() as progress:

        async def work(runtime: "Runtime") -> "SnapshotInfo":
            from service.snapshots.actions import build_snapshot

            return await build_snapshot(
                runtime,
                runtime.settings.workspace,
                progress,
                full=full,
                wait_seconds=wait_seconds,
                on_ray=on != LOCAL,
                waiting=lambda seconds: note(
                    f"Another build is running: waiting up to {seconds:g} s for it."
                ),
            )

        info = run(work)
    _show((info,), as_json=as_json, one=True)
    if not as_json:
        print_table(STAGE_HEADER, _stages(info))


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


@index.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder for the embedder.",
)
@click.option(
    "--data",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Learn from the items of a folder of files instead of the workspace's.",
)
@click.option(
    "--mapping",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Import mapping of --data.",
)
@click.option(
    "--texts",
    "texts_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Learn from the lines of this file too.",
)
@click.option("--dim", type=click.IntRange(1, 4096), help="Dimensions. Default: those of the encoder.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@json_option
def distill(
    out: Path,
    folder: Path | None,
    mapping: Path | None,
    texts_file: Path | None,
    dim: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Make a static embedder that imitates the sentence encoder on a catalogue, and measure it.

    It encodes at least fifty times as fast and is used by PITCHWRIGHT_EMBEDDER=DIR and a new `index build`.
    Exit code 1 when it is slower or loses more than a tenth of the quality of cold items.

    Example: pitchwright index distill --out var/static
    """
    from service.evaluations.commands import show_figures

    if (folder is None) != (mapping is None):
        raise Usage("--data and --mapping belong together: give both, or none for the workspace's items")
    data = None if folder is None or mapping is None else (folder, mapping)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "tuple[Figures, tuple[str, ...]]":
            from service.snapshots.distilling import distill_embedder

            return await distill_embedder(
                runtime, out, data=data, texts_file=texts_file, dim=dim, seed=seed, progress=progress
            )

        summary, notes = run(work)
    for text in notes:
        note(text)
    show_figures(summary, as_json=as_json)


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


def _stages(info: "SnapshotInfo") -> list[tuple[str, ...]]:
    peaks = {stage: f"{peak / MIB:,.0f} MiB" for stage, peak in info.stage_peak_bytes.items()}
    rows = [(stage, f"{seconds:.1f}", peaks.get(stage, "")) for stage, seconds in info.seconds.items()]
    whole = "" if info.peak_bytes is None else f"{info.peak_bytes / MIB:,.0f} MiB"
    return [*rows, ("all", f"{sum(info.seconds.values()):.1f}", whole)]


def _age(seconds: float) -> str:
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{max(seconds, 0) / size:.0f} {unit}"
