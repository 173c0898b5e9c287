"""`pitchwright retention`: how long events are kept, by type."""

from typing import TYPE_CHECKING

import click

from service.console import json_option, print_json, print_table, run

if TYPE_CHECKING:
    from service.runtime import Runtime
    from service.workspaces.model import Workspace


@click.group()
def retention() -> None:
    """Say how long events are kept, by type, and delete what is older.

    Example: pitchwright retention set view 365
    """


@retention.command("set")
@click.argument("event_type")
@click.argument("days", type=click.IntRange(0, 36_500))
@json_option
def set_(event_type: str, days: int, as_json: bool) -> None:
    """Keep events of EVENT_TYPE (`*`: of every type not named) for DAYS; 0 is for ever.

    Example: pitchwright retention set '*' 730
    """

    async def work(runtime: "Runtime") -> "Workspace":
        from service.audit.actions import record_command
        from service.workspaces.actions import get_workspace, set_workspace
        from service.workspaces.model import WorkspacePatch

        workspace = runtime.settings.workspace
        kept = (await get_workspace(runtime, workspace)).retention_days
        changed = {name: value for name, value in {**kept, event_type: days}.items() if value}
        value = await set_workspace(runtime, workspace, WorkspacePatch(retention_days=changed))
        await record_command(runtime, workspace, "retention set", event_type=event_type, days=str(days))
        return value

    _show(run(work).retention_days, "kept for days", as_json=as_json)


@retention.command()
@json_option
def show(as_json: bool) -> None:
    """Print how long events are kept; types that are not there are kept for ever.

    Example: pitchwright retention show
    """

    async def work(runtime: "Runtime") -> "Workspace":
        from service.workspaces.actions import get_workspace

        return await get_workspace(runtime, runtime.settings.workspace)

    _show(run(work).retention_days, "kept for days", as_json=as_json)


@retention.command()
@json_option
def apply(as_json: bool) -> None:
    """Delete events that are older than their type is kept; `serve` does so each hour.

    Example: pitchwright retention apply
    """

    async def work(runtime: "Runtime") -> dict[str, int]:
        from service.audit.actions import record_command
        from service.privacy.retention import apply_retention

        workspace = runtime.settings.workspace
        removed = await apply_retention(runtime, workspace)
        await record_command(runtime, workspace, "retention apply", deleted=str(sum(removed.values())))
        return removed

    _show(run(work), "deleted", as_json=as_json)


def _show(found: dict[str, int], column: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table(("event type", column), [(name, f"{number:,}") for name, number in sorted(found.items())])
