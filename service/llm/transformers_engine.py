"""The engine in process: a local folder of safetensors, run on the processor.

Asks that arrive together are generated together, and one that comes later joins them. Each samples by its
own seed, so an ask's text does not depend on its company; but the variants of a draft begin together and are
drawn apart from one another (`service.llm.apart`), so that they depend on each other and on nothing else.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from prompts.engine import Answer, Ask, Dialect, EngineInfo, OnText
from prompts.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable
from service.llm.apart import Siblings
from service.llm.constraints import Constraints
from service.llm.decoding import Batch, Row
from service.llm.known_words import KnownWords
from service.llm.local_model import LocalModel, open_model

WINDOW_BATCHES = 4
"""How many batches' worth of waiting asks are sorted by length together."""

SMALL_PARAMETERS = 50_000_000
"""Below this, a step is over sooner on one thread than threads can be brought together; and other work in the
process, which makes such meetings wait, does not slow it."""

LEAST_ROOM = 16
"""Tokens an answer needs at the very least."""

STEPS = 8
"""Tokens written before the event loop hears of it: what ended is answered, what came meanwhile joins."""


class _Job:
    """One ask on its way. `dropped` is set from the event loop and read by the generating thread."""

    def __init__(self, ask: Ask, place: int, deadline: float, on_text: OnText | None) -> None:
        self.party = [self]
        """The jobs it begins with, in their order: variants of one draft, or itself."""
        self.siblings: Siblings | None = None
        self.ask = ask
        self.place = place
        self.deadline = deadline
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.size = sum(len(message.content) for message in ask.messages)
        self.dropped = False
        self.row: Row | None = None
        """What is being written for it."""
        self.told = ""
        """What whoever listens has heard."""
        self._on_text = on_text

    @property
    def heard(self) -> bool:
        """Whether someone listens while it is written."""
        return self._on_text is not None

    def tell(self, text: str) -> None:
        """Tell whoever listens what is new in the text so far."""
        if self._on_text is not None and len(text) > len(self.told) and text.startswith(self.told):
            self._on_text(self.place, text[len(self.told) :])
            self.told = text

    def ended(self) -> bool:
        """Whether nobody waits any more, or the time is up."""
        return self.dropped or time.monotonic() > self.deadline


class TransformersEngine:
    """Adapter of `prompts.engine.Engine`.

    `batch_size` asks at most are generated at a time; at most `queue_limit` may wait, a longer call being
    taken only when none do. `collect_seconds` is how long a first ask waits for company. `words` are all that
    the model was taught, where that is known.
    """

    def __init__(
        self,
        model: LocalModel,
        info: EngineInfo,
        *,
        batch_size: int = 32,
        queue_limit: int = 512,
        collect_seconds: float = 0.001,
        timeout_seconds: float = 60.0,
        executor: Executor | None = None,
        words: KnownWords | None = None,
    ) -> None:
        self._model = model
        self._words = words
        self._info = info
        self._batch_size = batch_size
        self._queue_limit = queue_limit
        self._collect_seconds = collect_seconds
        self._timeout_seconds = timeout_seconds
        self._own = ThreadPoolExecutor(1, thread_name_prefix="engine") if executor is None else None
        self._executor = executor or self._own
        self._waiting: deque[_Job] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._usual_threads = torch.get_num_threads()
        small = model.network.parameters < SMALL_PARAMETERS
        self._threads = 1 if small else self._usual_threads
        self._constraints = Constraints(model.tokens, model.network.vocabulary, model.ends)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        dialect: Dialect = "full",
        languages: tuple[str, ...] | None = None,
        note: str = "",
        **options: Any,
    ) -> "TransformersEngine":
        """Load a folder of safetensors with its tokenizer and chat template; code in it is never run.

        `options` are those of the class. Raises `EngineUnavailable` when something is missing or broken.
        """
        model = open_model(folder)
        name = "pocket" if dialect == "pocket" else folder.name
        weights = digest(sorted(folder.glob("*.safetensors")))
        info = EngineInfo(
            name="transformers",
            model=f"{name}@{weights[:8]}",
            dialect=dialect,
            languages=languages,
            note=note,
        )
        return cls(model, info, words=KnownWords.read(folder), **options)

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def healthy(self) -> bool:
        return not self._closed

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        if self._closed:
            raise EngineUnavailable(f"the engine {self._info.model} is closed")
        if self._waiting and len(self._waiting) + len(asks) > self._queue_limit:
            raise EngineOverloaded(
                f"{len(self._waiting)} asks already wait for {self._info.model} (limit {self._queue_limit}): "
                "try again in a moment"
            )
        deadline = time.monotonic() + self._timeout_seconds
        jobs = [_Job(ask, place, deadline, on_text) for place, ask in enumerate(asks)]
        _form_parties(jobs, self._batch_size)
        self._waiting.extend(jobs)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="engine-batches")
        try:
            return list(await asyncio.gather(*(job.answer for job in jobs)))
        finally:
            for job in jobs:
                job.dropped = True
                if not job.answer.cancel() and not job.answer.cancelled():
                    job.answer.exception()  # read, or asyncio reports a second failure as lost

    async def close(self) -> None:
        self._closed = True
        for job in self._waiting:
            self._settle(job, self._gone())
        self._waiting.clear()
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
        if self._own is not None:
            await asyncio.to_thread(self._own.shutdown)

    async def _work(self) -> None:
        """Write until nothing waits and nothing is being written."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._collect_seconds)
        batch = self._new_batch()
        writing: list[_Job] = []
        while True:
            joining = self._next_jobs(self._batch_size - len(writing)) if batch.open else []
            writing.extend(joining)
            if not writing:
                return
            try:
                refused = await loop.run_in_executor(self._executor, self._advance, batch, joining)
            # Whatever torch raises must reach those who wait, and not end the worker.
            except Exception as error:
                refused = dict.fromkeys(writing, EngineError(f"{self._info.model} failed: {error}"))
                batch = self._new_batch()
            rows = set(map(id, batch.rows))
            for job in writing:
                if id(job.row) not in rows:
                    self._settle(job, refused.get(job) or self._result(job))
                elif job.heard and job.row is not None:
                    job.tell(self._text_so_far(job.row))
            writing = [job for job in writing if id(job.row) in rows]
            await asyncio.sleep(0)

    def _new_batch(self) -> Batch:
        return Batch(self._model.network, self._model.ends)

    def _next_jobs(self, places: int) -> list[_Job]:
        """Take the oldest ask and its neighbours in length; drop what nobody waits for."""
        for job in self._waiting:
            if job.ended():
                self._settle(job, self._late())
        alive = [job for job in self._waiting if not job.answer.done()]
        near = alive[: places * WINDOW_BATCHES]
        near.sort(key=lambda job: abs(job.size - alive[0].size))
        taken: dict[int, _Job] = {}
        for job in near:
            if id(job) in taken:
                continue
            party = [member for member in job.party if not member.answer.done()]
            if len(taken) + len(party) <= places:
                taken |= {id(member): member for member in party}
            elif job is alive[0]:
                return []  # the oldest goes first, as soon as there is room for all of its draft
        self._waiting = deque(job for job in alive if id(job) not in taken)
        return list(taken.values())

    def _late(self) -> EngineTimeout:
        return EngineTimeout(
            f"{self._info.model} did not answer within {self._timeout_seconds:g} s: ask for less at a time, "
            "or raise PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS"
        )

    def _gone(self) -> EngineUnavailable:
        return EngineUnavailable(f"the engine {self._info.model} was closed")

    def _settle(self, job: _Job, result: Answer | Exception) -> None:
        if job.answer.done():
            return
        if isinstance(result, Exception):
            job.answer.set_exception(result)
        else:
            job.tell(result.text)
            job.answer.set_result(result)

    def _advance(self, batch: Batch, joining: list[_Job]) -> dict[_Job, EngineError]:
        """Write some tokens more, in the executor; return what was refused of those who join."""
        refused: dict[_Job, EngineError] = {}
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                for job in joining:
                    try:
                        job.row = self._prepare(job)
                    except EngineError as error:
                        refused[job] = error
                if rows := [job.row for job in joining if job.row is not None]:
                    batch.join(rows)
                batch.leave()
                for _ in range(STEPS):
                    if not batch.rows:
                        break
                    batch.step()
                    batch.leave()
        finally:
            torch.set_num_threads(self._usual_threads)
        return refused

    def _prepare(self, job: _Job) -> Row:
        """Make a row of an ask. Raises `EngineError` when its prompt or its schema cannot be taken."""
        prompt, longest = self._model.tokens.encode(job.ask.messages), self._model.network.longest
        if len(prompt) + LEAST_ROOM > longest:
            raise EngineError(
                f"the prompt has {len(prompt)} tokens, {self._info.model} reads at most "
                f"{longest - LEAST_ROOM}: shorten the draft or the facts, or set PITCHWRIGHT_ENGINE_URL to a "
                "larger model"
            )
        schema = job.ask.json_schema
        constraint = None if schema is None else self._constraints.constrain(schema)
        limit = min(job.ask.max_tokens, longest - len(prompt))
        cuts = self._model.cuts
        if job.ask.top_p is not None:
            cuts = cuts._replace(top_p=job.ask.top_p)
        if job.ask.min_p is not None:
            cuts = cuts._replace(min_p=job.ask.min_p)
        return Row(
            job.ask,
            prompt,
            limit,
            constraint,
            cuts,
            lambda: self._closed or job.ended(),
            job.siblings,
            job.party.index(job),
        )

    def _text_so_far(self, row: Row) -> str:
        """Return what a row holds, without the beginning of a character that is not complete."""
        return self._model.tokens.decode(row.tokens).rstrip("\ufffd")

    def _result(self, job: _Job) -> Answer | EngineError:
        """Say what became of an ask whose row has left its batch."""
        row = job.row
        if row is None or row.finish is None:
            return self._gone() if self._closed else self._late()
        text = self._model.tokens.decode(row.tokens)
        return Answer(
            text=text,
            finish_reason=row.finish,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.tokens) + (row.finish == "stop"),
            slips=self._words.slips(text) if self._words else (),
        )


def _form_parties(jobs: Sequence[_Job], most: int) -> None:
    """Let the variants of each draft begin together, `most` at a time: so many can be written at once."""
    drafts: dict[str, list[_Job]] = {}
    for job in jobs:
        if job.ask.draft is not None and job.ask.temperature > 0:
            drafts.setdefault(job.ask.draft, []).append(job)
    for variants in drafts.values():
        for start in range(0, len(variants), most):
            party = variants[start : start + most]
            siblings = Siblings() if len(party) > 1 else None
            for job in party:
                job.party, job.siblings = party, siblings


def digest(files: Sequence[Path]) -> str:
    """Return the sha256, in hex, over the files' bytes in order."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()
