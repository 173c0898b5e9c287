"""What the brief gave and the copy must, or should, say."""

import re
from collections.abc import Iterator

from prompts.checks.reading import Hit, Reading, Rule, says
from prompts.merge_tags import FIRST_NAME
from prompts.slots import clean, product_name

_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)


def _product(reading: Reading) -> Iterator[Hit]:
    name = product_name(reading.brief.product)
    if not says(reading.whole, name):
        yield Hit(reason=f"the copy never names the product {name!r}: say its name in full")


def _offer(reading: Reading) -> Iterator[Hit]:
    offer = reading.brief.offer
    if offer is not None and not says(reading.whole, clean(offer.text)):
        yield Hit(reason=f"the copy never states the offer {clean(offer.text)!r}: say it word for word")


def _code(reading: Reading) -> Iterator[Hit]:
    code = clean(reading.brief.offer.code or "") if reading.brief.offer else ""
    if code and not any(re.search(rf"(?<!\w){re.escape(code)}(?!\w)", line.shown) for line in reading.lines):
        yield Hit(reason=f"the copy never gives the code {code!r}: write it exactly so")


def _ends(reading: Reading) -> Iterator[Hit]:
    ends = clean(reading.brief.offer.ends or "") if reading.brief.offer else ""
    if ends and not says(reading.whole, ends):
        yield Hit(reason=f"the copy never says when the offer ends: {ends!r}")


def _benefits(reading: Reading) -> Iterator[Hit]:
    wanted = [clean(benefit) for benefit in reading.brief.product.benefits if clean(benefit)]
    if wanted and not any(says(reading.whole, _ARTICLE.sub("", benefit)) for benefit in wanted):
        yield Hit(reason=f"the copy uses none of the benefits: {', '.join(map(repr, wanted[:5]))}")


def _link(reading: Reading) -> Iterator[Hit]:
    link = clean(reading.brief.product.link or "")
    shown = re.compile(rf"(?<![\w/.]){re.escape(link)}(?=[.,;:!?'\")\]”’]*(?:\s|$))")
    if link and reading.channel.shows_link and not any(shown.search(line.text) for line in reading.lines):
        yield Hit(
            reason=f"the copy never shows the link {link!r}: this channel has no button to put it behind"
        )


def _greeting(reading: Reading) -> Iterator[Hit]:
    asked = reading.brief.personalise and reading.channel.personal
    if asked and not any(line.tags for line in reading.lines):
        yield Hit(reason=f"the copy greets nobody: {FIRST_NAME} was asked for")


def _unasked(reading: Reading) -> Iterator[Hit]:
    if reading.brief.personalise and reading.channel.personal:
        return
    for line in reading.lines:
        for tag in line.tags:
            why = (
                "the brief asks for none"
                if reading.channel.personal
                else f"a {reading.channel.title} has no one reader"
            )
            yield Hit(
                line=line,
                span=tag.span,
                reason=f"uses the merge tag {line.text[slice(*tag.span)]!r}, but {why}",
                severity="warning" if reading.channel.personal else "error",
            )


RULES = (
    Rule(
        id="facts.product", severity="error", wants="The product's name stands in the copy.", check=_product
    ),
    Rule(
        id="facts.offer", severity="error", wants="The offer stands in the copy, word for word.", check=_offer
    ),
    Rule(
        id="facts.code", severity="error", wants="The offer's code stands in the copy exactly.", check=_code
    ),
    Rule(id="facts.ends", severity="warning", wants="The copy says when the offer ends.", check=_ends),
    Rule(
        id="facts.benefits",
        severity="warning",
        wants="At least one requested benefit is used.",
        check=_benefits,
    ),
    Rule(
        id="facts.link",
        severity="warning",
        wants="Where a channel has no button, the link stands in the text.",
        check=_link,
    ),
    Rule(
        id="tags.greeting",
        severity="warning",
        wants="Copy asked to be personal greets by merge tag.",
        check=_greeting,
    ),
    Rule(
        id="tags.unasked",
        severity="error",
        wants="No merge tag where a channel has no one reader; a warning where the brief asked for none.",
        check=_unasked,
    ),
)
