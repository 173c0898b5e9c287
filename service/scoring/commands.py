"""`pitchwright score`: what the rules and scorers say of texts that a person brings."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prompts.brief import Offer, Product
from prompts.channels import CHANNELS
from service.console import NotMet, Progress, Usage, json_option, note, print_grid, print_json, run
from service.drafts.copy_options import fields_of, text_or_fields, texts_of_file

if TYPE_CHECKING:
    from prompts.variant import Fields
    from service.runtime import Runtime
    from service.scoring.model import ScoreAnswer, ScoredText


@click.command()
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option("--channel", type=click.Choice(list(CHANNELS)), help="Where it will be read [plain text].")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=TEXT", help="A field of one text, e.g. subject=..."
)
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="More texts: .yaml or .json holds a list of texts or fields; any other file, or -, is one text.",
)
@click.option("--item", "item_id", help="Id of the item they are about.")
@click.option("--product", metavar="TITLE", help="What they are about, where it is in no catalogue.")
@click.option("--segment", help="Name of the audience they are for.")
@click.option("--profile", "profile_id", help="Id of the one profile they are for.")
@click.option("--audience", metavar="TEXT", help="The audience in a few words.")
@click.option("--offer", metavar="TEXT", help='What is promised, e.g. "20% off".')
@click.option("--code", help="The offer's code.")
@click.option("--ends", help='When the offer ends, e.g. "Sunday".')
@click.option("--language", default="en", show_default=True, help="BCP 47 tag.")
@click.option("--must-say", multiple=True, metavar="TEXT", help="What they say word for word.")
@click.option("--must-not-say", multiple=True, metavar="TEXT", help="What they never say, in any inflection.")
@click.option("--keyword", "keywords", multiple=True, metavar="TEXT", help="A word they should work in.")
@click.option("--personalise", is_flag=True, help="They are to greet by first name.")
@click.option(
    "--control", multiple=True, metavar="TEXT", help="The text in use today, or NAME=TEXT for each field."
)
@click.option(
    "--judge",
    type=click.IntRange(0, 5),
    default=0,
    show_default=True,
    help="How often an instruct model is asked about each.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the judge.")
@click.option(
    "--similar",
    type=click.IntRange(0, 10),
    default=0,
    show_default=True,
    help="Tested headlines like each first line, with what became of them; needs PITCHWRIGHT_HEADLINE_TESTS.",
)
@json_option
def score(
    texts: tuple[str, ...],
    fields: tuple[str, ...],
    path: Path | None,
    product: str | None,
    code: str | None,
    ends: str | None,
    offer: str | None,
    control: tuple[str, ...],
    as_json: bool,
    **asked: Any,
) -> None:
    """Score texts you bring: what the rules find, how near they are to the audience, how they read, and why.

    Give plain TEXTs, one text by --field, or a --file of several; they come back the best first. Ends with
    exit code 1 when none of them passes the rules.

    Example: pitchwright score "Ready for the beds?" "Our best trowel yet" --audience gardeners
    """
    channel = asked["channel"]
    brought: list[str | Fields] = [*texts, *(texts_of_file(path) if path else ())]
    if fields:
        if channel is None:
            raise Usage("--field needs a --channel: fields are a channel's")
        brought.append(fields_of(channel, fields))
    if not brought:
        raise Usage("give a TEXT, --field NAME=TEXT or --file FILE")
    if offer is None and (code or ends):
        raise Usage("--code and --ends belong to an offer: give --offer TEXT too")
    given = {
        "texts": tuple(brought),
        "control": text_or_fields(channel, control),
        "product": Product(id="given", title=product) if product is not None else None,
        "offer": Offer(text=offer, code=code, ends=ends) if offer is not None else None,
    }

    async def work(runtime: "Runtime") -> "ScoreAnswer":
        from service.scoring.actions import score_texts
        from service.scoring.model import ScoreRequest
        from service.workspaces.actions import ensure_workspace

        await ensure_workspace(runtime, runtime.settings.workspace)  # texts can be scored before any import
        if asked["similar"]:
            with Progress() as progress:
                await runtime.headline_archive.open(runtime, progress)
        return await score_texts(runtime, runtime.settings.workspace, ScoreRequest(**given, **asked))

    answer = run(work)
    if as_json:
        print_json(answer)
    else:
        _show(answer)
    if not any(text.copy.status == "passed" for text in answer.texts):
        raise NotMet("no text passes the rules; the findings above say what to change")


def _show(answer: "ScoreAnswer") -> None:
    from service.drafts.printout import control_heading, heading, rows_of

    control = answer.control.copy if answer.control else None
    for place, text in enumerate(answer.texts, start=1):
        title = heading(place, text.copy)
        click.echo(f"{title} (text {text.number})" if len(answer.texts) > 1 else title)
        print_grid([*rows_of(text.copy, answer.brief.channel, control), *_similar(text)])
        click.echo("")
    if answer.control is not None and control is not None:
        click.echo(control_heading(control, [text.copy for text in answer.texts]))
        print_grid([*rows_of(control, answer.brief.channel), *_similar(answer.control)])
        click.echo("")
    for line in _notes([*answer.texts, *([answer.control] if answer.control else [])]):
        note(line)
    if answer.similar_missing:
        note(f"No similar headlines: {answer.similar_missing}.")


def _similar(text: "ScoredText") -> list[tuple[str, str, str]]:
    return [("tested", f"{one.similarity:.2f}", one.told()) for one in text.similar]


def _notes(texts: "list[ScoredText]") -> list[str]:
    """Say once each what was not looked at, and which scores there are not, and why."""
    from service.drafts.printout import word

    left_out = (
        f"Not looked at: {', '.join(map(_rules, gap.rules))}, since {gap.reason}."
        for text in texts
        for gap in text.left_out
    )
    missing = (
        f"No score for {word(entry.name)}: {entry.reason}."
        for text in texts
        for entry in text.copy.unscored
        if not entry.failed
    )
    return list(dict.fromkeys([*left_out, *missing]))


def _rules(begins: str) -> str:
    return f"{begins}*" if begins.endswith(".") else begins
