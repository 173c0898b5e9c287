"""Merge tags: `{{ first_name | default: "there" }}`, the only thing left to fill in stored copy.

The grammar is the part of Liquid that CRMs know, read in one pass:

    text     ::= ( plain | tag | literal )*
    tag      ::= "{{" name "|" "default:" quoted "}}"  |  "{{" name "}}"
    literal  ::= "{{" quoted "}}"              the quoted text itself, so that a fact may hold braces
    quoted   ::= '"' any but '"', braces, newline '"'  |  the same in single quotes

A tag needs its default, since a profile may lack the trait, unless the caller knows that nobody lacks it.
`{%` and any other `{{` are errors before copy is stored. A profile's value is text: what is filled in is
never read again.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from prompts.errors import SlotError

ALLOWED: Mapping[str, int] = {"first_name": 12}
"""Tags copy may use, each with the assumed length of its value in characters when limits are counted."""

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


def parse(
    text: str, allowed: Collection[str] = ALLOWED.keys(), always: Collection[str] = ()
) -> tuple[Piece, ...]:
    """Cut a text into plain pieces, tags and literals; their sources join to the text again.

    `allowed` are the names that may be used, `always` those that may stand without a default. Raises
    `SlotError`, quoting the place, for a tag that is unknown, without a default or malformed.
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
        pieces.append(_piece(match, allowed, always))
        read = match.end()
    if read < len(text):
        pieces.append(text[read:])
    return tuple(pieces)


def _piece(match: re.Match[str], allowed: Collection[str], always: Collection[str]) -> MergeTag | Literal:
    start, bare, quoted = match.start(), match["bare"], match["single"]
    quoted = quoted if match["double"] is None else match["double"]
    name = bare or match["name"]
    if name is None:
        return Literal(text=quoted, span=match.span())
    if name not in allowed:
        known = ", ".join(sorted(allowed)) or "none"
        raise SlotError(
            f"unknown merge tag {name!r} in {match.group()[:40]!r} at character {start}: the tags allowed "
            f"here are {known}"
        )
    if bare is not None and name not in always:
        raise SlotError(
            f"merge tag {match.group()!r} at character {start} has no default, and not everybody has "
            f'{name!r}: write {{{{ {name} | default: "..." }}}}'
        )
    if bare is None and _OPEN.search(quoted + " "):
        raise SlotError(
            f"the default of merge tag {name!r} at character {start} may not hold braces: {quoted!r}"
        )
    return MergeTag(name=name, default=None if bare else quoted, span=match.span())


def tags(text: str) -> tuple[MergeTag, ...]:
    """List the merge tags of a text, in order. Raises `SlotError` as `parse` does."""
    return tuple(piece for piece in parse(text) if isinstance(piece, MergeTag))


def validate(text: str, allowed: Collection[str] = ALLOWED.keys()) -> None:
    """Raise `SlotError` unless every tag of the text can be filled."""
    parse(text, allowed)


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


def longest(text: str) -> str:
    """Replace each tag by a stand-in as long as its default or the assumed value, whichever is longer."""
    return "".join(
        piece
        if isinstance(piece, str)
        else piece.text
        if isinstance(piece, Literal)
        else "n" * max(len(piece.default or ""), ALLOWED[piece.name])
        for piece in parse(text)
    )
