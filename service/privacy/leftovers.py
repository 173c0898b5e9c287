"""What imports set aside, with lines about one person blanked out where they stand."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from service.privacy.model import naming

BLANKED = "erased"
"""The reason a blanked line gives."""


def blank_rejects(folder: Path, profile_id: str) -> int:
    """Blank the lines of every `rejects.jsonl` under `folder` that name the profile; return how many.

    A line keeps its kind, file and number, so that counts stay right, and its length, so that an import that
    appends at the same time loses nothing. Raises `OSError`.
    """
    return sum(_blank(path, profile_id) for path in sorted(folder.glob("*/rejects.jsonl")))


def _blank(path: Path, profile_id: str) -> int:
    blanked = 0
    with path.open("r+b") as file:
        for start, line in list(_naming_lines(path, profile_id)):
            file.seek(start)
            file.write(_blank_line(line))
            blanked += 1
    return blanked


def _naming_lines(path: Path, profile_id: str) -> Iterator[tuple[int, bytes]]:
    """Find the whole lines that name the profile, without their ends, and where they start."""
    needle = msgspec.json.encode(profile_id)[1:-1].lower()
    named = naming(needle.decode())
    start = 0
    with path.open("rb") as file:
        for line in file:
            body = line.rstrip(b"\n")
            if needle in body.lower() and named.search(body.decode("utf-8", "replace")):
                yield start, body
            start += len(line)


def _blank_line(line: bytes) -> bytes:
    try:
        known: dict[str, object] = msgspec.json.decode(line)
        place = {name: known[name] for name in ("kind", "file", "line")}
        blank = msgspec.json.encode({**place, "reason": BLANKED, "raw": None})
    except (msgspec.DecodeError, KeyError, TypeError):
        blank = b""
    return (blank if len(blank) <= len(line) else b"").ljust(len(line))
