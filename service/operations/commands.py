"""`pitchwright doctor`, `backup` and `restore`."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import click

from service.console import (
    global_options,
    json_option,
    log_to_stderr,
    print_json,
    print_table,
    quieten_libraries,
    settings_for,
)

if TYPE_CHECKING:
    from service.operations.model import Check
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
