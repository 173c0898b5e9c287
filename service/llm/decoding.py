"""Answers written together, token by token: rows join a running batch, and leave it as soon as they end."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from prompts.engine import Ask
from service.llm.apart import Siblings
from service.llm.constraints import Constraint, restrict
from service.llm.network import Network, Reading
from service.llm.sampling import Chance, Company, Cuts, draw, stream


class Row:
    """One answer being written, of at most `limit` tokens, for as long as it is not `unwanted`.

    With `siblings` it is the variant at `place` of a draft whose variants join a batch at the same time.
    """

    def __init__(
        self,
        ask: Ask,
        prompt: Sequence[int],
        limit: int,
        constraint: Constraint | None,
        cuts: Cuts,
        unwanted: Callable[[], bool],
        siblings: Siblings | None = None,
        place: int = 0,
    ) -> None:
        self.ask = ask
        self.cuts = cuts
        self.prompt = prompt
        self.limit = limit
        self.constraint = constraint
        self.unwanted = unwanted
        self.siblings = siblings
        self.place = place
        self.tokens: list[int] = []
        """What was written, without the token that ended it."""
        self.finish: Literal["stop", "length"] | None = None
        self._uniform = stream(ask.seed, limit) if ask.temperature > 0 else []

    def chance(self) -> Chance:
        """Return how the next token is drawn."""
        uniform = self._uniform[len(self.tokens)] if self._uniform else 0.0
        company = None
        if self.siblings is not None:
            company = Company(self.siblings, self.place, self.tokens[-1] if self.tokens else -1)
        return Chance(self.ask.temperature, self.cuts, uniform, company)


class Batch:
    """The rows being written together."""

    def __init__(self, network: Network, ends: frozenset[int]) -> None:
        self._network = network
        self._ends = ends
        self._reading: Reading = network.begin()
        self.rows: list[Row] = []

    @property
    def open(self) -> bool:
        """Whether rows can join now."""
        return not self.rows or self._network.grows

    def join(self, rows: Sequence[Row]) -> None:
        """Read the prompts of new rows and write their first tokens. Raises what the network raises."""
        scores = self._reading.join([row.prompt for row in rows])
        self.rows.extend(rows)
        self._write(rows, scores)

    def step(self) -> None:
        """Write one more token in every row; none may have ended. Raises what the network raises."""
        self._write(self.rows, self._reading.read([row.tokens[-1] for row in self.rows]))

    def leave(self) -> None:
        """Take out the rows that finished or are not wanted any more."""
        gone = {place for place, row in enumerate(self.rows) if row.finish is not None or row.unwanted()}
        if gone:
            self.rows = [self.rows[place] for place in self._reading.drop(gone)]

    def _write(self, rows: Sequence[Row], scores: Any) -> None:
        restrict(scores, [row.constraint for row in rows])
        tokens = draw(scores, [row.chance() for row in rows])
        for row, token in zip(rows, tokens, strict=True):
            if token in self._ends:
                row.finish = "stop"
                continue
            row.tokens.append(token)
            if row.constraint is not None:
                row.constraint.take(token)
            if len(row.tokens) == row.limit:
                row.finish = "length"
