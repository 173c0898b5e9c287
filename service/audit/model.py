"""An entry of the audit log, and the chain that shows when one was changed or taken away."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

START = "0" * 64
"""What the first entry follows."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did, before it has a place in the log."""

    at: datetime
    actor: str
    """A key as `pw_<prefix>`, or `cli:<user>`."""
    actor_name: str
    action: str
    """Method and route, e.g. `DELETE /v1/profiles/{profile_id}`, or a command, e.g. `keys create`."""
    target: dict[str, str] = {}
    """What it was done to; profiles by keyed hash, as in receipts of erasures."""
    status: int | None = None
    """How it was answered over HTTP; refusals are on record too."""
    origin: str = ""
    """The address it came from, or the machine's name."""
    request_id: str = ""


class Entry(Act, frozen=True, kw_only=True):
    """An act in its place."""

    number: int
    """1, 2, 3, ... in the workspace."""
    digest: str
    """sha256 over the digest before and everything else of this entry, 64 hex digits."""


def chained(act: Act, number: int, before: str) -> Entry:
    """Give an act its place after the entry whose digest is `before`."""
    fields = {name: getattr(act, name) for name in Act.__struct_fields__}
    return Entry(**fields, number=number, digest=_digest(fields, number, before))


def first_break(entries: Iterable[Entry]) -> int | None:
    """Return the number of the first entry that is not what was recorded, or follows a gap; none if all are.

    The entries from number 1 on, in order. What was cut off at the end cannot be seen from the rest: keep
    the last digest of each export elsewhere, and compare.
    """
    before, expected = START, 1
    for entry in entries:
        fields = {name: getattr(entry, name) for name in Act.__struct_fields__}
        if entry.number != expected or entry.digest != _digest(fields, expected, before):
            return expected
        before, expected = entry.digest, expected + 1
    return None


def _digest(fields: dict[str, object], number: int, before: str) -> str:
    content = msgspec.json.encode([before, number, fields], order="deterministic")
    return hashlib.sha256(content).hexdigest()
