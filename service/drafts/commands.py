"""`pitchwright draft`: copy for an item and an audience."""

from typing import TYPE_CHECKING, Any, get_args

import click

from prompts.brief import Goal, Offer, Tone
from prompts.channels import CHANNELS
from service.console import NotMet, Usage, json_option, note, print_grid, print_json, print_text, run
from service.drafts.copy_options import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompts.variant import CheckResult, Provenance, Score
    from service.drafts.model import Draft
    from service.runtime import Runtime

SHOWN_SCORES = {"audience": "audience", "distinct_2": "variety", "readability": "ease"}


@click.command()
@click.option("--item", "item_id", required=True, help="Id of the item to write about.")
@click.option("--segment", help="Name of the audience to write for.")
@click.option("--profile", "profile_id", help="Id of the one profile to write for.")
@click.option("--audience", metavar="TEXT", help="The audience in a few words.")
@click.option("--channel", required=True, type=click.Choice(list(CHANNELS)), help="Where it will be read.")
@click.option(
    "--n", "count", type=click.IntRange(1, 20), default=3, show_default=True, help="Variants wanted."
)
@click.option("--offer", metavar="TEXT", help='What is promised, e.g. "20% off".')
@click.option("--code", help="The offer's code.")
@click.option("--ends", help='When the offer ends, e.g. "Sunday".')
@click.option(
    "--tone", type=click.Choice(get_args(Tone)), help="The voice [the brand's first, else friendly]."
)
@click.option("--goal", type=click.Choice(get_args(Goal)), default="shop", show_default=True, help="The aim.")
@click.option("--language", default="en", show_default=True, help="BCP 47 tag.")
@click.option("--must-say", multiple=True, metavar="TEXT", help="What the copy says word for word.")
@click.option("--must-not-say", multiple=True, metavar="TEXT", help="What it never says, in any inflection.")
@click.option("--keyword", "keywords", multiple=True, metavar="TEXT", help="A word to work in where it fits.")
@click.option("--personalise", is_flag=True, help="Greet by first name, as a merge tag.")
@click.option(
    "--examples",
    type=click.IntRange(0, 5),
    help="Accepted variants shown to an instruct model [PITCHWRIGHT_ACCEPTED_EXAMPLES].",
)
@click.option(
    "--control",
    multiple=True,
    metavar="NAME=TEXT",
    help="A field of the text in use today, to be scored beside the draft.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same draft.")
@json_option
def draft(
    as_json: bool,
    code: str | None,
    ends: str | None,
    offer: str | None,
    control: tuple[str, ...],
    **asked: Any,
) -> None:
    """Write variants for an item, an audience and a channel; best first, each with its checks.

    Ends with exit code 1 when no variant passed its checks.

    Example: pitchwright draft --item 22423 --segment gardeners --channel email --offer "20% off"
    """
    if offer is None and (code or ends):
        raise Usage("--code and --ends belong to an offer: give --offer TEXT too")
    promised = Offer(text=offer, code=code, ends=ends) if offer is not None else None
    given = [name for name in ("segment", "profile_id", "audience") if asked[name] is not None]
    if len(given) > 1:
        raise Usage("give at most one of --segment, --profile and --audience")
    used = fields_of(asked["channel"], control) if control else None

    async def work(runtime: "Runtime") -> "Draft":
        from service.drafts.actions import create_draft
        from service.drafts.model import DraftRequest

        request = DraftRequest(n=asked.pop("count"), offer=promised, control=used, **asked)
        return await create_draft(runtime, runtime.settings.workspace, request)

    written = run(work)
    if as_json:
        print_json(written)
    else:
        _show(written)
    if not any(variant.status == "passed" for variant in written.variants):
        raise NotMet("no variant passed its checks; see the failed rules above, or try another --seed")


def _show(written: "Draft") -> None:
    from service.drafts.printout import control_heading, heading, rows_of

    brief = written.brief
    click.echo(f"{brief.channel} about {brief.product.title} for {brief.audience.name}")
    if brief.audience.description not in ("", brief.audience.name):
        print_text(brief.audience.description)
    for number, variant in enumerate(written.variants, start=1):
        click.echo("")
        click.echo(heading(number, variant))
        print_grid(rows_of(variant, brief.channel, written.control))
    if written.control is not None:
        click.echo("")
        click.echo(control_heading(written.control, written.variants))
        print_grid(rows_of(written.control, brief.channel))
    provenance = written.variants[0].provenance if written.variants else None
    if provenance:
        click.echo("")
        note(
            f"Draft {written.id}; prompt {provenance.prompt}, model {provenance.model}"
            f"{_examples(provenance)}."
        )


def _examples(provenance: "Provenance") -> str:
    shown = provenance.examples
    return f"; examples shown: {', '.join(shown)}" if shown else ""


def copy_text(fields: "dict[str, str | list[str]]") -> str:
    """Lay a variant's fields out for a table cell: one line per field, lists joined."""
    lines = [
        f"{name}: {' '.join((value if isinstance(value, str) else ' | '.join(value)).split())}"
        for name, value in fields.items()
    ]
    return "\n".join(lines)


def verdict(status: str, checks: "Sequence[CheckResult]") -> str:
    """Say in words, not only by colour, whether a variant passed, and which rules it failed or strained."""
    lines = [status.upper()]
    lines += [f"fails {check.rule}" for check in checks if not check.passed]
    lines += [f"warns {check.rule}" for check in checks if check.passed and check.findings]
    if len(lines) == 1:
        lines.append(f"{len(checks)} rules")
    return "\n".join(lines)


def score_text(scores: "Sequence[Score]") -> str:
    """List the scores a reader can use, one a line."""
    return "\n".join(f"{SHOWN_SCORES[s.name]} {s.value:.2f}" for s in scores if s.name in SHOWN_SCORES)
