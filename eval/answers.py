"""Answers kept on disk, so that a run that was killed goes on where it was and the same is never paid twice.

One small file per answer, written beside and renamed, so that a kill leaves it whole or absent. Its name is
the sha256 of all that decides an answer: engine, model, dialect, whatever made the answer where the engine
runs in this process, the messages (which hold prompt and brief), output schema, token limit, temperature,
top-p, seed, and the number of the repeat.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from eval.errors import LimitReached
from eval.suite import Limits
from prompts.engine import Answer, Ask, Engine, EngineInfo, OnText

FORMAT = 1
"""Of the files and of what goes into their names."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer and how long it took when it was given."""

    answer: Answer
    seconds: float


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What one draft took."""

    asks: int = 0
    kept: int = 0
    """Asks answered from an earlier run."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: tuple[float, ...] = ()
    """From asking to each answer, in the company of all that was under way; of a kept one, as it was then."""

    def plus(self, kept: KeptAnswer, *, fresh: bool) -> "Spent":
        """Add one answer."""
        return Spent(
            asks=self.asks + 1,
            kept=self.kept + (not fresh),
            prompt_tokens=self.prompt_tokens + kept.answer.prompt_tokens,
            completion_tokens=self.completion_tokens + kept.answer.completion_tokens,
            seconds=(*self.seconds, kept.seconds),
        )


class Answers:
    """A folder of answers; without a folder nothing is kept. `made_by` is part of every name."""

    def __init__(self, folder: Path | None, *, made_by: str = "") -> None:
        self._folder = folder
        self._made_by = made_by

    @property
    def kept(self) -> bool:
        """Whether answers outlive the run."""
        return self._folder is not None

    def name(self, info: EngineInfo, ask: Ask, repeat: int) -> str:
        """Name what decides an answer: sha256, hex. The draft does not: each ask is sent by itself."""
        lone = msgspec.structs.replace(ask, draft=None)
        decisive = (FORMAT, self._made_by, info.name, info.model, info.dialect, lone, repeat)
        return hashlib.sha256(msgspec.json.encode(decisive, order="deterministic")).hexdigest()

    def read(self, name: str) -> KeptAnswer | None:
        """Read an answer; none when it is not there or its file is damaged."""
        if self._folder is None:
            return None
        try:
            return msgspec.json.decode(self._path(self._folder, name).read_bytes(), type=KeptAnswer)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write(self, name: str, kept: KeptAnswer) -> None:
        """Keep an answer; raises `OSError` when the folder cannot be written to."""
        if self._folder is None:
            return
        path = self._path(self._folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.new")
        beside.write_bytes(msgspec.json.encode(kept))
        beside.replace(path)

    def _path(self, folder: Path, name: str) -> Path:
        return folder / name[:2] / f"{name}.json"


class Purse:
    """What a candidate may still cost, counted over all its drafts."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._begun = clock()
        self._tokens = 0

    def open(self) -> None:
        """Raise `LimitReached` when nothing more may be asked."""
        most, longest = self._limits.tokens, self._limits.seconds
        if most is not None and self._tokens >= most:
            raise LimitReached(f"the limit of {most:,} tokens is reached ({self._tokens:,} were spent)")
        if longest is not None and self._clock() - self._begun >= longest:
            raise LimitReached(f"the limit of {longest:g} seconds is reached")

    def pay(self, answer: Answer) -> None:
        """Count an answer that was asked for."""
        self._tokens += answer.prompt_tokens + answer.completion_tokens


class Booked:
    """An engine for one draft: it answers from what is kept, keeps what it asks, and counts both."""

    def __init__(self, engine: Engine, answers: Answers, purse: Purse, repeat: int = 0) -> None:
        self._engine = engine
        self._answers = answers
        self._purse = purse
        self._repeat = repeat
        self.spent = Spent()

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def healthy(self) -> bool:
        return await self._engine.healthy()

    async def close(self) -> None:
        """Leave the engine open: it is everybody's."""

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        del on_text  # nobody listens while a suite runs
        # All of them to their end, so that what one ask was answered is kept although another one failed.
        found = await asyncio.gather(*map(self._answer, asks), return_exceptions=True)
        answers: list[Answer] = []
        for answer in found:
            if isinstance(answer, BaseException):
                raise answer
            answers.append(answer)
        return answers

    async def _answer(self, ask: Ask) -> Answer:
        name = self._answers.name(self.info, ask, self._repeat)
        kept = await asyncio.to_thread(self._answers.read, name)
        if kept is not None:
            self.spent = self.spent.plus(kept, fresh=False)
            return kept.answer
        self._purse.open()
        begun = time.perf_counter()
        (answer,) = await self._engine.generate([ask])
        kept = KeptAnswer(answer=answer, seconds=time.perf_counter() - begun)
        self._purse.pay(answer)
        await asyncio.to_thread(self._answers.write, name, kept)
        self.spent = self.spent.plus(kept, fresh=True)
        return answer
