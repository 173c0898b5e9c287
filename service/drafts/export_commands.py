"""`pitchwright export`: what people decided, as files for other tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.console import json_option, note, print_json, run

if TYPE_CHECKING:
    from service.drafts.preferences import PreferenceCounts
    from service.runtime import Runtime


@click.group()
def export() -> None:
    """Export what people decided, for other tools.

    Example: pitchwright export preferences --out preferences.jsonl
    """


@export.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, JSON Lines; one that is there is replaced.",
)
@json_option
def preferences(out: Path, as_json: bool) -> None:
    """Write accepted copy against rejected or edited copy of the same brief, to tune a model by.

    A line is a pair in TRL's conversational preference format: prompt, chosen and rejected, each a list of
    messages; then where it came from.

    Example: pitchwright export preferences --out preferences.jsonl
    """

    async def work(runtime: "Runtime") -> "tuple[bytes, PreferenceCounts]":
        import msgspec

        from service.drafts.preferences import gather_preferences
        from service.prompts.actions import every_template

        workspace = runtime.settings.workspace
        templates = await every_template(runtime, workspace)
        pairs, counts = await gather_preferences(runtime, workspace, templates)
        return msgspec.json.Encoder().encode_lines(pairs), counts

    content, counts = run(work)
    _replace(out, content)
    if as_json:
        print_json({"out": out, **_named(counts)})
    else:
        click.echo(
            f"Pairs: {counts.pairs:,}, in {out} (accepted {counts.accepted:,}, rejected {counts.rejected:,}, "
            f"edited away {counts.edited_away:,}; drafts decided about {counts.drafts:,})."
        )
    if counts.prompt_gone:
        note(f"Left out, since the prompt that asked for them has changed: {counts.prompt_gone:,} variants.")
    if not counts.pairs:
        note(
            "Nothing to export: a pair needs a brief of which one variant was accepted, and another rejected "
            "or the same one edited before."
        )


def _named(counts: "PreferenceCounts") -> dict[str, Any]:
    return {name: getattr(counts, name) for name in counts.__struct_fields__}


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one piece, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
