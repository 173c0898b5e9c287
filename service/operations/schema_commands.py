"""`pitchwright db`: the store's schema, up to this version's and back to an older one's."""

import asyncio

import click

from service.console import global_options, json_option, note, print_json, print_table, settings_for


@click.group()
def db() -> None:
    """Bring the store's schema up to date, or back to an older version's.

    Example: pitchwright db downgrade --to 0011
    """


@db.command()
@json_option
def upgrade(as_json: bool) -> None:
    """Run the steps of the schema that are missing, as every start does.

    In PostgreSQL beside services at work: a step waits two seconds for a table at most, and is tried again.

    Example: pitchwright db upgrade
    """
    from service.operations.schema import upgrade_schema

    before, after = asyncio.run(upgrade_schema(settings_for(global_options())))
    if as_json:
        print_json({"before": before, "after": after})
    else:
        click.echo(f"schema {after}" + ("" if before == after else f", it was {before or 'none'}"))


@db.command()
@click.option("--to", required=True, metavar="SCHEMA", help="The older version's newest schema, as 0011.")
@click.option("--yes", is_flag=True, help="Do it; without, only what would be lost is said.")
@json_option
def downgrade(to: str, yes: bool, as_json: bool) -> None:
    """Take the store's schema back, for a version that was installed before.

    Says which tables and columns go, with the rows that hold something there, and with --yes does it, in one
    transaction, while nobody else uses the store. This version's next command brings the schema up again:
    start the older one instead.

    Example: pitchwright db downgrade --to 0011
    """
    from service.operations.schema import downgrade_schema

    found = asyncio.run(downgrade_schema(settings_for(global_options()), to, done=yes))
    if as_json:
        print_json(found)
        return
    print_table(("step", "undone"), [(each.schema, each.says) for each in found.steps])
    rows = [(each.table, each.column or "all of it", f"{each.rows:,}") for each in found.lost]
    print_table(("table", "column", "rows that lose something"), rows)
    if found.done:
        note(f"The schema is {to} now. Start the version that has it: this one would bring it up again.")
    else:
        note("Nothing was changed. Make a backup, stop every service, and say --yes.")
