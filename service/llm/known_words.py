"""The words and runs of marks a small model was taught, where its folder lists them: any other is a slip."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import msgspec

from prompts.errors import EngineUnavailable

FILE = "words.txt"
"""In a model's folder: a word a line, in lower case, or a run of marks."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[,;:.!?]{2,}")
_SLOT = re.compile(r"\{\{.*?\}\}")


class KnownWords:
    """What a model may write beside slots."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)

    @classmethod
    def read(cls, folder: Path) -> "KnownWords | None":
        """Read a folder's list; none where it has none, as of models that write freely.

        Raises `EngineUnavailable` for a list that cannot be read.
        """
        file = folder / FILE
        try:
            return cls(file.read_text(encoding="utf-8").split()) if file.exists() else None
        except (OSError, UnicodeDecodeError) as error:
            raise EngineUnavailable(f"the words in {str(file)!r} cannot be read: {error}") from error

    def slips(self, answer: str) -> tuple[str, ...]:
        """List the words and runs of marks of a JSON answer's texts that the list lacks, each once, in order.

        Nothing for an answer that is not JSON: whoever reads it says so.
        """
        try:
            loaded = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            return ()
        found = (word for text in _texts(loaded) for word in words_of(text))
        return tuple(word for word in dict.fromkeys(found) if word not in self._words)


def words_of(text: str) -> list[str]:
    """List the words of a text, in lower case, and its runs of marks; slots are left out."""
    return _WORD.findall(_SLOT.sub(" ", text).lower())


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(cast("dict[str, object]", value).values()))
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _texts(part)
