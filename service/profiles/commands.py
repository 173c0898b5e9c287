"""`pitchwright recommend`: items for one profile, computed live from its newest events."""

from typing import TYPE_CHECKING

import click

from service.console import FiniteRange, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.profiles.recommendations import ItemList, Why
    from service.runtime import Runtime


@click.command()
@click.argument("profile")
@click.option(
    "--k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Items wanted."
)
@click.option("--category", "categories", multiple=True, help="Only these categories.")
@click.option("--max-price", type=FiniteRange(min=0), help="Nothing dearer.")
@click.option("--in-stock", is_flag=True, help="Only items in stock.")
@click.option("--exclude-bought", is_flag=True, help="Nothing the profile has bought.")
@click.option(
    "--diversity",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="How much score to give up for items unlike one another.",
)
@click.option("--explain", is_flag=True, help="Every addend of each score.")
@json_option
def recommend(
    profile: str,
    count: int,
    categories: tuple[str, ...],
    max_price: float | None,
    in_stock: bool,
    exclude_bought: bool,
    diversity: float,
    explain: bool,
    as_json: bool,
) -> None:
    """Recommend items to PROFILE (an id), with reasons.

    Example: pitchwright recommend p-0001 --k 5 --in-stock
    """

    async def work(runtime: "Runtime") -> "ItemList":
        from service.profiles import recommendations

        wishes = recommendations.Wishes(
            categories=categories,
            max_price=max_price,
            in_stock=in_stock,
            exclude_bought=exclude_bought,
            diversity=diversity,
            explain=explain,
        )
        return await recommendations.recommend(runtime, runtime.settings.workspace, profile, count, wishes)

    found = run(work)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            entry.item.id,
            entry.item.title,
            f"{entry.score:.3f}",
            "; ".join(_why(why, explain) for why in (entry.reasons if explain else entry.reasons[:2])),
        )
        for entry in found.results
    ]
    print_table(("item", "title", "score", "why"), rows)
    note(f"For profile {profile}, as of {found.as_of:%Y-%m-%d %H:%M} UTC, snapshot {found.snapshot}.")


def _why(why: "Why", explain: bool) -> str:
    return f"{why.weight:+.3f} {why.text}" if explain else why.text
