"""A finding: something odd about data that came in, how often, an example, and what was done about it."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from service.counts import Reject
from service.workspaces.model import ApiKey

Kind = Literal["refused", "missing", "impossible", "outlier", "duplicate", "unknown", "changed"]
"""`refused` rows are not stored, `changed` values as a rule made them, all others as they came."""

LONGEST_ABOUT = 200
LONGEST_EXAMPLE = 300
_VALUE = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|(?<!\w)-?\d[\d:.,TZ+-]*")


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One odd thing, as it was seen."""

    kind: Kind
    about: str
    """What it is, without the value: equal ones are counted together."""
    done: str
    example: str
    count: int = 1


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Equal observations of one source, added up."""

    source: str
    """`import TIME`, `key PREFIX (NAME)`, or `store` for what lies there now."""
    kind: Kind
    about: str
    done: str
    count: int
    example: str
    first_at: datetime
    last_at: datetime


def source_of(key: ApiKey) -> str:
    """Name the source that a key is."""
    return f"key {key.prefix} ({key.name[:100]})"


def pattern(reason: str) -> str:
    """Give a reason without its values, so that equal ones can be counted."""
    return _VALUE.sub("…", reason)[:LONGEST_ABOUT]


def refusals(rejects: Iterable[Reject]) -> list[Observation]:
    """Turn rows that were not stored into observations."""
    return [
        Observation(
            kind="refused",
            about=pattern(each.reason),
            done="not stored",
            # Who was erased is not to be written down again.
            example="" if "was erased" in each.reason else example(each.id, each.reason),
        )
        for each in rejects
    ]


def repeats(count: int) -> list[Observation]:
    """Turn rows that were there already into an observation."""
    sent_again = Observation(
        kind="duplicate", about="sent again", done="stored once", example="", count=count
    )
    return [sent_again] if count else []


def example(row: str, text: str) -> str:
    """Quote one case, cut where it is long."""
    return (f"{row}: {text}" if row else text)[:LONGEST_EXAMPLE]


def added_up(observations: Iterable[Observation]) -> list[Observation]:
    """Count equal observations together, the first one's example kept, in a fixed order."""
    found: dict[tuple[Kind, str], Observation] = {}
    for one in observations:
        key = (one.kind, one.about)
        known = found.get(key)
        found[key] = one if known is None else msgspec.structs.replace(known, count=known.count + one.count)
    return [found[key] for key in sorted(found)]
