"""`pitchwright doctor`, `backup` and `restore`."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import (
    global_options,
    json_option,
    log_to_stderr,
    note,
    print_json,
    print_table,
    quieten_libraries,
    settings_for,
)

if TYPE_CHECKING:
    from service.operations.model import BackupManifest, Check
    from service.settings import Settings


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at everything the service needs, change nothing, and say what to do.

    Exit code 2 when a setting is wrong, 3 when something the service needs is down.

    Example: pitchwright doctor
    """
    from service.errors import DependencyError, SettingsError
    from service.operations.model import Check

    wrong: SettingsError | None = None
    try:
        checks = _examined(settings_for(global_options()))
    except SettingsError as error:
        checks, wrong = [Check(name="settings", status="failed", detail=str(error))], error
    if as_json:
        print_json({"checks": checks, "counts": Counter(each.status for each in checks)})
    else:
        print_table(("check", "", "found"), [(each.name, each.status, each.detail) for each in checks])
    if wrong is not None:
        raise wrong
    failed = [each.name for each in checks if each.status == "failed"]
    if failed:
        raise DependencyError(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")


def _examined(settings: "Settings") -> "list[Check]":
    from service.operations.examination import examine

    quieten_libraries()
    log_to_stderr(settings.log_level)

    async def all_of_it() -> "list[Check]":
        return [check async for check in examine(settings)]

    return asyncio.run(all_of_it())


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@json_option
def backup(out: Path, as_json: bool) -> None:
    """Write the store and the snapshots into one file, also while `serve` is at work.

    It holds customers' data: encrypted traits stay encrypted, everything else is as it is in the store.

    Example: pitchwright backup --out backup-2026-11-26.tar.gz
    """
    from service.operations.backup import make_backup
    from service.runtime import utc_now

    manifest = asyncio.run(make_backup(settings_for(global_options()), out, utc_now()))
    _tell(manifest, out, as_json)


@click.command()
@click.argument("backup", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Data folder to make; it must be empty or not there.",
)
@json_option
def restore(backup: Path, into: Path, as_json: bool) -> None:
    """Put a backup into an empty folder, after every file of it was found to be whole.

    Start the service with that folder as PITCHWRIGHT_DATA_DIR. A store of PostgreSQL goes into the empty
    database that PITCHWRIGHT_DATABASE_URL names.

    Example: pitchwright restore backup-2026-11-26.tar.gz --into var
    """
    from service.operations.restore import restore_backup

    manifest = restore_backup(settings_for(global_options()), backup, into)
    _tell(manifest, into, as_json)
    if manifest.trait_keys:
        note(f"It needs PITCHWRIGHT_TRAIT_KEYS with {', '.join(manifest.trait_keys)} to start.")


def _tell(manifest: "BackupManifest", where: Path, as_json: bool) -> None:
    size = sum(each.bytes for each in manifest.files.values())
    if as_json:
        print_json({"path": where, "bytes": size, "manifest": manifest})
    else:
        click.echo(
            f"{len(manifest.files):,} files, {size / 2**20:,.1f} MiB unpacked, schema {manifest.schema}, "
            f"made {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC by pitchwright {manifest.version}: {where}"
        )
