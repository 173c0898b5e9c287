"""`pitchwright segment`: define audiences and look at them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from service.console import Usage, json_option, note, print_json, print_table, print_text, run

if TYPE_CHECKING:
    from indexing.describe import Description
    from service.runtime import Runtime
    from service.segments.model import MembersPage, Preview, Segment


@click.group()
def segment() -> None:
    """Create, preview and list audiences.

    Example: pitchwright segment create gardeners --like gardening
    """


def definition_options(command: Any) -> Any:
    """Give a command the two ways to say a definition: `--like` and `--definition`."""
    command = click.option(
        "--definition",
        "definition_file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File with a definition tree in JSON.",
    )(command)
    return click.option("--like", metavar="TEXT", help="Profiles whose interests are like this text.")(
        command
    )


def read_definition(like: str | None, definition_file: Path | None) -> dict[str, Any] | None:
    """Read the definition a command was given; none when neither way was used.

    Raises `Usage` for both at once, an unreadable file or one that is no JSON object.
    """
    if like is not None and definition_file is not None:
        raise Usage("give --like or --definition, not both")
    if like is not None:
        return {"like": like}
    if definition_file is None:
        return None
    try:
        tree: object = json.loads(definition_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"--definition {definition_file} cannot be read: {error}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise Usage(f"--definition {definition_file} is not JSON: {error}") from error
    if not isinstance(tree, dict):
        kind = type(tree).__name__
        raise Usage(f"--definition {definition_file} holds a {kind}: it must be a JSON object")
    return cast("dict[str, Any]", tree)


@segment.command()
@click.argument("name")
@definition_options
@json_option
def create(name: str, like: str | None, definition_file: Path | None, as_json: bool) -> None:
    """Store an audience called NAME.

    Example: pitchwright segment create gardeners --like gardening
    """
    definition = read_definition(like, definition_file)
    if definition is None:
        raise Usage("say who belongs to it: --like TEXT or --definition FILE")

    async def work(runtime: "Runtime") -> "Segment":
        from service.segments.actions import create_segment
        from service.workspaces.actions import ensure_workspace

        await ensure_workspace(runtime, runtime.settings.workspace)
        return await create_segment(runtime, runtime.settings.workspace, name, definition)

    created = run(work)
    if as_json:
        print_json(created)
    else:
        click.echo(f"Created {created.name!r}, version {created.version} ({created.id}).")


@segment.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the stored audiences.

    Example: pitchwright segment list
    """

    async def work(runtime: "Runtime") -> "tuple[Segment, ...]":
        from service.segments.actions import list_segments

        return await list_segments(runtime, runtime.settings.workspace, limit=1000)

    found = run(work)
    if as_json:
        print_json(found)
    else:
        rows = [
            (s.name, str(s.version), f"{s.updated_at:%Y-%m-%d %H:%M}", _short(s.definition)) for s in found
        ]
        print_table(("name", "version", "changed", "definition"), rows)


def _short(definition: dict[str, Any]) -> str:
    text = json.dumps(definition, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


@segment.command()
@click.argument("name", required=False)
@definition_options
@json_option
def preview(name: str | None, like: str | None, definition_file: Path | None, as_json: bool) -> None:
    """Say who the stored audience NAME, or a definition without a name, selects and what sets them apart.

    Example: pitchwright segment preview --like "growing vegetables"
    """
    definition = read_definition(like, definition_file)
    if (name is None) == (definition is None):
        raise Usage("give either the NAME of a segment or one of --like and --definition")

    async def work(runtime: "Runtime") -> "Preview":
        from service.segments import actions

        workspace = runtime.settings.workspace
        if definition is not None:
            return await actions.preview(runtime, workspace, definition)
        return await actions.preview_segment(runtime, workspace, name or "")

    found = run(work)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.size:,} of {found.population:,} profiles ({found.share:.1%})")
    show_description(found.description)
    rows = [
        (member.profile_id, "" if member.score is None else f"{member.score:.3f}", "; ".join(member.why))
        for member in found.sample
    ]
    print_table(("member", "similarity", "why"), rows)
    for warning in found.warnings:
        note(f"Note: {warning}.")
    note(f"As of {found.as_of:%Y-%m-%d %H:%M} UTC, snapshot {found.snapshot}.")


LIFT_HEADER = ("what sets them apart", "", "members", "others", "lift")


def show_description(description: "Description") -> None:
    """Print what sets an audience apart: two sentences, then the strongest lifts as a table."""
    print_text(" ".join(description.sentences))
    rows = lift_rows(description)
    if rows:
        print_table(LIFT_HEADER, rows)


def lift_rows(description: "Description", most: int = 3) -> list[tuple[str, ...]]:
    """Lay out the strongest categories, traits and items, at most so many of each, under `LIFT_HEADER`."""
    listed = (
        ("category", description.categories),
        ("trait", description.traits),
        ("item", description.items),
    )
    return [
        (
            kind,
            trait.name if trait.value is None else f"{trait.name} = {trait.value}",
            f"{trait.share:.0%}",
            f"{trait.share_of_others:.0%}",
            f"{trait.lift:.1f}x",
        )
        for kind, traits in listed
        for trait in traits[:most]
    ]


@segment.command()
@click.argument("name")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Members a page."
)
@click.option("--all", "everyone", is_flag=True, help="Every page, one after the other.")
@json_option
def members(name: str, limit: int, everyone: bool, as_json: bool) -> None:
    """List the members of the audience NAME, by profile id.

    Example: pitchwright segment members gardeners --limit 20
    """

    async def work(runtime: "Runtime") -> "MembersPage":
        import msgspec

        from service.segments.actions import list_members

        workspace = runtime.settings.workspace
        page = await list_members(runtime, workspace, name, limit=limit)
        while everyone and page.next is not None:
            more = await list_members(runtime, workspace, name, cursor=page.next, limit=limit)
            page = msgspec.structs.replace(page, members=page.members + more.members, next=more.next)
        return page

    page = run(work)
    if as_json:
        print_json(page)
        return
    for member in page.members:
        click.echo(member.profile_id if member.score is None else f"{member.profile_id}\t{member.score:.3f}")
    note(f"{len(page.members):,} of {page.count:,} members; as of {page.as_of:%Y-%m-%d %H:%M} UTC.")
