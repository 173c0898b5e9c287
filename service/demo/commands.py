"""`pitchwright demo`: everything in one command."""

import os
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from service.console import (
    Progress,
    global_options,
    json_option,
    note,
    print_json,
    print_text,
    run_with,
    settings_for,
)

if TYPE_CHECKING:
    from service.demo.model import Demo, DemoAudience
    from service.runtime import Runtime
    from service.settings import Settings


@click.command()
@click.option("--no-serve", is_flag=True, help="End after the table.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the shop [7].")
@click.option("--port", type=click.IntRange(1, 65535), envvar="PORT", help="Port to serve on [PORT, 8000].")
@json_option
def demo(no_serve: bool, seed: int | None, port: int | None, as_json: bool) -> None:
    """Build a shop, three audiences and a small campaign in DATA_DIR/demo, then serve until Ctrl-C.

    A second run reuses what is there. --json prints one JSON document and does not serve.

    Example: pitchwright demo --no-serve
    """
    from service.demo.actions import DEFAULT_SEED, build_demo, demo_key, demo_settings
    from service.serve import check_port

    chosen = DEFAULT_SEED if seed is None else seed
    settings = demo_settings(settings_for(global_options()), chosen)
    if port is not None:
        settings = msgspec.structs.replace(settings, port=port)
    serving = not (no_serve or as_json)
    if serving:
        check_port(settings.host, settings.port)
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "tuple[Demo, str]":
            return await build_demo(runtime, chosen, progress), await demo_key(runtime)

        built, key = run_with(settings, work)
    if as_json:
        print_json(built)
        return
    _show(built)
    if serving:
        _invite(built, settings, key)
        _become_server(settings)


def _show(built: "Demo") -> None:
    from service.campaigns.commands import print_variants

    print_text(
        f"A shop with {built.items:,} items, {built.profiles:,} profiles and {built.events:,} events"
        f" (seed {built.seed}), in {built.data_dir}."
    )
    click.echo("")
    for audience in built.audiences:
        _show_audience(audience)
    print_variants(built.variants)
    passed = sum(1 for row in built.variants if row.status == "passed")
    click.echo(f"{passed} of {len(built.variants)} variants passed every check; written by {built.engine}.")
    timed = ", ".join(
        f"{stage} {seconds:.1f} s{' (reused)' if stage in built.reused else ''}"
        for stage, seconds in built.seconds.items()
    )
    note(timed)


_BY = {"like": "by meaning", "rule": "by rule", "example": "by example"}


def _show_audience(audience: "DemoAudience") -> None:
    from service.segments.commands import show_description

    click.echo(
        f"{audience.name}, {_BY.get(audience.by, audience.by)}:"
        f" {audience.size:,} of {audience.population:,} ({audience.share:.1%})"
    )
    show_description(audience.description)


def _invite(built: "Demo", settings: "Settings", key: str) -> None:
    """Print three commands to copy, with the demo's key in them."""
    base = f"http://{settings.host}:{settings.port}/v1"
    header = f"-H 'Authorization: Bearer {key}'"
    row = built.variants[0]
    body = msgspec.json.encode(
        {"item_id": row.item_id, "segment": row.segment, "channel": "email", "offer": "20% off", "n": 3}
    ).decode()
    click.echo(
        f"\nServing on http://{settings.host}:{settings.port} until Ctrl-C. Try, in another terminal:\n"
    )
    click.echo(f"curl -s {header} {base}/segments\n")
    click.echo(f"curl -s {header} '{base}/items/{row.item_id}/profiles?k=5'\n")
    click.echo(f"curl -s {header} -H 'Content-Type: application/json' -d '{body}' {base}/drafts\n")


def _become_server(settings: "Settings") -> None:
    """Replace this process by `pitchwright serve` with these settings.

    A server forked from a process that has run models inherits their locked thread pools and hangs, so it
    starts afresh; and Ctrl-C reaches it alone.
    """
    environ = dict(os.environ)
    for name, value in {
        "DATA_DIR": settings.data_dir,
        "DATABASE_URL": settings.store_url,
        "WORKSPACE": settings.workspace,
        "HOST": settings.host,
        "PORT": str(settings.port),
    }.items():
        environ[f"PITCHWRIGHT_{name}"] = value
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "service.cli", "serve"], environ)  # noqa: S606 -- our own
