"""The words of a definition written as text, where each stands, and how an error points at one."""

import json
import re
from collections.abc import Iterator

import msgspec

from indexing.definition_text import NAME
from indexing.errors import DefinitionTextError

_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<text>"(?:[^"\\\n]|\\.)*")
    |(?P<days>\d+d\b)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<name>{NAME.pattern})
    |(?P<sign>[!<>]=|[=<>])
    |(?P<mark>[()\[\],*])
    """,
    re.VERBOSE,
)
_SHOWN = 50
"""Characters of a line that an error shows on either side of the place, and of a word that it quotes."""


class Token(msgspec.Struct, frozen=True):
    """A word of the language and where it stands."""

    kind: str
    text: str
    place: int


class Source:
    """One text, read word by word."""

    def __init__(self, text: str) -> None:
        self._text = text

    def tokens(self) -> Iterator[Token]:
        """Yield the words in order, as they are asked for, and an `end`. Raises `DefinitionTextError`."""
        place = 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if found is None:
                raise self.error(_unreadable(self._text[place]), place)
            if found.lastgroup != "space":
                yield Token(str(found.lastgroup), found[0], place)
            place = found.end()
        yield Token("end", "", len(self._text))

    def error(self, reason: str, place: int) -> DefinitionTextError:
        """Make the error of that place: where it is, what is wrong, the line, a caret below it."""
        line = self._text.count("\n", 0, place) + 1
        start = self._text.rfind("\n", 0, place) + 1
        end = self._text.find("\n", place)
        first = max(start, place - _SHOWN)
        last = min(len(self._text) if end < 0 else end, place + _SHOWN)
        shown = "".join(letter if letter.isprintable() else " " for letter in self._text[first:last])
        where = f"line {line}, column {place - start + 1}" if "\n" in self._text else f"column {place + 1}"
        caret = f"{' ' * (place - first)}^"
        return DefinitionTextError(
            f"{where}: {reason}\n  {shown}\n  {caret}", line=line, column=place - start + 1
        )


def cut(text: str) -> str:
    """Shorten a word to what a message may hold."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def quote(text: str) -> str:
    """Write a text as it would have to stand in a definition, shortened."""
    return json.dumps(cut(text), ensure_ascii=False)


def _unreadable(letter: str) -> str:
    if letter == '"':
        return "this text has no closing double quote"
    hint = "; texts stand in double quotes" if letter in "'`\u201c\u201d\u201e\u2018\u2019" else ""
    return f"{letter!r} means nothing here{hint}"
