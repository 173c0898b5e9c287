"""Claims nobody can verify from the brief. A word the brief itself uses is the brand's to answer for."""

import re
from collections.abc import Callable, Iterator

from prompts.checks.quantities import Quantity, find, is_given
from prompts.checks.reading import Hit, Reading, Rule, normalise

_GUARANTEE = (
    r"guarantee[ds]?|guaranteed|risk[\s-]free|no\s+risk|100\s?%\s+(?:safe|effective|natural|satisfaction)|"
    r"satisfaction\s+assured|never\s+fails?|foolproof"
)
_FOOD = r"ham|meats?|salmon|trout|fish|sausages?|bacon|pork|beef|olives?|egg|hams"
_HEALTH = (
    rf"cur(?:es?|ed|ing)(?!\s+(?:{_FOOD})\b)|"
    r"heal(?:s|ed|ing)?|(?:clinically|scientifically|medically|dermatologically)\s+(?:proven|tested)|"
    r"doctor[\s-](?:recommended|approved)|(?:fights?|prevents?|treats?|relieves?)\s+(?:disease|illness|cancer|pain|"
    r"anxiety|depression|infections?|arthritis)|miracle|detox(?:es|ifies|ifying)?|anti[\s-]ag(?:e)?ing|"
    r"(?:lose|burns?)\s+(?:weight|fat)"
)
_SUPERLATIVE = (
    r"#1|no\.?\s?1|number\s+one|best[\s-]in[\s-]class|best\s+(?:on\s+the\s+market|in\s+the\s+(?:world|business|country))|"
    r"world'?s\s+(?:best|first|finest|leading|favou?rite|most\s+\w+)|(?:market|industry|world)[\s-]leading|"
    r"unbeatable|unrivall?ed|unmatched|second\s+to\s+none|cheapest|lowest\s+prices?|award[\s-]winning|"
    r"best[\s-]?sell(?:er|ers|ing)|revolutionary|game[\s-]chang(?:er|ing)|most\s+(?:advanced|powerful|trusted|popular)"
)
_PROOF = (
    r"(?:hundreds|thousands|millions)\s+of(?=\s+(?:\w+\s+)?(?:\w+(?:ers|ors|ists|ians)|people|parents|fans|families|"
    r"homes|reviews|friends|men|women|kids|guests)\b)|(?:loved|trusted|chosen|used)\s+by|customers?\s+(?:love|say|agree|swear)|"
    r"(?:experts?|professionals|scientists|studies|research)\s+(?:agree|recommend|prove|shows?|say)|proven\s+(?:to|results)|(?:clinically|scientifically|medically)\s+proven|"
    r"tried\s+and\s+tested|(?:top|highly|five[\s-]star|5[\s-]star)[\s-]rated|rave\s+reviews|everyone(?:'s|\s+is)\s+talking"
)
_SCARCITY = (
    r"last\s+chance|selling\s+(?:fast|out)|almost\s+(?:gone|sold\s+out)|nearly\s+gone|(?:while|whilst)\s+(?:stocks?|supplies)"
    r"\s+lasts?|limited[\s-](?:time|stock|edition|offer|supply)|only\s+(?:a\s+few|\w+)\s+left|few\s+left|stock\s+is\s+low|"
    r"low\s+(?:in\s+)?stock|(?<!the\s)(?:hours|minutes|days)\s+left|time\s+is\s+(?:almost\s+)?(?:up|running\s+out)|before\s+it'?s\s+gone|"
    r"ends\s+soon|won'?t\s+last|going\s+fast|final\s+(?:hours|days|call)|once\s+they'?re\s+gone"
)


def _claim(words: str, why: str) -> Callable[[Reading], Iterator[Hit]]:
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def check(reading: Reading) -> Iterator[Hit]:
        given = normalise(reading.given)
        for line in reading.lines:
            for match in pattern.finditer(line.own.replace("’", "'")):
                if normalise(match.group()) not in given:
                    quoted = line.text[slice(*match.span())]
                    yield Hit(line=line, span=match.span(), reason=f"claims {quoted!r}: {why}")

    return check


_GUARANTEED = re.compile(rf"(?<!\w)(?:{_GUARANTEE})(?!\w)", re.IGNORECASE)
_OF_WHAT_IS_KNOWN = re.compile(r"\b(?:the|its|that|this)\s+$", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?=\S)[^.!?\n]*)*")
_GUARANTEES = _claim(_GUARANTEE, "the brief guarantees nothing of the kind")


def _guarantee(reading: Reading) -> Iterator[Hit]:
    """Find guarantees the brief does not give; one with a term may be repeated with that term alone."""
    yield from _GUARANTEES(reading)
    terms = tuple(
        quantity
        for sentence in _SENTENCE.findall(reading.given)
        if _GUARANTEED.search(sentence)
        for quantity in _terms(sentence)
    )
    for line in reading.lines if terms else ():
        for sentence in _SENTENCE.finditer(line.own):
            named = any(is_given(quantity, terms) for quantity in _terms(sentence.group()))
            for match in () if named else _GUARANTEED.finditer(sentence.group()):
                known = normalise(match.group()) in normalise(reading.given)
                if known and not _OF_WHAT_IS_KNOWN.search(sentence.group()[: match.start()]):
                    start = sentence.start() + match.start()
                    yield Hit(
                        line=line,
                        span=(start, start + len(match.group())),
                        reason=f"claims {match.group()!r} without the term the brief gives: say for how long",
                    )


def _terms(sentence: str) -> Iterator[Quantity]:
    return (quantity for quantity in find(sentence) if quantity.unit in {"day", "week", "month", "year"})


RULES = (
    Rule(
        id="claims.guarantee",
        severity="error",
        wants="No guarantee that the brief does not give.",
        check=_guarantee,
    ),
    Rule(
        id="claims.health",
        severity="error",
        wants="No effect on health that the brief does not state.",
        check=_claim(_HEALTH, "the brief states no such effect"),
    ),
    Rule(
        id="claims.superlative",
        severity="warning",
        wants="No comparison with the rest of the market that the brief does not make.",
        check=_claim(_SUPERLATIVE, "nothing in the brief backs it"),
    ),
    Rule(
        id="claims.proof",
        severity="warning",
        wants="No customers, experts or studies that the brief does not name.",
        check=_claim(_PROOF, "the brief names no such witness"),
    ),
    Rule(
        id="claims.scarcity",
        severity="warning",
        wants="No pressure of time or stock that the brief does not give.",
        check=_claim(_SCARCITY, "the brief says nothing of stock or time running out"),
    ),
)
