"""What the engine in process asks of weights: to read tokens for several rows, and say what may follow."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol


class Reading(Protocol):
    """Rows of tokens being read together. Scores are float32[rows, vocabulary], of the token to come next."""

    def join(self, prompts: Sequence[Sequence[int]]) -> Any:
        """Add a row per prompt after those there are, and return the scores of the new rows.

        A network that does not `grow` takes rows only while it has none.
        """
        ...

    def read(self, tokens: Sequence[int]) -> Any:
        """Read one more token in every row, in their order, and return the scores of all rows."""
        ...

    def drop(self, rows: Collection[int]) -> list[int]:
        """Forget the rows at these places; return the old places of those left, in their new order."""
        ...


class Network(Protocol):
    """Weights, loaded."""

    @property
    def parameters(self) -> int: ...

    @property
    def longest(self) -> int:
        """Tokens a row can hold, prompt and answer together."""
        ...

    @property
    def vocabulary(self) -> int:
        """Scores per row; at least as many as the tokenizer has tokens."""
        ...

    @property
    def grows(self) -> bool:
        """Whether rows can join others that are being read."""
        ...

    def begin(self) -> Reading: ...
