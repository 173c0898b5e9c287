"""The record of the rows an import could not use."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from service.importing.model import Kind, Reject, RejectReason

MOST_REASONS = 10
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'")


class RejectLog:
    """Writes `rejects.jsonl`, made with the first reject, and counts reasons."""

    def __init__(self, folder: Path, now: datetime, veil: Callable[[Reject], Reject]) -> None:
        """Take where to write, when the import began, and what hides values that are not to be written."""
        self._parent = folder
        self._veil = veil
        self._stem = now.strftime("%Y%m%dT%H%M%SZ")
        self._path: Path | None = None
        self._counts: dict[tuple[Kind, str], int] = {}
        self._first: dict[tuple[Kind, str], Reject] = {}

    @property
    def path(self) -> Path | None:
        """Where the rejects are; none while there are none."""
        return self._path

    def add(self, rejects: Iterable[Reject]) -> None:
        """Append rejects."""
        rows = [self._veil(each) for each in rejects]
        if not rows:
            return
        if self._path is None:
            self._path = self._make_folder() / "rejects.jsonl"
        encode = msgspec.json.Encoder().encode
        with self._path.open("ab") as file:
            for reject in rows:
                file.write(encode(reject) + b"\n")
                key = (reject.kind, _QUOTED.sub("…", reject.reason))
                self._counts[key] = self._counts.get(key, 0) + 1
                self._first.setdefault(key, reject)

    def count(self, kind: Kind) -> int:
        """Rows of a kind rejected so far."""
        return sum(number for (each, _), number in self._counts.items() if each == kind)

    @property
    def name(self) -> str:
        """When the import was, as its folder is called."""
        return self._stem if self._path is None else self._path.parent.name

    def reasons(self, most: int | None = MOST_REASONS) -> tuple[RejectReason, ...]:
        """Return the most frequent reasons, first the most frequent."""
        ranked = sorted(self._counts, key=lambda key: (-self._counts[key], key))[:most]
        return tuple(
            RejectReason(
                kind=kind,
                reason=reason,
                count=self._counts[kind, reason],
                example=self._first[kind, reason].reason,
                file=self._first[kind, reason].file,
                line=self._first[kind, reason].line,
            )
            for kind, reason in ranked
        )

    def _make_folder(self) -> Path:
        """Make a folder no other import has."""
        number = 1
        while True:
            folder = self._parent / (self._stem if number == 1 else f"{self._stem}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return folder
