"""Merge tags: `{{ first_name | default: "there" }}`, the only thing left to fill in stored copy.

The grammar is the part of Liquid that CRMs know, read in one pass:

    text     ::= ( plain | tag | literal )*
    tag      ::= "{{" name "|" "default:" quoted "}}"  |  "{{" name "}}"
    literal  ::= "{{" quoted "}}"              the quoted text itself, so that a fact may hold braces
    quoted   ::= '"' any but '"', braces, newline '"'  |  the same in single quotes

A tag needs its default, since a profile may lack the trait, unless it is known (`readers.py`) that nobody
does.
`{%` and any other `{{` are errors before copy is stored. A profile's value is text: what is filled in is
never read again.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from prompts.errors import SlotError
from prompts.readers import ASSUMED, ASSUMED_LENGTH, Readers

FIRST_NAME = '{{ first_name | default: "there" }}'

_OPEN = re.compile(r"\{\{|\{%")
_TAG = re.compile(
    r"""\{\{\s*(?:(?P<bare>\w+)|"""
    r"""(?:(?P<name>\w+)\s*\|\s*default:\s*)?(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'))\s*\}\}"""
)


class MergeTag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag in a text."""

    name: str
    default: str | None
    """None when the tag has none."""
    span: tuple[int, int]
    """Start and end in the text, in characters."""


class Literal(msgspec.Struct, frozen=True, kw_only=True):
    """Quoted text that stands for itself."""

    text: str
    span: tuple[int, int]


Piece = str | MergeTag | Literal


def parse(text: str, readers: Readers = ASSUMED) -> tuple[Piece, ...]:
    """Cut a text into plain pieces, tags and literals; their sources join to the text again.

    Of `readers` the values of every trait the text names must be known. Raises `SlotError`, quoting the
    place, for a tag that is malformed, names an unknown trait, or has no default where somebody lacks it.
    """
    pieces: list[Piece] = []
    read = 0
    while opening := _OPEN.search(text, read):
        start = opening.start()
        match = _TAG.match(text, start)
        if match is None:
            raise SlotError(
                f"cannot read {text[start : start + 40]!r} at character {start}: "
                f"a merge tag is written like {FIRST_NAME}"
            )
        if start > read:
            pieces.append(text[read:start])
        pieces.append(_piece(match, readers))
        read = match.end()
    if read < len(text):
        pieces.append(text[read:])
    return tuple(pieces)


def named(text: str) -> frozenset[str]:
    """Return the names of a text's merge tags, known or not, up to the first that cannot be read."""
    names, read = set[str](), 0
    while (opening := _OPEN.search(text, read)) and (match := _TAG.match(text, opening.start())):
        names.update(name for name in (match["bare"], match["name"]) if name)
        read = match.end()
    return frozenset(names)


def _piece(match: re.Match[str], readers: Readers) -> MergeTag | Literal:
    start, bare, quoted = match.start(), match["bare"], match["single"]
    quoted = quoted if match["double"] is None else match["double"]
    name = bare or match["name"]
    if name is None:
        return Literal(text=quoted, span=match.span())
    if (instead := readers.unknown(name)) is not None:
        raise SlotError(
            f"unknown merge tag {name!r} in {match.group()[:40]!r} at character {start}: {instead}"
        )
    if bare is not None and (lacking := readers.lacking(name)) is not None:
        raise SlotError(
            f"merge tag {match.group()!r} at character {start} has no default, and {lacking}: "
            f'write {{{{ {name} | default: "..." }}}}'
        )
    if bare is None and _OPEN.search(quoted + " "):
        raise SlotError(
            f"the default of merge tag {name!r} at character {start} may not hold braces: {quoted!r}"
        )
    return MergeTag(name=name, default=None if bare else quoted, span=match.span())


def fill(text: str, profile: Mapping[str, str | None]) -> str:
    """Write the text as one profile reads it: each tag its trait, or its default where that is missing.

    Raises `SlotError` for a tag that cannot be read. Values are text, whatever they hold.
    """
    return written(parse(text), profile)


def written(pieces: Sequence[Piece], profile: Mapping[str, str | None]) -> str:
    """Write pieces as one profile reads them. Raises `SlotError` for a tag with neither value nor default."""
    return "".join(
        piece
        if isinstance(piece, str)
        else piece.text
        if isinstance(piece, Literal)
        else _value(piece, profile)
        for piece in pieces
    )


def _value(tag: MergeTag, profile: Mapping[str, str | None]) -> str:
    value = (profile.get(tag.name) or "").strip()
    if not value and tag.default is None:
        raise SlotError(
            f"the profile has no {tag.name!r}, and the merge tag no default: "
            f'write {{{{ {tag.name} | default: "..." }}}}'
        )
    return value or tag.default or ""


def stand_in(pieces: Sequence[Piece]) -> str:
    """Write pieces with letters for each tag: as many as its default has, and no fewer than a name may."""
    return "".join(
        piece
        if isinstance(piece, str)
        else piece.text
        if isinstance(piece, Literal)
        else "n" * max(len(piece.default or ""), ASSUMED_LENGTH)
        for piece in pieces
    )
