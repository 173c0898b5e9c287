"""Reads the phrase files: lines per tone and kind, phrases per interest, calls to action per goal."""

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import yaml

from prompts.interests import INTERESTS

TONES = ("friendly", "playful", "urgent", "luxury", "professional", "inspiring")
STAGES = ("new", "loyal", "lapsed", "cart")
GOALS = ("shop", "learn", "join", "book", "claim")
REWRITES = ("shorter", "warmer", "bolder")
REWRITE_TONES = {"warmer": "friendly", "bolder": "inspiring"}
"""The tone that stands in for an instruction; `shorter` keeps the brief's own."""


class Interest(msgspec.Struct, frozen=True, kw_only=True):
    """The phrases of one interest."""

    people: tuple[str, ...]
    scenes: tuple[str, ...]
    dreams: tuple[str, ...]
    moments: tuple[str, ...]
    hashtags: tuple[str, ...]
    sayings: tuple[str, ...]

    def phrases(self) -> tuple[str, ...]:
        """Return every phrase, in lower case."""
        groups = (self.people, self.scenes, self.dreams, self.moments, self.hashtags, self.sayings)
        return tuple(phrase.lower() for group in groups for phrase in group)


class Lexicon(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the grammar may say, and the digest of the files it was read from."""

    tones: dict[str, dict[str, tuple[str, ...]]]
    """Lines by tone and kind, e.g. `tones["friendly"]["opener"]`."""
    shared: dict[str, tuple[str, ...]]
    """Lines of every tone, by kind and case, e.g. `shared["cta.shop"]`."""
    interests: dict[str, Interest]
    digest: str
    """sha256 over the files, hex."""


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


@cache
def load_lexicon() -> Lexicon:
    """Read the phrase files that ship with the package."""
    folder = resources.files("service.llm.pocket.phrases")
    texts = {tone: folder.joinpath(f"{tone}.txt").read_text(encoding="utf-8") for tone in TONES}
    shared = folder.joinpath("shared.txt").read_text(encoding="utf-8")
    interests = folder.joinpath("interests.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(interests)
    return Lexicon(
        tones={tone: parse_lines(text) for tone, text in texts.items()},
        shared=parse_lines(shared),
        interests={name: msgspec.convert(loaded[name], Interest) for name in INTERESTS},
        digest=hashlib.sha256("\0".join([*texts.values(), shared, interests]).encode()).hexdigest(),
    )
