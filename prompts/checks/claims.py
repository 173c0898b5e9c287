"""Claims nobody can verify from the brief. A word the brief itself uses is the brand's to answer for.

How a claim is taken is the brand's policy (`prompts.brand.ClaimsPolicy`), whose defaults are the rules'
severities.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from prompts.brand import Policy
from prompts.checks.invented import SPECIFIC
from prompts.checks.quantities import Quantity, find, is_given
from prompts.checks.reading import Hit, Reading, Rule, normalise
from prompts.variant import Severity

_GUARANTEE = (
    r"guarantee[ds]?|guaranteed|risk[\s-]free|no\s+risk|100\s?%\s+(?:safe|effective|natural|satisfaction)|"
    r"satisfaction\s+assured|never\s+(?:fails?|breaks?|wears?\s+out|lets?\s+you\s+down|fades?|rusts?)|foolproof|"
    r"we\s+promise\s+(?:you|that|it|to)|(?:you\s+have|give\s+you)\s+our\s+word|nothing\s+to\s+lose|"
    r"(?:full|no[\s-]quibble)\s+refunds?|refund(?:s|ed)?(?:\s+you)?\s+in\s+full|(?:or|get)\s+your\s+money\s+back|"
    r"warrant(?:y|ies)|that(?:'s|\s+is)\s+a\s+promise|lasts?\s+(?:for\s*ever|a\s+lifetime)|(?:can'?t|cannot)\s+go\s+wrong"
)
_FOOD = r"ham|meats?|salmon|trout|fish|sausages?|bacon|pork|beef|olives?|egg|hams"
_HEALTH = (
    rf"cur(?:es?|ed|ing)(?!\s+(?:{_FOOD})\b)|"
    r"heal(?:s|ed|ing)?|(?:clinically|scientifically|medically|dermatologically)\s+(?:proven|tested)|"
    r"doctor[\s-](?:recommended|approved)|(?:fights?|prevents?|treats?|relieves?)\s+(?:disease|illness|cancer|pain|"
    r"anxiety|depression|infections?|arthritis)|miracle|detox(?:es|ifies|ifying)?|anti[\s-]ag(?:e)?ing|"
    r"(?:lose|burns?)\s+(?:weight|fat)|weight\s+loss|slimming|immun(?:e|ity)|eczema|acne|psoriasis|rosacea|wrinkles?|"
    r"cholesterol|blood\s+(?:pressure|sugar)|metabolism|inflammation|anti[\s-](?:inflammatory|wrinkle|bacterial)|"
    r"(?:good|great)\s+for\s+(?:your|the)\s+(?:heart|gut|joints|liver|brain|skin\s+barrier|health)|"
    r"(?:fix(?:es)?|eases?|soothes?|reliev(?:e|es)|reduces?|banish(?:es)?|ends?|stops?|cures?|helps?\s+with)\s+(?:\w+\s+){0,2}"
    r"(?:pains?|aches?|back(?:ache)?|joints?|headaches?|migraines?|stress|anxiety|insomnia|fatigue|arthritis|allerg(?:y|ies))|"
    r"toxins?|medicinal|therapeutic|calms?\s+(?:your\s+|the\s+)?nerves|years?\s+younger|look\s+younger|better\s+sleep|"
    r"sleep\s+better|sore\s+(?:knees|feet|muscles|backs?|joints|throats?)|tired\s+(?:legs|eyes|muscles)"
)
_PLACES = (
    "world|europe|britain|england|scotland|wales|ireland|america|germany|france|italy|spain|london|"
    "the uk|nation|country|planet|earth|industry|market|town|city"
)
_SUPERLATIVE = (
    r"#1|no\.?\s?1|number\s+one|best[\s-]in[\s-]class|best\s+(?:on\s+the\s+market|in\s+the\s+(?:world|business|country))|"
    r"world'?s\s+(?:best|first|finest|leading|favou?rite|most\s+\w+)|(?:market|industry|world)[\s-]leading|"
    r"unbeatable|unrivall?ed|unmatched|second\s+to\s+none|cheapest|lowest\s+prices?|award[\s-]winning|"
    r"best[\s-]?sell(?:er|ers|ing)|revolutionary|game[\s-]chang(?:er|ing)|most\s+(?:advanced|powerful|trusted|popular)|"
    r"no\s+better\s+\w+|(?:nothing|nobody|no\s+other\s+\w+)\s+(?:else\s+)?(?:comes\s+close|compares|beats\s+it)|"
    rf"(?:{_PLACES})'s\s+(?:best|favou?rite|leading|\w+est|most\s+\w+|number\s+one|no\.?\s?1)|outperforms?|"
    r"than\s+(?:any\s+other|every\s+other|all\s+the\s+others?|the\s+(?:competition|rest))|like\s+no\s+other|unsurpassed|"
    r"unequalled|top[\s-]selling|best\s+\w+\s+(?:ever\s+made|money\s+can\s+buy|in\s+(?:town|britain|europe|the\s+land))|"
    r"the\s+ultimate|best\s+\w+\s+you\s+can\s+(?:buy|get)|\w+est\s+(?:\w+\s+)?ever(?:\s+made)?|"
    r"nothing\s+(?:else\s+)?(?:\w+\s+){1,4}comes\s+close|the\s+(?:toughest|fastest|strongest|safest|greatest|smartest)"
)
_PROOF = (
    r"(?:hundreds|thousands|millions)\s+of(?=\s+(?:\w+\s+)?(?:\w+(?:ers|ors|ists|ians)|people|parents|fans|families|"
    r"homes|reviews|friends|men|women|kids|guests)\b)|(?:loved|trusted|chosen|used)\s+by|customers?\s+(?:love|say|agree|swear)|"
    r"(?:experts?|professionals|scientists|studies|research)\s+(?:agree|recommend|prove|shows?|say)|proven\s+(?:to|results)|(?:clinically|scientifically|medically)\s+proven|"
    r"tried\s+and\s+tested|(?:top|highly|five[\s-]star|5[\s-]star)[\s-]rated|rave\s+reviews|everyone(?:'s|\s+is)\s+talking|"
    r"(?:nine|eight|seven|four|three|two|one|\d)\s+(?:out\s+of|in)\s+(?:ten|five|four|three|10|5|4|3)\b(?!\s+(?:minute|hour|"
    r"day|week|month|year|second|step|size|colour))|as\s+(?:seen|featured)\s+(?:on|in)|"
    r"our\s+(?:members|customers|readers|users|fans|regulars)\s+(?:love|say|tell|can'?t|cannot|keep|adore|rave|rate|agree)|"
    r"swears?\s+by|(?:recommended|endorsed|approved|rated|voted)\s+by|five[\s-]star\s+reviews?|"
    r"every(?:one|body)(?:'s|\s+is)\s+raving|(?:hundreds|thousands|millions)\s+who|celebrit(?:y|ies)"
)
_FINANCE = (
    r"interest[\s-]free|(?:no|zero)\s+interest|buy\s+now,?\s+pay\s+later|no\s+credit\s+checks?|"
    r"(?:instant|guaranteed)\s+(?:approval|credit)|(?:guaranteed|assured|high|higher|steady)\s+returns?\s+(?:on|for|of)|"
    r"(?:double|triple|multiply|grow)\s+your\s+(?:money|savings|income|wealth)|get\s+rich|financial\s+freedom|"
    r"(?:passive|extra|second)\s+income|(?:make|earn)\s+(?:easy\s+|extra\s+)?money|tax[\s-]free|"
    r"beats?\s+(?:inflation|the\s+market)|(?:smart|sound|safe|good)\s+investment|pays?\s+for\s+(?:itself|themselves)|"
    r"pay\s+(?:in|by)\s+(?:\w+\s+)?instal?ments|no\s+deposit|debt[\s-]free|holds?\s+its\s+value|"
    r"(?:savings?|money|pounds?|balance)\s+(?:\w+\s+)?(?:doubles?|triples?|multipl(?:y|ies))|retire\s+(?:early|rich)|"
    r"spread\s+the\s+(?:cost|payments?)|apr|nothing\s+to\s+pay|pay\s+nothing|(?:can'?t|cannot)\s+lose|finance\s+available|"
    r"(?:monthly|easy)\s+(?:instal?ments|payments)|no\s+up[\s-]?front\s+(?:costs?|payments?)|easy\s+money|"
    r"your\s+(?:money|savings)\s+works?|build\s+(?:your\s+)?wealth|finance\s+from|subject\s+to\s+status"
)
_SCARCITY = (
    r"last\s+chance|selling\s+(?:fast|out)|almost\s+(?:gone|sold\s+out)|nearly\s+gone|(?:while|whilst)\s+(?:stocks?|supplies)"
    r"\s+lasts?|limited[\s-](?:time|stock|edition|offer|supply)|only\s+(?:a\s+few|\w+)\s+left|few\s+left|stock\s+is\s+low|"
    r"low\s+(?:in\s+)?stock|(?<!the\s)(?:hours|minutes|days)\s+left|time\s+is\s+(?:almost\s+)?(?:up|running\s+out)|before\s+it'?s\s+gone|"
    r"ends\s+soon|won'?t\s+last|going\s+fast|final\s+(?:hours|days|call)|"
    r"once\s+(?:they'?re|it'?s|(?:\w+\s+){1,3}(?:is|are))\s+gone|(?<!no\s)(?<!a\s)(?<!to\s)(?<!any\s)(?<!the\s)hurry(?=[,!:;]|\s+(?:up|while|before|and|now))|"
    r"(?:don'?t|do\s+not)\s+miss\s+(?:out|it|this|your\s+chance)|now\s+or\s+never|"
    r"nearly\s+sold\s+out|selling\s+out|quantities\s+(?:are\s+)?limited|limited\s+(?:quantit(?:y|ies)|numbers|availability|"
    r"places|spaces)|(?:stocks?|supplies)\s+(?:is|are)\s+(?:running\s+)?(?:low|out|limited)|running\s+low|"
    r"last\s+few\s+(?:pairs|pieces|places|left)|when\s+(?:they'?re|they\s+are|it'?s|it\s+is)\s+gone|"
    r"before\s+it(?:'?s|\s+is)\s+too\s+late|before\s+(?:they|it)\s+(?:sells?|goes|go|is|are)\s+(?:out|gone)"
)


_TAKEN: Mapping[Policy, Severity | None] = {"allow": None, "warn": "warning", "forbid": "error"}
_FREE = re.compile(r"(?<![\w-])(?P<free>free)(?![\w-])(?:\s+(?P<after>\w+))?", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"([\w'’]+)\s+$")
_FREE_BEFORE = re.compile(
    r"|is|are|was|were|be|being|it|it's|that's|this|that|one|ones|two|both|all|them|they're|these|those|"
    r"yours|yourself's|for|and|or|but|a|an|the|any|every|your|our|my|their|its|with|plus|also|now|today|"
    r"always|ever|even|still|just|so|completely|absolutely|totally|entirely|comes|come|arrives|includes|"
    r"include|gives|give|get|gets|got|have|has|take|takes|try|tries|win|wins|enjoy|claim|collect|receive|"
    r"offer|offers|send|sends|add|adds|join|open|start|book|order|delivery|shipping|postage|returns|entry|"
    r"admission|parking|engraving|refills|sizing|alterations|assembly|advice|first|second|third|month|week|"
    r"year|box|gift"
)
"""What stands before "free" where it speaks of a price; after others it is `jargon free`, `break free`."""
_GIVEN_AWAY = re.compile(
    r"\b(?:get|gets|have|take|receive|add|adds|send|sends)\s+(?:you\s+)?(?:the|an?|your|one|two)\s+\w+\s+$",
    re.IGNORECASE,
)
_FREE_AFTER = re.compile(
    r"to|of|from|up|as|range|ranging|time|hand|hands|hour|evening|evenings|afternoon|afternoons|morning|"
    r"mornings|day|days|weekend|weekends|spirit|spirits|spirited|rein|reign|fall|will|verse|style|standing|"
    r"kick|throw|this|tonight|tomorrow|flowing|movement|world|mind|moment|seat|seats|space|speech|agent"
)


def _severity(reading: Reading, topic: str) -> Severity | None:
    """Give what the brand's policy makes of a claim; none lets it pass."""
    policy: Policy = getattr(reading.brief.brand.claims, topic)
    return _TAKEN[policy]


def _claim(words: str, why: str, topic: str) -> Callable[[Reading], Iterator[Hit]]:
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def check(reading: Reading) -> Iterator[Hit]:
        given, severity = normalise(reading.given), _severity(reading, topic)
        for line in reading.lines if severity else ():
            for match in pattern.finditer(line.plain.replace("’", "'")):
                said = any(map(str.isalnum, line.own[slice(*match.span())]))  # and not a fact of the brief
                if said and normalise(match.group()) not in given:
                    quoted = line.text[slice(*match.span())]
                    yield Hit(
                        line=line, span=match.span(), reason=f"claims {quoted!r}: {why}", severity=severity
                    )

    return check


_GUARANTEED = re.compile(rf"(?<!\w)(?:{_GUARANTEE})(?!\w)", re.IGNORECASE)
_OF_WHAT_IS_KNOWN = re.compile(r"\b(?:the|its|that|this)\s+$", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?=\S)[^.!?\n]*)*")
_GUARANTEES = _claim(_GUARANTEE, "the brief guarantees nothing of the kind", "guarantees")


def _guarantee(reading: Reading) -> Iterator[Hit]:
    """Find guarantees the brief does not give; one with a term may be repeated with that term alone."""
    yield from _GUARANTEES(reading)
    terms = tuple(
        quantity
        for sentence in _SENTENCE.findall(reading.given)
        if _GUARANTEED.search(sentence)
        for quantity in _terms(sentence)
    )
    given, severity = normalise(reading.given), _severity(reading, "guarantees")
    for line in reading.lines if terms and severity else ():
        for sentence in _SENTENCE.finditer(line.own):
            named = any(is_given(quantity, terms) for quantity in _terms(sentence.group()))
            for match in () if named else _GUARANTEED.finditer(sentence.group()):
                known = normalise(match.group()) in given
                if known and not _OF_WHAT_IS_KNOWN.search(
                    sentence.group()[max(0, match.start() - 20) : match.start()]
                ):
                    start = sentence.start() + match.start()
                    yield Hit(
                        line=line,
                        span=(start, start + len(match.group())),
                        reason=f"claims {match.group()!r} without the term the brief gives: say for how long",
                        severity=severity,
                    )


def _terms(sentence: str) -> Iterator[Quantity]:
    return (quantity for quantity in find(sentence) if quantity.unit in {"day", "week", "month", "year"})


def _free_of_charge(text: str) -> Iterator[re.Match[str]]:
    """Find where a text says "free" of a price, and not of a hand, a spirit or a fragrance."""
    for match in _FREE.finditer(text):
        lead = text[max(0, match.start() - 60) : match.start()]  # all of it would make long texts quadratic
        word = _WORD_BEFORE.search(lead)
        before, after = (word[1] if word else "").casefold(), (match["after"] or "").casefold()
        given_away = _GIVEN_AWAY.search(lead)
        priced = _FREE_BEFORE.fullmatch(before) and not _FREE_AFTER.fullmatch(after)
        if priced or (given_away and not after):
            yield match


def _free(reading: Reading) -> Iterator[Hit]:
    severity = _severity(reading, "free")
    if severity is None or next(_free_of_charge(reading.given), None):
        return
    for line in reading.lines:
        promised = [match.span() for match in SPECIFIC.finditer(line.own)]  # `invented.offer` finds those
        for match in _free_of_charge(line.own):
            start, end = match.span("free")
            if not any(a <= start and end <= b for a, b in promised):
                yield Hit(
                    line=line,
                    span=(start, end),
                    reason=f"claims {match['free']!r}: the brief gives nothing free",
                    severity=severity,
                )


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
        check=_claim(_HEALTH, "the brief states no such effect", "health"),
    ),
    Rule(
        id="claims.finance",
        severity="error",
        wants="No promise about money, credit or returns that the brief does not make.",
        check=_claim(_FINANCE, "the brief promises nothing of the kind", "finance"),
    ),
    Rule(
        id="claims.free",
        severity="warning",
        wants='No "free" where the brief gives nothing free.',
        check=_free,
    ),
    Rule(
        id="claims.superlative",
        severity="warning",
        wants="No comparison with the rest of the market that the brief does not make.",
        check=_claim(_SUPERLATIVE, "nothing in the brief backs it", "superlatives"),
    ),
    Rule(
        id="claims.proof",
        severity="warning",
        wants="No customers, experts or studies that the brief does not name.",
        check=_claim(_PROOF, "the brief names no such witness", "proof"),
    ),
    Rule(
        id="claims.scarcity",
        severity="warning",
        wants="No pressure of time or stock that the brief does not give.",
        check=_claim(_SCARCITY, "the brief says nothing of stock or time running out", "urgency"),
    ),
)
