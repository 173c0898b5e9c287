"""`pitchwright segment`: define audiences and look at them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from service.console import Usage, json_option, note, print_json, print_table, print_text, run
from service.contact.commands import reach
from service.segments.comparison_commands import changes, overlap
from service.segments.discovery_commands import discover

if TYPE_CHECKING:
    from indexing.describe import Description
    from indexing.lookalike import Curve
    from service.runtime import Runtime
    from service.segments.model import Impact, MemberCount, MembersPage, Preview, Segment
    from service.segments.parsing import ParsedDefinition


@click.group()
def segment() -> None:
    """Create, preview and list audiences.

    Example: pitchwright segment create gardeners --like gardening
    """


def definition_options(command: Any) -> Any:
    """Give a command the three ways to say a definition: `--like`, `--where` and `--definition`."""
    ways = (
        click.option("--like", metavar="TEXT", help="Profiles whose interests are like this text."),
        click.option(
            "--where", metavar="RULES", help="""Rules, such as 'country = "DE" and purchases(90d) >= 2'."""
        ),
        click.option(
            "--definition",
            "definition_file",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File with a definition tree in JSON.",
        ),
    )
    for way in reversed(ways):
        command = way(command)
    return command


def read_definition(
    like: str | None, where: str | None, definition_file: Path | None
) -> dict[str, Any] | None:
    """Read the definition a command was given; none when no way was used.

    Raises `Usage` for several at once, an unreadable file or one that is no JSON object, and
    `DefinitionTextError` for rules that cannot be read.
    """
    if sum(way is not None for way in (like, where, definition_file)) > 1:
        raise Usage("give one of --like, --where and --definition, not several")
    if like is not None:
        return {"like": like}
    if where is not None:
        from service.segments.model import written_tree

        return written_tree(None, where)
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
def create(
    name: str, like: str | None, where: str | None, definition_file: Path | None, as_json: bool
) -> None:
    """Store an audience called NAME.

    Example: pitchwright segment create gardeners --like gardening
    """
    definition = read_definition(like, where, definition_file)
    if definition is None:
        raise Usage("say who belongs to it: --like TEXT, --where RULES or --definition FILE")

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

        return (await list_segments(runtime, runtime.settings.workspace, limit=1000)).rows

    found = run(work)
    if as_json:
        print_json(found)
    else:
        rows = [(s.name, str(s.version), f"{s.updated_at:%Y-%m-%d %H:%M}", _short(s.text)) for s in found]
        print_table(("name", "version", "changed", "definition"), rows)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


@segment.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Print the rules of the audience NAME, and what uses it.

    Example: pitchwright segment show gardeners
    """

    async def work(runtime: "Runtime") -> "tuple[Segment, Impact]":
        from service.segments.actions import get_segment
        from service.segments.impact import impacted

        workspace = runtime.settings.workspace
        return await get_segment(runtime, workspace, name), await impacted(runtime, workspace, name)

    found, impact = run(work)
    if as_json:
        print_json({"segment": found, "impacted": impact})
        return
    click.echo(found.text)
    note(f"{found.name!r}, version {found.version} of {found.updated_at:%Y-%m-%d %H:%M} UTC.")
    if found.note:
        note(found.note)
    if found.error is not None:
        note(f"It could not be evaluated: {found.error}")
    users = ", ".join(repr(each.name) for each in impact.segments) or "no segment"
    note(f"Used by {users}, and by {impact.drafts:,} drafts.")


@segment.command()
@click.argument("name", required=False)
@definition_options
@json_option
def preview(
    name: str | None, like: str | None, where: str | None, definition_file: Path | None, as_json: bool
) -> None:
    """Say who the stored audience NAME, or a definition without a name, selects and what sets them apart.

    Example: pitchwright segment preview --like "growing vegetables"
    """
    definition = read_definition(like, where, definition_file)
    if (name is None) == (definition is None):
        raise Usage("give either the NAME of a segment or one of --like, --where and --definition")

    async def work(runtime: "Runtime") -> "Preview":
        from service.segments import previews

        workspace = runtime.settings.workspace
        if definition is not None:
            return await previews.preview(runtime, workspace, definition)
        return await previews.preview_segment(runtime, workspace, name or "")

    found = run(work)
    if as_json:
        print_json(found)
    else:
        show_preview(found)


def show_preview(found: "Preview") -> None:
    """Print whom a definition selects, what sets them apart, and some of them with the reasons."""
    click.echo(f"{found.size:,} of {found.population:,} profiles ({found.share:.1%})")
    show_description(found.description)
    rows = [
        (member.profile_id, "" if member.score is None else f"{member.score:.3f}", "; ".join(member.why))
        for member in found.sample
    ]
    print_table(("member", "similarity", "why"), rows)
    if found.curve is not None:
        show_curve(found.curve)
    for warning in found.warnings:
        note(f"Note: {warning}.")
    note(f"As of {found.as_of:%Y-%m-%d %H:%M} UTC, snapshot {found.snapshot}.")


def show_curve(curve: "Curve") -> None:
    """Print sizes against similarities, and how far it pays to widen the audience."""
    rows = [
        (
            f"{point.size:,}",
            f"{point.similarity:.3f}",
            "" if point.found is None else f"{point.found:.0%}",
            "" if point.lift is None else f"{point.lift:.1f}x",
            "<- suggested" if point == curve.suggested else "",
        )
        for place, point in enumerate(curve.points)
        if place % 3 == 0 or point in (curve.suggested, curve.points[-1])
    ]
    print_table(CURVE_HEADER, rows)
    if curve.hidden:
        kind = "like" if "like" in curve.rule else "similar_to"
        note(f"found: {FOUND[kind].format(hidden=curve.hidden)}; lift: how many times chance that is.")
    if not curve.hidden:
        note("Too little is known to say what a cut finds: give at least 20 seeds.")
    elif curve.suggested is None:
        note("No cut finds what was hidden twice as often as chance: similarity says little here.")


FOUND = {
    "like": "of the first `size` by one half of what each chose, those that the other half puts there too",
    "similar_to": "of the {hidden:,} seeds, each hidden in turn, those among the first `size`",
}
"""What the column `found` counts, by kind of rule."""
CURVE_HEADER = ("size", "similarity", "found", "lift", "")
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
@click.argument("text")
@json_option
def parse(text: str, as_json: bool) -> None:
    """Make rules of an audience described in words, and say who it would be. Stores nothing.

    Example: pitchwright segment parse "women in Germany who bought coffee twice this quarter"
    """

    async def work(runtime: "Runtime") -> "ParsedDefinition":
        from service.segments.parsing import parse_words

        return await parse_words(runtime, runtime.settings.workspace, text)

    found = run(work)
    if as_json:
        print_json(found)
        return
    click.echo(found.text)
    for part in found.not_understood:
        note(f"Not understood: {part!r}.")
    show_preview(found.preview)
    note("Nothing was stored: `pitchwright segment create NAME --where RULES` does.")


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

        from service.segments.members import list_members

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


@segment.command()
@click.argument("name")
@json_option
def count(name: str, as_json: bool) -> None:
    """Count the members of the audience NAME.

    Example: pitchwright segment count gardeners
    """

    async def work(runtime: "Runtime") -> "MemberCount":
        from service.segments.members import count_members

        return await count_members(runtime, runtime.settings.workspace, name)

    found = run(work)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.count:,} of {found.population:,} profiles")
    note(f"As of {found.as_of:%Y-%m-%d %H:%M} UTC, definition version {found.definition_version}.")


for command in (overlap, changes, discover, reach):
    segment.add_command(command)
