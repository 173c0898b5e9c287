"""`pitchwright keys`: make, list and revoke API keys."""

from typing import TYPE_CHECKING, cast

import click

from service.console import json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.runtime import Runtime
    from service.workspaces.model import ApiKey, CreatedKey, Scope


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    Example: pitchwright keys create studio --scope copy
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["copy", "crm", "batch", "admin"]),
    help="What the key may do; give it several times for several.",
)
@json_option
def create(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a key called NAME; its text is shown this once.

    Example: pitchwright keys create studio --scope copy --scope crm
    """

    async def work(runtime: "Runtime") -> "CreatedKey":
        from service.workspaces.actions import create_key, ensure_workspace

        await ensure_workspace(runtime, runtime.settings.workspace)
        return await create_key(runtime, runtime.settings.workspace, name, cast("list[Scope]", list(scopes)))

    created = run(work)
    if as_json:
        print_json({"key": created.key, "text": created.text})
        return
    note("Keep this key now: it is shown this once and stored nowhere.")
    click.echo(created.text)


@keys.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the workspace's keys, without their secrets.

    Example: pitchwright keys list
    """

    async def work(runtime: "Runtime") -> "tuple[ApiKey, ...]":
        from service.workspaces.actions import list_keys

        return tuple(await list_keys(runtime, runtime.settings.workspace))

    found = run(work)
    if as_json:
        print_json(found)
    else:
        print_table(("prefix", "name", "scopes", "created", "revoked"), [_row(key) for key in found])


def _row(key: "ApiKey") -> tuple[str, ...]:
    revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
    return (key.prefix, key.name, ", ".join(key.scopes), f"{key.created_at:%Y-%m-%d %H:%M}", revoked)


@keys.command()
@click.argument("prefix")
@json_option
def revoke(prefix: str, as_json: bool) -> None:
    """Revoke the key with PREFIX (or id) for good.

    Example: pitchwright keys revoke 3f9a1c
    """

    async def work(runtime: "Runtime") -> "ApiKey":
        from service.workspaces.actions import revoke_key

        return await revoke_key(runtime, runtime.settings.workspace, prefix)

    key = run(work)
    if as_json:
        print_json(key)
    else:
        click.echo(f"Revoked {key.prefix} ({key.name}).")
