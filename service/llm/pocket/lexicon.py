"""Reads the phrase files: lines by tone and kind of line, phrases by interest and kind of product, calls."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Any

import msgspec
import yaml

from prompts.interests import INTERESTS
from prompts.kinds import KINDS
from service.llm.known_words import words_of
from service.llm.pocket.phrase_rules import beside, check_lines

TONES = ("friendly", "playful", "urgent", "luxury", "professional", "inspiring")
REWRITES = ("shorter", "warmer", "bolder")
REWRITE_TONES: Mapping[str, str] = {"warmer": "friendly", "bolder": "inspiring"}
"""The tone that stands in for an instruction; `shorter` keeps the brief's own."""

LEAST_SIDE = 12

_SLOT = re.compile(r"\{(\w+)\}")
_CALLS_OUT = re.compile(
    r"^(\{people\}[,:!?]|To \{people|Dear |Hello|Hey|Hi |Ahoy|"
    r"Attention|Calling|Hands up|Yoo-hoo|Psst|Quick|Right)"
    r"|, \{people\}[.!?:]"
)


class Interest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What may be said of one interest."""

    people: tuple[str, ...]
    scenes: tuple[str, ...]
    """Where it happens, adverbially: `out on the trail`."""
    dreams: tuple[str, ...]
    """What its people look forward to: `your next summit`."""
    moments: tuple[str, ...]
    """When it happens, adverbially: `before a long hike`."""
    afters: tuple[str, ...]
    """When it is over, adverbially: `after a day in the hills`."""
    sayings: tuple[str, ...]
    """Whole sentences about it."""
    hashtags: tuple[str, ...]

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase, in lower case."""
        return tuple(phrase.lower() for group in msgspec.structs.astuple(self) for phrase in group)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every phrase as lines are compared."""
        return frozenset(map(key, self.phrases))

    @cached_property
    def in_use(self) -> tuple[str, ...]:
        """The phrases that show a product in use for it, in lower case."""
        return tuple(phrase.lower() for group in (self.scenes, self.dreams, self.moments) for phrase in group)


class Ware(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What may be said of one kind of product."""

    wares: tuple[str, ...]
    """What sort of thing it is: `good tableware`."""
    uses: tuple[str, ...]
    """What people do with it: `lay the table`."""
    dos: tuple[str, ...]
    """Imperatives that hold `{product}`: `make room on the table for {product}`."""
    spots: tuple[str, ...]
    """Where such things live, adverbially: `on the table`."""
    truths: tuple[str, ...]
    """Whole sentences about such things."""
    calls: tuple[str, ...]
    """Calls to action for looking and buying."""

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase but the calls, in lower case; of one that holds a product, the longer side of it.

        Short sides, such as `taste` or `step into`, tell nothing of the kind, and are left out.
        """
        whole = (*self.wares, *self.uses, *self.spots, *self.truths)
        sides = (max(do.split("{product}"), key=len).strip() for do in self.dos)
        return tuple(
            phrase.lower() for phrase in (*whole, *(side for side in sides if len(side) >= LEAST_SIDE))
        )

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every phrase as lines are compared."""
        return frozenset(map(key, self.phrases))


class Line(msgspec.Struct, frozen=True):
    """One line of copy, with what choosing it asks about."""

    text: str
    key: str
    """What two lines share that say the same: a headline and the same words as a sentence."""
    slots: tuple[str, ...]
    beside: int
    """Characters beside its slots."""
    calls_out: bool
    """Whether it calls to a crowd, or greets by itself: such a line does not follow a greeting by name."""
    heads: bool
    """Whether it is a headline."""


class Lexicon(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the grammar may say, and the digest of the files it was read from."""

    tones: dict[str, dict[str, tuple[Line, ...]]]
    """Lines by tone and kind, e.g. `tones["friendly"]["hook"]`."""
    interests: dict[str, Interest]
    wares: dict[str, Ware]
    """By kind of product."""
    goal_calls: dict[str, dict[str, tuple[str, ...]]]
    """Calls to action by goal, then by kind of product or `others`."""
    digest: str
    """sha256 over the files, hex."""

    def words(self) -> list[str]:
        """List every word, and every run of marks, that copy made of it can hold, once, in order."""
        tones = (line.text for kinds in self.tones.values() for lines in kinds.values() for line in lines)
        interests = (phrase for interest in self.interests.values() for phrase in interest.phrases)
        wares = (
            phrase
            for ware in self.wares.values()
            for group in msgspec.structs.astuple(ware)
            for phrase in group
        )
        goals = (call for kinds in self.goal_calls.values() for calls in kinds.values() for call in calls)
        texts = (*tones, *interests, *wares, *goals)
        return sorted({word for text in texts for word in words_of(_SLOT.sub(" ", text))})

    def calls(self, goal: str, kind: str) -> tuple[str, ...]:
        """Return the calls to action that fit a goal and a kind of product."""
        table = self.goal_calls[goal]
        own = self.wares[kind].calls if goal == "shop" else ()
        return (*table.get(kind, table["others"]), *own)


def parse_lines(text: str) -> dict[str, tuple[str, ...]]:
    """Read `[kind]` headings, each followed by one line of copy per line."""
    kinds: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        heading = re.fullmatch(r"\[([a-z_.]+)\]", line)
        if heading:
            current = kinds.setdefault(heading[1], [])
        elif line:
            current.append(line)
    return {kind: tuple(lines) for kind, lines in kinds.items()}


def key(line: str) -> str:
    """Return a line without case and its last stop."""
    return line.casefold().strip(".!? ")


def read_line(kind: str, text: str) -> Line:
    """Work out what choosing a line of a kind asks about."""
    slots = tuple(_SLOT.findall(text))
    calls_out = bool(_CALLS_OUT.search(text))
    return Line(text, key(text), slots, beside(text), calls_out, kind.startswith("head."))


@cache
def load_lexicon() -> Lexicon:
    """Read the phrase files that ship with the package."""
    folder = resources.files("service.llm.pocket.phrases")
    names = (*(f"{tone}.txt" for tone in TONES), "interests.yaml", "kinds.yaml", "calls.yaml")
    texts = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}
    interests: dict[str, Any] = yaml.safe_load(texts["interests.yaml"])
    kinds: dict[str, Any] = yaml.safe_load(texts["kinds.yaml"])
    return Lexicon(
        tones={
            tone: {
                kind: tuple(read_line(kind, line) for line in lines)
                for kind, lines in parse_lines(texts[f"{tone}.txt"]).items()
            }
            for tone in TONES
        },
        interests={name: msgspec.convert(interests[name], Interest) for name in INTERESTS},
        wares={name: msgspec.convert(kinds[name], Ware) for name in KINDS},
        goal_calls=msgspec.convert(
            yaml.safe_load(texts["calls.yaml"]), dict[str, dict[str, tuple[str, ...]]]
        ),
        digest=hashlib.sha256("\0".join(texts.values()).encode()).hexdigest(),
    )


def check_phrases() -> Iterator[str]:
    """Yield what is wrong with the phrase files: lines against their kind, and lines two tones share."""
    owners: dict[str, str] = {}
    for tone, kinds in load_lexicon().tones.items():
        yield from (
            f"{tone} {problem}"
            for problem in check_lines(
                {kind: tuple(line.text for line in lines) for kind, lines in kinds.items()}
            )
        )
        for line in (line for kind, lines in kinds.items() if kind != "greeting" for line in lines):
            if owners.setdefault(line.key, tone) != tone:
                yield f"{tone} {line.text!r} stands in {owners[line.key]} too"
