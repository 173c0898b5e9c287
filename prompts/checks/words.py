"""The brand's words, and what must never be left over from a prompt, a template or a chat."""

import functools
import re
from collections.abc import Iterator

from prompts.checks.links import addresses
from prompts.checks.reading import Hit, Reading, Rule, normalise
from prompts.slots import clean

_ENDINGS = r"(?:'s|s|es|ed|er|ers|est|ing|ly)?"
_OTHER_WORDS = frozenset(
    {
        "sweater",
        "flower",
        "shower",
        "tower",
        "corner",
        "letter",
        "number",
        "matter",
        "butter",
        "better",
        "bitter",
        "dinner",
        "summer",
        "banner",
        "manner",
        "planter",
        "master",
        "poster",
        "tester",
    }
)
"""Words that only look like an inflection: a sweater is no comparative of sweat."""
_LEFTOVER = re.compile(
    r"\{%|%\}|\}\}|\[(?:your\s+|insert\s+|first\s+|last\s+)?"
    r"(?:name|product|company|brand|link|url|offer|price|date|code|customer|reader|recipient|subscriber|city|title)"
    r"(?:\s+(?:name|here))?\]|\$\{\w+\}|\[insert\b[^\]]*\]|"
    r"\b(?:hi|hello|dear)\s+(?-i:NAME|FIRST_?NAME|CUSTOMER)\b|"
    r"<(?:name|product|link|url|offer|first_?name)>|\blorem ipsum\b|\bTBD\b|\bX{3,}\b|%\w+%",
    re.IGNORECASE,
)
_PROMPT = re.compile(
    r"(?m)^\s*(?:channel|tone|goal|stage|audience|product|benefits|offer|rewrite|draft|subject|preheader|headline|"
    r"headlines|title|message|descriptions?|body|cta|button|hashtags|system|user|assistant)\s*:|"
    r"^\s*(?:sure|certainly|of course|absolutely)[!,.]\s+(?:here|i\b)|\(?\bnote:\s+i\b|"
    r"\bi (?:kept|wrote|have written|made|used|included) (?:the|this|your) "
    r"(?:copy|text|e-?mail|tone|offer|facts)\b|"
    r"^\s*(?:push notification|e-?mail|sms|text message|social post|banner|search ad)\s*:|"
    r"\blet me know if you(?:'d| would) like|\bas an ai\b|"
    r"\b(?:here is|here's|here are) (?:your|the|an?|some) (?:\w+ )?"
    r"(?:e-?mail|ad|copy|variants?|rewrite|draft|post|sms)\b[^.!?:\n]{0,40}:|"
    r"\b(?:language model|json|system prompt|previous instructions)\b|<\|[^|]*\|>|<<<\w|>>>\w|```|"
    r"\"(?:subject|preheader|body|cta|title|text|headlines?|descriptions?|hashtags)\"\s*:",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"</?(?:p|br|b|i|em|strong|a|div|span|h[1-6]|ul|li|img)\b[^>]*>|\*\*[^*]+\*\*|(?<![\w*])\*[^*\s](?:[^*\n]*[^*\s])?\*(?![\w*])|__[^_\n]+__|\[[^\]]+\]\([^)]+\)|"
    r"^#{1,6}\s+\S|&(?:amp|nbsp|lt|gt|quot|#\d+);",
    re.IGNORECASE | re.MULTILINE,
)
_SHOUT = re.compile(r"\b[A-Z]{2,}(?:[\s.!]+[A-Z]{2,}){2,}\b|!{2,}|\?{2,}")
_HASHTAG = re.compile(r"#[^\W_]\w{0,79}")


@functools.lru_cache(maxsize=256)
def _inflected(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """Each word or phrase with its regular endings: cheap, cheaper; hurry, hurries; stop, stopping."""
    forms: list[str] = []
    for word in words:
        parts = [re.escape(part) for part in re.split(r"[\s-]+", clean(word)) if part]
        if not parts:
            continue
        last = parts[-1]
        endings = [last + _ENDINGS]
        if last.endswith("e"):
            endings.append(last[:-1] + r"(?:ing|ed|er|ers|est|y)")
        if last.endswith("y"):
            endings.append(last[:-1] + r"(?:ies|ied|ier|iest|ily)")
        if re.search(r"[^aeiou][aeiou][bdgmnprt]$", last):
            endings.append(last + last[-1] + r"(?:ing|ed|er|est|ers)")
        forms.append(r"[\s-]+".join([*parts[:-1], f"(?:{'|'.join(endings)})"]))
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", re.IGNORECASE) if forms else None


def _banned(reading: Reading) -> Iterator[Hit]:
    words = (*reading.brief.brand.banned_words, *reading.brief.must_not_say)
    pattern = _inflected(words)
    banned = {normalise(word) for word in words}
    for line in reading.lines if pattern else ():
        linked = addresses(line)
        for match in pattern.finditer(line.plain) if pattern else ():
            if any(start <= match.start() and match.end() <= end for start, end in linked):
                continue
            word = match.group().casefold()
            if word.removesuffix("s") in _OTHER_WORDS and not banned & {word, word.removesuffix("s")}:
                continue
            given = line.own[slice(*match.span())] != match.group()
            note = "; it is part of a fact of the brief" if given else ""
            yield Hit(
                line=line,
                span=match.span(),
                reason=f"says {match.group()!r}, which brand or brief never says{note}",
                severity="warning" if given else "error",
            )


def _required(reading: Reading) -> Iterator[Hit]:
    brief = reading.brief
    for wanted in map(clean, (*brief.brand.required_words, *brief.must_say)):
        if not _says(reading, wanted):
            yield Hit(reason=f"the copy never says {wanted!r}, which brand or brief wants in every piece")
    for keyword in map(clean, brief.keywords):
        if not _says(reading, keyword):
            yield Hit(reason=f"the copy never says the keyword {keyword!r}", severity="warning")


def _says(reading: Reading, wanted: str) -> bool:
    return not wanted or bool(re.search(rf"(?<!\w){re.escape(normalise(wanted))}(?!\w)", reading.whole))


def _leftover(reading: Reading) -> Iterator[Hit]:
    for line in reading.lines:
        if line.problem is not None:
            start = max(line.text.find("{{"), line.text.find("{%"), 0)
            yield Hit(line=line, span=(start, len(line.text)), reason=line.problem)
        for match in _LEFTOVER.finditer(line.own if line.problem is None else ""):
            yield Hit(
                line=line,
                span=match.span(),
                reason=f"holds the placeholder {match.group()!r}: write the text itself",
            )


def _pattern_rule(pattern: re.Pattern[str], reason: str, reading: Reading) -> Iterator[Hit]:
    for line in reading.lines:
        for match in pattern.finditer(line.own):
            yield Hit(line=line, span=match.span(), reason=f"{match.group()!r} {reason}")


def _prompt(reading: Reading) -> Iterator[Hit]:
    return _pattern_rule(_PROMPT, "belongs to a prompt or an answer about it, not to copy", reading)


def _markup(reading: Reading) -> Iterator[Hit]:
    return _pattern_rule(_MARKUP, "is markup: fields are plain text", reading)


def _shouting(reading: Reading) -> Iterator[Hit]:
    return _pattern_rule(_SHOUT, "shouts: write it in sentence case, with one mark at most", reading)


def _hashtags(reading: Reading) -> Iterator[Hit]:
    for line in reading.lines:
        if line.field.tag and not _HASHTAG.fullmatch(line.text):
            yield Hit(
                line=line,
                span=(0, len(line.text)),
                reason=f"{line.text!r} is no hashtag: write # and one word",
            )


RULES = (
    Rule(
        id="words.banned",
        severity="error",
        wants="No banned word, inflected or not; a warning where a fact of the brief holds one.",
        check=_banned,
    ),
    Rule(
        id="words.required",
        severity="error",
        wants="Every word the brand or the brief requires; a missing keyword is a warning.",
        check=_required,
    ),
    Rule(
        id="words.leftover",
        severity="error",
        wants="No unknown merge tag, unfilled slot or placeholder.",
        check=_leftover,
    ),
    Rule(
        id="leaks.prompt",
        severity="error",
        wants="Nothing of the prompt, its data or a chat about it.",
        check=_prompt,
    ),
    Rule(
        id="leaks.markup",
        severity="error",
        wants="No HTML or Markdown: fields are plain text.",
        check=_markup,
    ),
    Rule(
        id="style.shouting",
        severity="warning",
        wants="No runs of capitals, no `!!` or `??`.",
        check=_shouting,
    ),
    Rule(id="style.hashtags", severity="error", wants="A hashtag is `#` and one word.", check=_hashtags),
)
