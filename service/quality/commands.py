"""`pitchwright data`: what is odd about the data."""

from typing import TYPE_CHECKING

import click

from service.console import json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.quality.model import Finding
    from service.runtime import Runtime


@click.group()
def data() -> None:
    """Look at the quality of the data that came in.

    Example: pitchwright data check
    """


@data.command()
@click.option("--source", help="Only this source, such as `store` or `key 7h3k9x2m (shop)`.")
@json_option
def check(source: str | None, as_json: bool) -> None:
    """Report missing and impossible values, outliers, duplicates and refusals, with counts and examples.

    For each import and each source what was noted when it came in, the latest first; under `store` what lies
    there now. Says of each what was done about it.

    Example: pitchwright data check --source store
    """

    async def work(runtime: "Runtime") -> "tuple[Finding, ...]":
        from service.quality.actions import check_data

        return await check_data(runtime, runtime.settings.workspace, source)

    findings = run(work)
    if as_json:
        print_json({"findings": findings})
        return
    print_table(
        ("source", "kind", "what", "count", "example", "done"),
        [(one.source, one.kind, one.about, f"{one.count:,}", one.example, one.done) for one in findings],
    )
    if not findings:
        note("Nothing odd was found.")
