"""Judges one answer of the pocket model: by the checks every variant meets, and by what it was taught."""

from functools import cache

import msgspec

from prompts.brief import Brief
from prompts.checks.rules import run_checks
from prompts.errors import OutputError, SlotError
from prompts.interests import ANYONE
from prompts.kinds import KINDS, UNKNOWN, belongs
from prompts.merge_tags import FIRST_NAME
from prompts.output import parse
from prompts.slots import fact_slots, fill
from prompts.variant import Fields
from service.llm.known_words import KnownWords
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.sketch import LINKED, dump_fields, texts_of

SHORTER = 0.9
"""A text that was to become shorter has at most this share of its draft's characters."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, and what was found of it. A check that does not apply to the brief is missing."""

    brief: Brief
    raw: str
    slotted: Fields | None
    """As the model wrote them, facts as slots; none when the answer is not the channel's JSON."""
    fields: Fields | None
    """Slots filled; none when it names a slot the brief did not give, too."""
    found: dict[str, bool]


def read_fields(brief: Brief, raw: str) -> tuple[Fields | None, Fields | None]:
    """Parse an answer, and fill its slots; none where either cannot be done."""
    try:
        slotted = parse(brief.channel, raw)
    except OutputError:
        return None, None
    slots, tags = fact_slots(brief), {"first_name": FIRST_NAME}
    try:
        return slotted, {
            name: fill(value, slots, tags)
            if isinstance(value, str)
            else [fill(text, slots, tags) for text in value]
            for name, value in slotted.items()
        }
    except SlotError:
        return slotted, None


def judge(brief: Brief, raw: str) -> Judged:
    """Judge one answer, filled; one that cannot be read or filled fails everything that applies."""
    slotted, fields = read_fields(brief, raw)
    found = {"json": slotted is not None}
    if slotted is None or fields is None:
        found |= dict.fromkeys(_applies(brief), False)
    else:
        found |= _checked(brief, slotted, fields) | _taught(brief, slotted)
        found["words"] = not _known_words().slips(raw)
    return Judged(brief=brief, raw=raw, slotted=slotted, fields=fields, found=found)


@cache
def _known_words() -> KnownWords:
    return KnownWords(load_lexicon().words())


def _applies(brief: Brief) -> list[str]:
    """Name what an answer to this brief is judged by, beside its JSON."""
    names = ["facts", "product", "nothing_invented", "limits", "limits_shown", "passed", "fit", "tone"]
    names.append("words")
    names += ["offer"] if brief.offer else []
    names += ["ends"] if brief.offer and brief.offer.ends else []
    names += ["benefits"] if "benefit_1" in fact_slots(brief) else []
    names += ["greeting"] if brief.personalise else []
    names += ["link"] if brief.product.link and brief.channel in LINKED else []
    return names + (["audience"] if brief.audience.interest else ["anyone"])


def _checked(brief: Brief, slotted: Fields, fields: Fields) -> dict[str, bool]:
    checks = run_checks(brief, fields)
    clean = {check.rule: not check.findings for check in checks}
    found = {
        "product": clean["facts.product"],
        "nothing_invented": all(
            ok for rule, ok in clean.items() if rule.startswith(("invented.", "claims."))
        ),
        "limits": clean["length.hard"] and clean["length.items"],
        "limits_shown": clean["length.hard"] and clean["length.soft"],
        "passed": all(check.passed for check in checks),
    }
    if brief.offer:
        found["offer"] = clean["facts.offer"] and clean["facts.code"]
        if brief.offer.ends:
            found["ends"] = clean["facts.ends"]
    asked = [name for name in fact_slots(brief) if name.startswith("benefit")]
    if asked:
        text = " ".join(texts_of(slotted))
        found["benefits"] = all(f"{{{{{name}}}}}" in text for name in asked)
    found["facts"] = all(found.get(name, True) for name in ("product", "offer", "benefits"))
    if brief.personalise:
        found["greeting"] = clean["tags.greeting"]
    if brief.product.link and brief.channel in LINKED:
        found["link"] = clean["facts.link"] and clean["links.foreign"]
    return found


def _taught(brief: Brief, slotted: Fields) -> dict[str, bool]:
    """Judge what only training promises: whose interest it speaks of, and what fits the kind of product."""
    wanted = brief.audience.interest
    seen = interests_in(slotted)
    named = {"audience": seen == {wanted}} if wanted else {"anyone": not seen}
    return {**named, "fit": not misfits(brief, slotted)}


def shortened(draft: Fields, fields: Fields | None) -> bool:
    """Whether filled fields are clearly shorter than the filled draft they were written from."""
    return fields is not None and _length(fields) <= SHORTER * _length(draft)


def _length(fields: Fields) -> int:
    return sum(map(len, texts_of(fields)))


def interests_in(fields: Fields) -> set[str]:
    """Name the interests of which the fields hold a phrase."""
    text = " ".join(texts_of(fields)).lower()
    interests = load_lexicon().interests.items()
    return {name for name, interest in interests if any(phrase in text for phrase in interest.phrases)}


@cache
def _kinds_by_phrase() -> dict[str, frozenset[str]]:
    """Return which kinds of products a phrase may be said of, but for what a tone says of anything."""
    owners: dict[str, set[str]] = {}
    said = "\n".join(
        line.text.lower()
        for kinds in load_lexicon().tones.values()
        for lines in kinds.values()
        for line in lines
    )
    for kind, ware in load_lexicon().wares.items():
        for phrase in ware.phrases if kind != UNKNOWN else ():
            owners.setdefault(phrase, set()).add(kind)
    return {phrase: frozenset(kinds) for phrase, kinds in owners.items() if phrase not in said}


def kinds_in(fields: Fields, interest: str | None) -> dict[str, frozenset[str]]:
    """Return the phrases about kinds of products that the fields hold, each with the kinds it fits.

    What belongs to a phrase of the audience's interest is not read as one of a kind, and of two phrases
    the longer counts.
    """
    text = " ".join(texts_of({name: value for name, value in fields.items() if name != "cta"})).lower()
    if interest:
        for phrase in sorted(load_lexicon().interests[interest].phrases, key=len, reverse=True):
            text = text.replace(phrase, "|")
    found: dict[str, frozenset[str]] = {}
    for phrase in sorted(_kinds_by_phrase(), key=len, reverse=True):
        if phrase in text:
            found[phrase] = _kinds_by_phrase()[phrase]
            text = text.replace(phrase, "|")
    return found


def misfits(brief: Brief, slotted: Fields, *, kind: str | None = None) -> list[str]:
    """List what does not fit the kind of product by the corpus's own table, or another `kind`.

    A phrase of another kind; a scene, moment or dream of the interest with a product that is no part of it; a
    call to action that fits neither kind nor goal.
    """
    kind = kind or brief.product.kind or UNKNOWN
    interest, lexicon = brief.audience.interest, load_lexicon()
    wrong = [phrase for phrase, kinds in kinds_in(slotted, interest).items() if kind not in kinds]
    if interest in lexicon.interests and not belongs(kind, interest):
        text = " ".join(texts_of(slotted)).lower()
        own = lexicon.interests[interest]
        for phrase in (*own.sayings, *own.afters, *own.people):
            text = text.replace(phrase.lower(), "|")
        wrong += [phrase for phrase in own.in_use if phrase in text]
    goal = "shop" if brief.goal == "claim" and brief.offer is None else brief.goal
    calls = lexicon.calls(goal, kind)
    if "cta" in slotted:
        wrong += [call for call in (str(slotted["cta"]),) if call not in calls]
    elif brief.channel == "sms":
        end = ": {{link}}" if brief.product.link else "."
        text = str(slotted["text"])
        wrong += [] if any(text.endswith(call + end) for call in calls) else [text[-40:]]
    return wrong


def other_kind(kind: str | None, number: int) -> str:
    """Return another kind than this one, for the chance level of fit."""
    others = [name for name in KINDS if name not in {kind, UNKNOWN}]
    return others[number % len(others)]


def describe(judged: Judged) -> str:
    """Show one answer to a reader: what was asked, what came, what failed."""
    brief = judged.brief
    asked = (
        f"{brief.channel}, {brief.tone}, {brief.goal}, {brief.product.kind or UNKNOWN}, "
        f"{brief.audience.interest or ANYONE}, stage {brief.audience.stage or 'any'}"
    )
    text = judged.raw if judged.fields is None else dump_fields(judged.fields)
    failed = ", ".join(name for name, ok in judged.found.items() if not ok) or "none"
    return f"- {asked}\n  - {text}\n  - failed: {failed}"
