"""`pitchwright prompts`: look at prompts, check them, try them on a brief, compare two versions."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from service.console import NotMet, Usage, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from prompts.brief import Brief
    from prompts.catalog import Catalog, Template
    from service.runtime import Runtime

LIST_HEADER = ("prompt", "version", "channel", "dialect", "", "digest", "purpose")
CHECK_HEADER = ("where", "rule", "problem")


@click.group()
def prompts() -> None:
    """List, check, render and compare prompts.

    Example: pitchwright prompts list
    """


def where_options(command: Any) -> Any:
    """Give a command the two ways to say which prompts beside the shipped ones: `--dir` and `--own`."""
    command = click.option(
        "--own", is_flag=True, help="What the workspace writes with: its folder's and its own prompts too."
    )(command)
    return click.option(
        "--dir",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of templates that go before the shipped ones.",
    )(command)


@prompts.command("list")
@where_options
@click.option("--channel", help="Only prompts for this channel.")
@json_option
def list_(folder: Path | None, own: bool, channel: str | None, as_json: bool) -> None:
    """List prompts, every version, and say which one is in use.

    Example: pitchwright prompts list --channel email
    """
    catalog = _catalog(folder, own)
    if channel is not None:
        from prompts.channels import find_channel

        find_channel(channel)
    shown = [each for each in catalog.templates if channel in (None, each.front.channel)]
    if as_json:
        print_json([_listed(template, catalog) for template in shown])
        return
    rows = [
        (
            template.name,
            str(template.front.version),
            template.front.channel,
            template.front.dialect,
            "current" if _is_current(template, catalog) else "",
            template.digest[:16],
            template.front.purpose,
        )
        for template in shown
    ]
    print_table(LIST_HEADER, rows, wide=True)


@prompts.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@json_option
def check(folder: Path | None, as_json: bool) -> None:
    """Check the prompts in FOLDER, or those that are shipped: every problem with file and line.

    A folder holds <channel>/<name>.v<N>.md.j2 files, which may include the shipped partials and its own.
    Ends with exit code 1 when something is wrong.

    Example: pitchwright prompts check my-prompts
    """
    from prompts.catalog import PARTIALS, Catalog, read_folder, shipped_folder
    from prompts.inspection import inspect_folder

    checked = shipped_folder() if folder is None else folder
    files = [name for name in read_folder(checked) if not name.startswith(PARTIALS)]
    if not files:
        raise Usage(f"{str(folder)!r} holds no prompt: put <name>.v<N>.md.j2 into a folder of its channel")
    problems = inspect_folder(checked, Catalog.load().partials)
    if as_json:
        print_json({"prompts": len(files), "problems": problems})
    elif problems:
        rows = [(f"{each.file}:{each.line}", each.rule, each.reason) for each in problems]
        print_table(CHECK_HEADER, rows)
    else:
        click.echo(f"{len(files)} {_plural('prompt', len(files))}: nothing is wrong.")
    if problems:
        bad = len({each.file for each in problems})
        raise NotMet(f"{len(problems)} {_plural('problem', len(problems))} in {bad} {_plural('file', bad)}")


@prompts.command()
@click.argument("name")
@where_options
@click.option("--example", "example", metavar="NAME", help="Which of the prompt's examples [example].")
@click.option(
    "--brief",
    "brief_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML or JSON file with a brief to render instead.",
)
@click.option("--source", is_flag=True, help="The prompt's file as it is, to copy and change.")
@json_option
def render(
    name: str,
    folder: Path | None,
    own: bool,
    example: str | None,
    brief_file: Path | None,
    source: bool,
    as_json: bool,
) -> None:
    """Show the messages the prompt NAME sends, `email/full` or `email/full.v1`, for an example or a brief.

    Example: pitchwright prompts render email/full --brief brief.yaml
    """
    from prompts.brief_limits import validate
    from prompts.render import render as render_messages

    if sum((example is not None, brief_file is not None, source)) > 1:
        raise Usage("give --example, --brief or --source, not both")
    template = _catalog(folder, own).find(name)
    if source:
        click.echo(template.source, nl=False)
        return
    brief = _example(template, example) if brief_file is None else read_brief(brief_file, template)
    validate(brief)
    messages = render_messages(template, brief)
    if as_json:
        print_json({"prompt": template.name, "digest": template.digest[:16], "messages": messages})
        return
    for message in messages:
        click.secho(f"=== {message.role} ===", bold=True)
        click.echo(f"{message.content}\n")
    characters = sum(len(message.content) for message in messages)
    note(f"{template.name}, digest {template.digest[:16]}, {characters:,} characters.")


@prompts.command()
@click.argument("old")
@click.argument("new")
@where_options
@json_option
def diff(old: str, new: str, folder: Path | None, own: bool, as_json: bool) -> None:
    """Compare the prompts OLD and NEW: their files, then what each makes of NEW's example.

    Example: pitchwright prompts diff email/pocket.v1 email/pocket.v2
    """
    catalog = _catalog(folder, own)
    before, after = catalog.find(old), catalog.find(new)
    if before.front.channel != after.front.channel:
        raise Usage(f"{before.name} and {after.name} are for different channels: compare two of one channel")
    example = after.front.example
    source = list(_difference(before.name, after.name, before.source, after.source))
    rendered = list(_difference(before.name, after.name, _text(before, example), _text(after, example)))
    if as_json:
        print_json({"old": before.name, "new": after.name, "source": source, "rendered": rendered})
        return
    for title, lines in (("The files", source), ("The example of the new one, rendered", rendered)):
        click.secho(f"{title}: {'the same' if not lines else ''}".rstrip(), bold=True)
        for line in lines:
            click.secho(line, fg=_COLOURS.get(line[:1]))
        click.echo()


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def read_brief(path: Path, template: "Template") -> "Brief":
    """Read a brief for a template from YAML or JSON; one that names no channel is for the template's.

    Raises `Usage` for a file that cannot be read, is no brief, or is for another channel.
    """
    import yaml

    from prompts.advice import misfit
    from prompts.brief import Brief

    try:
        loaded: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"--brief {path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Usage(f"--brief {path} is neither YAML nor JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise Usage(f"--brief {path} holds a {type(loaded).__name__}: it must be an object")
    channel = template.front.channel
    try:
        brief = msgspec.convert({"channel": channel, **loaded}, Brief)
    except msgspec.ValidationError as error:
        refused, reason = misfit(error, Brief)
        raise Usage(f"--brief {path} is no brief: `{refused.removeprefix('$.')}`: {reason}") from error
    if brief.channel != channel:
        raise Usage(f"--brief {path} is for channel {brief.channel!r}, and {template.name} for {channel!r}")
    return brief


def _catalog(folder: Path | None, own: bool) -> "Catalog":
    from prompts.catalog import Catalog

    if own and folder is not None:
        raise Usage("give --dir or --own, not both")
    if own:
        return run(_own)
    return Catalog.load() if folder is None else Catalog.load().with_folder(folder)


async def _own(runtime: "Runtime") -> "Catalog":
    from service.prompts.actions import catalog_of

    return await catalog_of(runtime, runtime.settings.workspace)


def _is_current(template: "Template", catalog: "Catalog") -> bool:
    return template is catalog.get(template.front.channel, template.front.dialect)


def _listed(template: "Template", catalog: "Catalog") -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.front.version,
        "channel": template.front.channel,
        "dialect": template.front.dialect,
        "current": _is_current(template, catalog),
        "digest": template.digest[:16],
        "purpose": template.front.purpose,
    }


def _example(template: "Template", name: str | None) -> "Brief":
    examples = template.front.named_examples
    wanted = name or "example"
    if wanted not in examples:
        raise Usage(f"{template.name} has no example {wanted!r}: there are {', '.join(examples)}")
    return examples[wanted]


def _text(template: "Template", brief: "Brief") -> str:
    from prompts.render import render as render_messages

    messages = render_messages(template, brief)
    return "\n\n".join(f"=== {message.role} ===\n{message.content}" for message in messages)


def _difference(old: str, new: str, before: str, after: str) -> Iterator[str]:
    return difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="", n=2)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
