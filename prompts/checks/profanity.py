"""Words no brand says: a short list kept here, with their inflections and the usual disguises."""

import re
from collections.abc import Iterator

from prompts.checks.reading import Hit, Reading, Rule

_STEMS = (
    r"(?:mother)?fuck(?:s|ed|er|ers|ing|in|wit|wits)?",
    r"(?:bull|horse|bat|dip)?shit(?:s|ty|tier|ting|ted|show|shows|head|heads|hole)?",
    r"cunts?",
    r"wank(?:s|ed|er|ers|ing)?",
    r"twats?",
    r"bollock(?:s|ed|ing)?",
    r"(?:smart|dumb|bad|jack)?(?:arse|ass)(?:hole|holes|ed)",
    r"(?:dumb|bad|jack|lard)(?:arse|ass)(?:es)?|arses?",
    r"bastards?",
    r"bitch(?:es|y|ing)?",
    r"piss(?:ed|es|ing|er|ers)?",
    r"crap(?:s|py|pier|piest|ped)?",
    r"(?:dick|knob|cock)heads?",
    r"bugger(?:s|ed|ing)?",
    r"(?:god)?damn(?:ed|it)?",
    r"bloody\s+(?:hell|good|great|brilliant|lovely|awful|well|marvellous)",
    r"(?:your|my|his|her|their)\s+ass(?:es)?",
    r"slut(?:s|ty)?",
    r"whores?",
    r"wtf|stfu|milfs?",
    r"faggots?|niggers?|niggas?|retard(?:s|ed)|spastics?|trann(?:y|ies)|pakis?|kikes?|wetbacks?",
    # Disguised: a letter or more replaced by signs, or letters set apart.
    r"f[*#@$!_-]{1,3}(?:c?k|k?ing|k?ed|k?er)?|f\.?u\.?c\.?k|sh[*#@$!1]t(?:ty)?|s[*#@$!]{2,3}t|b[*#@$!1]tch(?:es)?|"
    r"c[*#@$!]nts?|a[*#@$]{2}holes?|w[*#@$!]nkers?",
)
_PROFANE = re.compile(rf"(?<!\w)(?:{'|'.join(_STEMS)})(?![\w*])", re.IGNORECASE)


def _profanity(reading: Reading) -> Iterator[Hit]:
    for line in reading.lines:
        for match in _PROFANE.finditer(line.plain):
            given = line.own[slice(*match.span())] != match.group()
            note = "; it is part of a fact of the brief" if given else ""
            yield Hit(
                line=line,
                span=match.span(),
                reason=f"says {match.group()!r}, which is profane{note}",
                severity="warning" if given else "error",
            )


RULES = (
    Rule(
        id="words.profane",
        severity="error",
        wants="No profanity, plain or disguised; a warning where a fact of the brief holds it.",
        check=_profanity,
    ),
)
