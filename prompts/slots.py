"""Fact slots: `{{product}}`-like placeholders that stand for the brief's facts in the pocket dialect.

A slot is resolved right after an answer is parsed and before anything is checked. It is not a merge
tag (`prompts.merge_tags`), which stays in stored copy and is filled per profile: the two share no code
that reads them. A fact's text is data: braces inside it are escaped, and what was filled in is never read
again.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

import regex

from prompts.brief import Brief, Product
from prompts.errors import SlotError

HINT_EDGES: Mapping[str, tuple[int, ...]] = {
    "product": (8, 11, 14, 17, 20, 23, 26, 30, 35, 40, 45, 50, 60, 75, 90),
    "offer": (8, 11, 14, 18, 22, 26, 30, 40, 50),
    "benefit": (12, 16, 20, 24, 28, 34, 40, 50),
    "ends": (8, 12, 18, 24),
    "link": (24, 32, 48, 64),
}
"""Length hints in characters, by kind of slot: rounded, since a small model tells few numbers apart."""

MOST_BENEFITS = 2
"""Benefits one text is asked to hold."""

BENEFITS_BESIDE_OFFER: Mapping[str, int] = {"banner": 1}
"""Where fewer are, because the copy tells of an offer, too: a banner's one line holds no third thing."""

ROOM_FOR_FACTS: Mapping[str, int] = {"banner": 70, "push": 116, "sms": 88, "social": 190}
"""Characters all facts together may take where a channel is tight: what is over is not requested, so that
room is left to say something. Length hints are what is added up; a link in a post counts 23."""

SLOT_NAMES = ("product", "offer", "ends", "benefit_1", "benefit_2", "link")

LONG_NAME = 30
"""Characters, a headline's in an ad, beyond which a title is a catalogue's, not a name: copy says its first
part."""
LEAST_NAME = 10
"""Characters a title's first part has at least, or the next part is taken along."""
LONG_TITLE = 40
"""Characters beyond which a first part that is still long ends before what it comes in, with, at or by, too:
in a shorter title that may be what it is, as in `Afternoon tea at the Ritz for two`."""

_BREAK = re.compile(r"\s[-–—|]\s|[,:;]\s|\s?[(\[]")
_DETAIL = re.compile(r"\s(?:in|with|at|by)\s", re.IGNORECASE)
_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SENTENCE_END = re.compile(r"(?:^|[.!?]['\"’”)]?\s+|\n\s*)$")
_OPENERS = re.compile(r"\{(?=[{%]|\Z)")
_BRACED = re.compile(r"\{[{%](?:(?!\{[{%]).)*?[%}]\}")
OPENED = '{{ "{" }}'
"""The Liquid literal that a brace of a fact is written as in copy."""

_BLANK = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b\u3164\uffa0\ufeff\ud800-\udfff]+")
"""What is shown as space or not at all: one space takes its place."""
_INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u180e\u200e\u200f\u2060-\u2065\u206a-\u206f\ufff9-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
"""What nobody sees and a model may read, such as the tags block; joiners stay, for scripts and emoji."""
_FLAGS = re.compile(
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|"
    "\U000e0077\U000e006c\U000e0073)\U000e007f"
)
"""England, Scotland, Wales: the only emoji made of tags."""
_SELECTED = re.compile("(?<=[\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
"""A second variation selector in a row changes nothing but can spell a hidden text."""
_MOST_MARKS = 6
"""Combining marks one letter may carry: no language needs more, and a flood of them counts as one letter."""
_FLOOD = regex.compile(rf"(?<=[\p{{Mn}}\p{{Me}}]{{{_MOST_MARKS}}})[\p{{Mn}}\p{{Me}}]+")


def clean(text: str) -> str:
    """Bring a text to one line of NFC that shows all it holds.

    Control characters become spaces, runs of space one; invisible characters, hidden texts made of tags or
    variation selectors, and combining marks beyond six in a row go.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    plain = _BLANK.sub(" ", unicodedata.normalize("NFC", text))
    flags = _FLAGS.findall(plain)
    kept = _INVISIBLE.sub("", _FLAGS.sub("\0", plain) if flags else plain)
    kept = _FLOOD.sub("", _SELECTED.sub("", kept))
    for flag in flags:
        kept = kept.replace("\0", flag, 1)
    return " ".join(kept.split())


def product_name(product: Product) -> str:
    """Return what copy calls a product: its title, or of a long one what stands before the details.

    `Amazon Gift Card - Print - Thank You (Chalkboard)` is called `Amazon Gift Card`, and so is one that
    comes `in a Birthday Cupcake Tin`. A title that fits a headline stays whole, and so does a longer one
    without a dash, comma, colon, bracket or such a word.
    """
    title = clean(product.title)
    if len(title) <= LONG_NAME:
        return title
    name = _before(_BREAK, title)
    return _before(_DETAIL, name) if len(title) > LONG_TITLE and len(name) > LONG_NAME else name


def _before(end: re.Pattern[str], text: str) -> str:
    """Return what stands before the first `end` that leaves enough of a name, or all of it."""
    places = (match.start() for match in end.finditer(text) if match.start() >= LEAST_NAME)
    return text[: next(places, len(text))]


def offer_text(brief: Brief) -> str | None:
    """Word the offer as a reader should see it, ` with code CODE` included; none without an offer."""
    if brief.offer is None:
        return None
    text, code = clean(brief.offer.text), clean(brief.offer.code or "")
    return text if not code or code.casefold() in text.casefold().split() else f"{text} with code {code}"


def fact_slots(brief: Brief) -> dict[str, str]:
    """Give the brief's facts by slot name, cleaned to one line; a fact the brief lacks has no slot.

    Benefits are the first of the product's for which the channel has room.
    """
    facts = {
        "product": product_name(brief.product),
        "offer": offer_text(brief),
        "ends": clean(brief.offer.ends) if brief.offer and brief.offer.ends else None,
        "link": clean(brief.product.link) if brief.product.link else None,
    }
    given = {name: value for name, value in facts.items() if value}
    lengths = {name: len(value) for name, value in given.items()}
    kept: list[str] = []
    most = BENEFITS_BESIDE_OFFER.get(brief.channel, MOST_BENEFITS) if brief.offer else MOST_BENEFITS
    for benefit in filter(None, map(clean, brief.product.benefits)):
        if len(kept) < most and has_room(brief.channel, lengths, len(benefit)):
            kept.append(benefit)
            lengths[f"benefit_{len(kept)}"] = len(benefit)
    return {**given, **{f"benefit_{place}": benefit for place, benefit in enumerate(kept, 1)}}


def given_slots(brief: Brief) -> list[str]:
    """List the slots an answer may hold: the brief's facts, and the reader's name where copy may greet.

    A draft that is to be rewritten shows where it greets.
    """
    return [*fact_slots(brief), *(["first_name"] if brief.personalise or brief.rewrite else [])]


def has_room(channel: str, lengths: Mapping[str, int], more: int) -> bool:
    """Whether a channel with facts of these lengths, by slot, has room for a benefit of `more` characters."""
    if more > HINT_EDGES["benefit"][-1]:
        return False
    if channel not in ROOM_FOR_FACTS:
        return True
    counted = {name: length for name, length in lengths.items() if name != "link" or channel == "sms"}
    taken = sum(hint(name, "x" * length) for name, length in counted.items())
    taken += 23 if channel == "social" and "link" in lengths else 0
    return taken + hint("benefit_1", "x" * more) <= ROOM_FOR_FACTS[channel]


def hint(slot: str, value: str) -> int:
    """Round the length of a slot's value, in characters, up to an edge of its kind, at most the last.

    Raises `SlotError` for a slot without a kind.
    """
    kind = re.sub(r"_\d+$", "", slot)
    if kind not in HINT_EDGES:
        raise SlotError(f"unknown fact slot {slot!r}: the slots are {', '.join(SLOT_NAMES)}")
    return next((edge for edge in HINT_EDGES[kind] if edge >= len(value)), HINT_EDGES[kind][-1])


def escape(text: str) -> str:
    """Text in which no merge tag can be read: `{{` and `{%` open with the Liquid literal `{{ "{" }}`."""
    return _OPENERS.sub(OPENED, text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    return text.replace('{{ "{" }}', "{")


def escape_facts(text: str, facts: Iterable[str]) -> str:
    """Escape the braces of facts quoted in a full-dialect answer, and of nothing else."""
    braced = sorted({fact for fact in facts if _OPENERS.search(fact)}, key=len, reverse=True)
    if not braced:
        return text
    return re.sub("|".join(map(re.escape, braced)), lambda match: escape(match.group()), text)


def escape_quoted(text: str, given: str, but: str) -> str:
    """Escape what an answer quotes in braces from a brief's texts, `but` one tag that copy may use.

    `given` is those texts, cleaned; a tag in a description is the description's, not the writer's.
    """

    def quoted(match: re.Match[str]) -> str:
        found = match.group()
        return escape(found) if found != but and found in given else found

    return _BRACED.sub(quoted, text) if "{" in text else text


def capitalise(value: str) -> str:
    """Capitalise a value that opens a sentence; `iPhone case` and links keep their own spelling."""
    first = value.split(" ", 1)[0]
    return value if "://" in first or first != first.lower() else value[:1].upper() + value[1:]


def fill(text: str, slots: Mapping[str, str], tags: Mapping[str, str] | None = None) -> str:
    """Write the text with every slot replaced by its fact, in one pass that never reads its own output.

    `slots` are facts by name; `tags` are names written as the given merge tag instead. A fact that opens
    a sentence is capitalised; a full stop is not doubled. Raises `SlotError` for a slot that is in neither.
    """
    out: list[str] = []
    written = 0
    for match in _SLOT.finditer(text):
        name = match.group(1)
        out.append(text[written : match.start()])
        written = match.end()
        if tags and name in tags:
            out.append(tags[name])
            continue
        if name not in slots:
            known = ", ".join(sorted(slots)) or "none"
            raise SlotError(f"unknown fact slot {match.group()!r}: this brief gives {known}")
        value = capitalise(slots[name]) if _SENTENCE_END.search(text[: match.start()]) else slots[name]
        out.append(escape(value))
        if value.endswith(".") and text.startswith(".", written):
            written += 1
    return "".join([*out, text[written:]])


def unfill(text: str, slots: Mapping[str, str]) -> str:
    """Undo `fill` for a text to rewrite: facts become slots again, the longest first."""
    names = {value.casefold(): name for name, value in reversed(list(slots.items())) if value}
    if not names:
        return text
    pattern = "|".join(re.escape(value) for value in sorted(slots.values(), key=len, reverse=True) if value)
    return re.sub(
        rf"(?<!\w)(?:{pattern})(?!\w)",
        lambda match: f"{{{{{names[match.group().casefold()]}}}}}",
        text,
        flags=re.IGNORECASE,
    )
