"""What a line of the phrase files must keep to, by its kind: slots, room, and English that fits any fact.

A product's number and gender are unknown, a benefit is a noun phrase, an offer is one too: so no verb may
agree with them and no pronoun may stand for them. `check_lines` finds what a machine can find of that.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from prompts.brief import Audience, Brief, Offer, Product
from prompts.checks.rules import run_checks
from prompts.merge_tags import FIRST_NAME


class LineKind(msgspec.Struct, frozen=True, kw_only=True):
    """What lines of one kind look like."""

    needs: tuple[str, ...] = ()
    """Slots every line holds."""
    one_of: tuple[str, ...] = ()
    """Slots of which every line holds at least one."""
    may: tuple[str, ...] = ()
    """Slots a line may hold as well."""
    room: int = 60
    """Most characters beside the slots."""
    headline: bool = False
    """Whether it stands without a full stop."""
    least: int = 8
    """Fewest lines of this kind a tone has."""

    @property
    def slots(self) -> frozenset[str]:
        return frozenset((*self.needs, *self.one_of, *self.may))


STAGES = ("new", "loyal", "lapsed", "cart")
GOALS = ("shop", "learn", "join", "book", "claim")
DIRECT = ("people", "scene", "dream", "moment")
ASIDE = ("people", "after")
WARE = ("ware", "use", "spot")

_head = LineKind(headline=True, room=28, least=12)

KINDS: Mapping[str, LineKind] = {
    "head.product": LineKind(needs=("product",), headline=True, room=18, least=16),
    "head.people": LineKind(needs=("people",), headline=True, room=16, least=14),
    "head.direct": LineKind(one_of=("scene", "dream", "moment"), headline=True, room=14, least=10),
    "head.aside": LineKind(needs=("after",), headline=True, room=16, least=6),
    "head.ware": LineKind(one_of=WARE, headline=True, room=18, least=12),
    "head.benefit": LineKind(needs=("benefit",), headline=True, room=16, least=12),
    "head.offer": LineKind(needs=("offer",), headline=True, room=18, least=14),
    "head.plain": LineKind(headline=True, room=28, least=16),
    **{f"head.{stage}": LineKind(headline=True, room=27, least=8) for stage in STAGES},
    **{
        f"head.people.{stage}": LineKind(needs=("people",), headline=True, room=16, least=4)
        for stage in STAGES
    },
    "hook": LineKind(room=80, least=22),
    "direct": LineKind(one_of=DIRECT, room=60, least=22),
    "aside": LineKind(one_of=ASIDE, may=WARE, room=70, least=16),
    "direct.product": LineKind(needs=("product",), one_of=DIRECT, room=44, least=16),
    "aside.product": LineKind(one_of=("product", "do"), may=(*ASIDE, "ware"), room=44, least=16),
    "product": LineKind(one_of=("product", "do"), room=50, least=18),
    "cart.product": LineKind(needs=("product",), room=60, least=8),
    "turn": LineKind(one_of=("product", "do"), room=40, least=14),
    "benefit": LineKind(needs=("benefit",), room=44, least=18),
    "benefits": LineKind(needs=("benefit", "other"), room=40, least=16),
    "benefit.product": LineKind(needs=("benefit", "product"), room=34, least=12),
    "benefits.product": LineKind(needs=("benefit", "other", "product"), room=34, least=8),
    "offer": LineKind(needs=("offer",), room=50, least=18),
    "offer.ends": LineKind(needs=("offer", "ends"), room=44, least=16),
    "product.offer": LineKind(needs=("product", "offer"), room=30, least=10),
    "product.offer.ends": LineKind(needs=("product", "offer", "ends"), room=36, least=10),
    "product.benefit.offer": LineKind(needs=("product", "benefit", "offer"), room=32, least=8),
    "product.benefit.offer.ends": LineKind(needs=("product", "benefit", "offer", "ends"), room=38, least=8),
    "people.product.offer": LineKind(needs=("people", "product", "offer"), room=30, least=6),
    "people.product.offer.ends": LineKind(needs=("people", "product", "offer", "ends"), room=36, least=6),
    "close": LineKind(room=60, least=18),
    **{f"goal.{goal}": LineKind(room=60, least=8) for goal in GOALS},
    "greeting": LineKind(needs=("first_name",), room=14, least=4),
    **{f"stage.{stage}": LineKind(room=64, least=10) for stage in STAGES},
    "hashtag": LineKind(headline=True, room=22, least=8),
}
"""Every kind of line a tone has."""

EXAMPLE: Mapping[str, str] = {
    "product": "Ottoline Field Jar",
    "offer": "a small surprise",
    "ends": "the end of May",
    "benefit": "a lid that locks",
    "other": "wide handles",
    "people": "hikers",
    "scene": "out on the trail",
    "dream": "your next summit",
    "moment": "before a long hike",
    "after": "after a day in the hills",
    "saying": "Boots laced, path ahead.",
    "ware": "good kitchenware",
    "use": "cook for friends",
    "do": "make room in the kitchen for Ottoline Field Jar",
    "spot": "in the kitchen",
    "truth": "Good meals start long before the first bite.",
    "first_name": FIRST_NAME,
}
"""What stands in each slot when a line is read by the checks."""

_SLOT = re.compile(r"\{(\w+)\}")
_FACT = r"\{(?:product|benefit|other|offer)\}"
_AGREES = re.compile(
    rf"{_FACT},? (?:is|are|has|have|does|do|was|were|isn't|aren't|\w+[^s\W]s)\b(?! (?:off|of)\b)",
    re.IGNORECASE,
)
_PLURALS = ("lovers", "regulars", "fans", "this", "less", "always", "perhaps", "yours", "plus", "as", "thus")
_PRONOUN = re.compile(r"\b(?:it|its|it's|they|them|their|these|those|he|she)\b", re.IGNORECASE)
_STOP = re.compile(r"[.!?]$")


def beside(line: str) -> int:
    """Return how many characters a line has beside its slots."""
    return len(_SLOT.sub("", line))


def check_lines(kinds: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield what is wrong with one tone's lines, each naming kind and line."""
    for missing in KINDS.keys() - kinds.keys():
        yield f"[{missing}] is missing"
    for unknown in kinds.keys() - KINDS.keys():
        yield f"[{unknown}] is no kind of line"
    seen: dict[str, str] = {}
    for name, lines in kinds.items():
        if name not in KINDS:
            continue
        if len(lines) < KINDS[name].least:
            yield f"[{name}] has {len(lines)} lines, at least {KINDS[name].least}"
        for line in lines:
            said = line.casefold().strip(".!? ")
            if said in seen and name != "hashtag":
                yield f"[{name}] {line!r} stands in [{seen[said]}] too"
            seen[said] = name
            for problem in check_line(name, line):
                yield f"[{name}] {line!r}: {problem}"


def check_line(name: str, line: str) -> Iterator[str]:
    """Yield what is wrong with one line of this kind."""
    kind = KINDS[name]
    found = set(_SLOT.findall(line))
    if stray := sorted(found - kind.slots):
        yield f"the slots {', '.join(stray)} have no place here"
    if lacking := sorted(set(kind.needs) - found):
        yield f"lacks {', '.join(lacking)}"
    if kind.one_of and not found & set(kind.one_of):
        yield f"holds none of {', '.join(kind.one_of)}"
    if beside(line) > kind.room:
        yield f"{beside(line)} characters beside its slots, at most {kind.room}"
    if not line.isascii() or re.search(r"[\d\[\]|<>%$\"]|  |^\s|\s$|;$", line):
        yield "a character that has no place in a line"
    if name == "hashtag":
        if not re.fullmatch(r"#[a-z]+", line):
            yield "a hashtag is # and small letters"
        return
    if kind.headline and re.search(r"[.!]$", line):
        yield "a headline ends without full stop or exclamation mark"
    if not kind.headline and name != "greeting" and not _STOP.search(line):
        yield "a sentence ends with a full stop, a question mark or an exclamation mark"
    if not re.match(r"[A-Z{]", line):
        yield "it begins with a small letter"
    yield from _english(line, found)
    yield from _claims(line)


def _english(line: str, found: set[str]) -> Iterator[str]:
    if (match := _AGREES.search(line)) and match.group().split()[-1] not in _PLURALS:
        yield f"{match.group()!r}: a verb cannot agree with a fact, whose number is unknown"
    if found & {"product", "do", "benefit", "other"} and (match := _PRONOUN.search(line)):
        yield f"{match.group()!r} cannot stand for a fact, whose number is unknown"
    if re.search(
        r"\b(?:your|the|a|an|this|our|my|these|every) \{(?:product|offer|benefit|other|ends)\}", line
    ):
        yield "a fact brings its own article"


def _claims(line: str) -> Iterator[str]:
    """Hold a line, filled with examples, against the checks of what nobody can verify."""
    text = _SLOT.sub(lambda match: EXAMPLE.get(match[1], ""), line)
    text = text[:1].upper() + text[1:]
    brief = Brief(
        channel="push",
        personalise=True,
        product=Product(id="1", title=EXAMPLE["product"], benefits=(EXAMPLE["benefit"], EXAMPLE["other"])),
        audience=Audience(name="hikers"),
        offer=Offer(text=EXAMPLE["offer"], ends=EXAMPLE["ends"]),
    )
    for check in run_checks(brief, {"title": EXAMPLE["product"], "body": text}):
        if check.rule.startswith(("invented.", "claims.", "words.")):
            for finding in check.findings:
                yield f"{check.rule}: {finding.reason}"
