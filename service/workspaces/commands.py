"""`pitchwright keys`: make, list and revoke API keys. `pitchwright brand`: show and import the brand."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from service.console import json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from prompts.brand import Brand
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
    type=click.Choice(["copy", "crm", "batch", "ingest", "admin"]),
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


@click.group()
def brand() -> None:
    """Show and import the workspace's brand: voice, words, claims, disclaimers.

    Example: pitchwright brand show > brand.yaml
    """


@brand.command()
@json_option
def show(as_json: bool) -> None:
    """Print the brand as YAML, every field with its value: edit it, then import it again.

    Example: pitchwright brand show
    """

    async def work(runtime: "Runtime") -> "Brand":
        from service.workspaces.actions import get_brand

        return await get_brand(runtime, runtime.settings.workspace)

    _show(run(work), as_json=as_json)


@brand.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def import_brand(file: Path, as_json: bool) -> None:
    """Replace the brand by the one in the YAML FILE; what it leaves out goes back to its default.

    Example: pitchwright brand import brand.yaml
    """

    async def work(runtime: "Runtime") -> "Brand":
        from service.workspaces.actions import ensure_workspace, set_brand
        from service.workspaces.brand_file import load_brand

        read = await runtime.run(load_brand, file)
        await ensure_workspace(runtime, runtime.settings.workspace)
        return await set_brand(runtime, runtime.settings.workspace, read)

    stored = run(work)
    note(f"Drafts follow the brand {stored.name!r} from now on.")
    _show(stored, as_json=as_json)


def _show(brand: "Brand", *, as_json: bool) -> None:
    from service.workspaces.brand_file import as_yaml

    if as_json:
        print_json(brand)
    else:
        click.echo(as_yaml(brand), nl=False)
