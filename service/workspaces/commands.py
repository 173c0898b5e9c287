"""`pitchwright keys`: make, list, rotate and revoke API keys. `pitchwright brand`: show and import it."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from service.console import FiniteRange, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from prompts.brand import Brand
    from service.runtime import Runtime
    from service.workspaces.model import ApiKey, CreatedKey, Scope


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys.

    Example: pitchwright keys create studio --scope copy
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["copy", "crm", "batch", "ingest", "counts", "analyst", "admin"]),
    help="What the key may do; give it several times for several.",
)
@click.option("--days", type=FiniteRange(min=0, min_open=True), help="How long it opens anything.")
@json_option
def create(name: str, scopes: tuple[str, ...], days: float | None, as_json: bool) -> None:
    """Make a key called NAME; its text is shown this once.

    Example: pitchwright keys create studio --scope copy --scope crm --days 90
    """

    async def work(runtime: "Runtime") -> "CreatedKey":
        from service.audit.actions import record_command
        from service.workspaces.actions import create_key, ensure_workspace

        workspace = runtime.settings.workspace
        await ensure_workspace(runtime, workspace)
        lifetime = None if days is None else timedelta(days=days)
        wanted = cast("list[Scope]", list(scopes))
        created = await create_key(runtime, workspace, name, wanted, lifetime=lifetime)
        await record_command(runtime, workspace, "keys create", key=created.key.prefix, name=name)
        return created

    _show_created(run(work), as_json=as_json)


@keys.command()
@click.argument("prefix")
@click.option(
    "--overlap-hours",
    type=FiniteRange(min=0),
    default=24.0,
    show_default=True,
    help="How long the old key opens beside the new one.",
)
@json_option
def rotate(prefix: str, overlap_hours: float, as_json: bool) -> None:
    """Make a key that does what the one with PREFIX (or id) does, which then ends.

    Example: pitchwright keys rotate 3f9a1c --overlap-hours 48
    """

    async def work(runtime: "Runtime") -> "CreatedKey":
        from service.audit.actions import record_command
        from service.workspaces.actions import rotate_key

        workspace = runtime.settings.workspace
        created = await rotate_key(runtime, workspace, prefix, overlap=timedelta(hours=overlap_hours))
        await record_command(runtime, workspace, "keys rotate", old=prefix, key=created.key.prefix)
        return created

    _show_created(run(work), as_json=as_json)


def _show_created(created: "CreatedKey", *, as_json: bool) -> None:
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
        print_table(
            ("prefix", "name", "scopes", "created", "last used", "expires", "revoked"),
            [_row(key) for key in found],
        )


def _row(key: "ApiKey") -> tuple[str, ...]:
    moments = (key.created_at, key.last_used_at, key.expires_at, key.revoked_at)
    shown = (f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in moments)
    return (key.prefix, key.name, ", ".join(key.scopes), *shown)


@keys.command()
@click.argument("prefix")
@json_option
def revoke(prefix: str, as_json: bool) -> None:
    """Revoke the key with PREFIX (or id) for good.

    Example: pitchwright keys revoke 3f9a1c
    """

    async def work(runtime: "Runtime") -> "ApiKey":
        from service.audit.actions import record_command
        from service.workspaces.actions import revoke_key

        revoked = await revoke_key(runtime, runtime.settings.workspace, prefix)
        await record_command(runtime, runtime.settings.workspace, "keys revoke", key=revoked.prefix)
        return revoked

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
