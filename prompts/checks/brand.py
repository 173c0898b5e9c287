"""The brand's glossary and disclaimers; its words are in `words`, its claims in `claims`."""

import functools
import re
from collections.abc import Iterator

from prompts.brand import Term, disclaimers
from prompts.checks.links import addresses
from prompts.checks.reading import Hit, Reading, Rule, says
from prompts.slots import clean


@functools.lru_cache(maxsize=1024)
def _patterns(term: Term) -> tuple[re.Pattern[str], tuple[re.Pattern[str], ...]]:
    """How a text says the term rightly, and each of the ways in which it must not."""
    use = clean(term.use)
    wrong: list[re.Pattern[str]] = []
    for word in map(clean, term.never):
        by_letter = word.casefold() == use.casefold()
        wrong.append(_word(word, 0 if by_letter else re.IGNORECASE))
    return _word(use, re.IGNORECASE), tuple(wrong)


def _word(text: str, flags: int) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, text.split()))
    return re.compile(rf"(?<!\w){words}(?:['’]s|e?s)?(?!\w)", flags)


def _glossary(reading: Reading) -> Iterator[Hit]:
    for term in reading.brief.brand.glossary:
        right, wrong = _patterns(term)
        for line in reading.lines:
            said = [*addresses(line), *(match.span() for match in right.finditer(line.plain))]
            for pattern in wrong:
                for match in pattern.finditer(line.plain):
                    start, end = match.span()
                    # "jacket" is no fault within the "rain jacket" that is to be said instead of it.
                    if any(a <= start and end <= b and (a, b) != (start, end) for a, b in said):
                        continue
                    given = line.own[start:end] != match.group()
                    note = "; it is part of a fact of the brief" if given else ""
                    yield Hit(
                        line=line,
                        span=(start, end),
                        reason=f"says {match.group()!r}, where the brand says {term.use!r}{note}",
                        severity="warning" if given else "error",
                    )


def _disclaimers(reading: Reading) -> Iterator[Hit]:
    for text in disclaimers(reading.brief.brand, reading.channel.name):
        if not says(reading.whole, clean(text)):
            yield Hit(
                reason=f"the copy never says {clean(text)!r}, which the brand must say in every "
                f"{reading.channel.title}, word for word"
            )


RULES = (
    Rule(
        id="brand.glossary",
        severity="error",
        wants="The brand's own terms, not the words they stand for; a warning within a fact of the brief.",
        check=_glossary,
    ),
    Rule(
        id="brand.disclaimer",
        severity="error",
        wants="Every disclaimer the brand requires on this channel, word for word.",
        check=_disclaimers,
    ),
)
