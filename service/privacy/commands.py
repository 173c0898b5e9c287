"""`pitchwright profile`: export and erase one person, and read the receipts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Usage, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.privacy.model import Erasure
    from service.runtime import Runtime


@click.group()
def profile() -> None:
    """Export and erase one person's data, and read the receipts.

    Example: pitchwright profile export p-0001 --out p-0001.zip
    """


@profile.command()
@click.argument("profile_id")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Archive to write."
)
@json_option
def export(profile_id: str, out: Path, as_json: bool) -> None:
    """Write everything about PROFILE_ID into one zip of JSON files.

    Example: pitchwright profile export p-0001 --out p-0001.zip
    """
    if out.exists():
        raise Usage(f"{out} is there already: name a file that is not")

    async def work(runtime: "Runtime") -> bytes:
        from service.audit.actions import record_command
        from service.privacy.access import access_archive

        workspace = runtime.settings.workspace
        found = await access_archive(runtime, workspace, profile_id)
        await record_command(runtime, workspace, "profile export", profile_id=profile_id)
        return found

    content = run(work)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.touch(mode=0o600)
    out.write_bytes(content)
    if as_json:
        print_json({"out": out, "bytes": len(content)})
    else:
        click.echo(f"Everything about {profile_id}: {out} ({len(content):,} bytes).")


@profile.command()
@click.argument("profile_id")
@click.option("--now", is_flag=True, help="Build a snapshot at once, so that no file holds the profile.")
@json_option
def erase(profile_id: str, now: bool, as_json: bool) -> None:
    """Erase PROFILE_ID for good and print the receipt.

    Example: pitchwright profile erase p-0001 --now
    """

    async def work(runtime: "Runtime") -> "Erasure":
        from service.audit.actions import record_command
        from service.privacy.actions import erase_now
        from service.profiles.actions import erase_profile

        workspace = runtime.settings.workspace
        erasure = await (erase_now if now else erase_profile)(runtime, workspace, profile_id)
        await record_command(runtime, workspace, "profile erase", profile_id=profile_id)
        return erasure

    _show((run(work),), as_json=as_json)


@profile.command()
@click.option("--of", "profile_id", help="Only the receipt of this profile.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="At most.")
@json_option
def receipts(profile_id: str | None, limit: int, as_json: bool) -> None:
    """List the receipts of erasures, oldest first.

    Example: pitchwright profile receipts --of p-0001
    """

    async def work(runtime: "Runtime") -> "tuple[Erasure, ...]":
        from service.privacy.actions import list_erasures

        page = await list_erasures(runtime, runtime.settings.workspace, limit=limit, profile_id=profile_id)
        return page.rows

    _show(run(work), as_json=as_json)


def _show(found: "tuple[Erasure, ...]", *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.id,
            f"{each.erased_at:%Y-%m-%d %H:%M}",
            f"{each.completed_at:%Y-%m-%d %H:%M}" if each.completed_at else "with the next snapshot",
            ", ".join(f"{part.where} {part.count}" for part in each.removed),
        )
        for each in found
    ]
    print_table(("receipt", "erased", "out of every file", "removed"), rows)
    if not found:
        note("No receipt.")
