"""The engine in process: a local folder of safetensors, run by transformers on the processor.

Asks that arrive together are generated together. Each row of a batch samples by its own seed, so an ask's
text does not depend on its company.
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
import transformers

from prompts.engine import Answer, Ask, Dialect, EngineInfo
from prompts.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable
from service.llm.sampling import RowEnd, RowSampler

_transformers: Any = transformers

WINDOW_BATCHES = 4
"""How many batches' worth of waiting asks are sorted by length together."""

SMALL_PARAMETERS = 50_000_000
"""Below this, a step is over sooner on one thread than threads can be brought together; and other work in the
process, which makes such meetings wait, does not slow it."""

LEAST_ROOM = 16
"""Tokens an answer needs at the very least."""


class _Job:
    """One ask on its way. `ended` is set from the event loop and read by the generating thread."""

    def __init__(self, ask: Ask, deadline: float) -> None:
        self.ask = ask
        self.deadline = deadline
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.size = sum(len(message.content) for message in ask.messages)
        self.dropped = False

    def ended(self) -> bool:
        """Whether nobody waits any more, or the time is up."""
        return self.dropped or time.monotonic() > self.deadline


class TransformersEngine:
    """Adapter of `prompts.engine.Engine`.

    `batch_size` asks at most are generated at a time; at most `queue_limit` may wait, a longer call being
    taken only when none do. `collect_seconds` is how long a first ask waits for company.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        info: EngineInfo,
        *,
        batch_size: int = 16,
        queue_limit: int = 512,
        collect_seconds: float = 0.004,
        timeout_seconds: float = 60.0,
        executor: Executor | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
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
        small = model.num_parameters() < SMALL_PARAMETERS
        self._threads = 1 if small else self._usual_threads

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        dialect: Dialect = "full",
        languages: tuple[str, ...] | None = None,
        **options: Any,
    ) -> "TransformersEngine":
        """Load a folder of safetensors with its tokenizer and chat template; code in it is never run.

        `options` are those of the class. Raises `EngineUnavailable` when something is missing or broken.
        """
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise EngineUnavailable(
                f"no model in {str(folder)!r} (no *.safetensors): set PITCHWRIGHT_ENGINE_MODEL to a folder "
                "with one, or PITCHWRIGHT_ENGINE_URL to a server"
            )
        local = {"local_files_only": True, "trust_remote_code": False}
        _transformers.logging.disable_progress_bar()
        try:
            tokenizer = _transformers.AutoTokenizer.from_pretrained(folder, **local)
            model = _transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, **local
            )
        # Whatever transformers, tokenizers and safetensors raise on a broken folder: no common base.
        except Exception as error:
            raise EngineUnavailable(f"the model in {str(folder)!r} does not load: {error}") from error
        if not getattr(tokenizer, "chat_template", None):
            raise EngineUnavailable(
                f"the model in {str(folder)!r} has no chat template: use an instruct model"
            )
        name = "pocket" if dialect == "pocket" else folder.name
        info = EngineInfo(
            name="transformers", model=f"{name}@{digest(weights)[:8]}", dialect=dialect, languages=languages
        )
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(model.eval(), tokenizer, info, **options)

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def healthy(self) -> bool:
        return not self._closed

    async def generate(self, asks: Sequence[Ask]) -> list[Answer]:
        if self._closed:
            raise EngineUnavailable(f"the engine {self._info.model} is closed")
        if self._waiting and len(self._waiting) + len(asks) > self._queue_limit:
            raise EngineOverloaded(
                f"{len(self._waiting)} asks already wait for {self._info.model} (limit {self._queue_limit}): "
                "try again in a moment"
            )
        deadline = time.monotonic() + self._timeout_seconds
        jobs = [_Job(ask, deadline) for ask in asks]
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
            self._settle(job, EngineUnavailable(f"the engine {self._info.model} was closed"))
        self._waiting.clear()
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
        if self._own is not None:
            await asyncio.to_thread(self._own.shutdown)

    async def _work(self) -> None:
        """Generate batch after batch until nothing waits."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._collect_seconds)
        while batch := self._next_batch():
            try:
                results = await loop.run_in_executor(self._executor, self._answer, batch)
            # Whatever torch raises must reach those who wait, and not end the worker.
            except Exception as error:
                results = [EngineError(f"{self._info.model} failed: {error}")] * len(batch)
            for job, result in zip(batch, results, strict=True):
                self._settle(job, result)
            await asyncio.sleep(0)

    def _next_batch(self) -> list[_Job]:
        """Take the oldest ask and its neighbours in length; drop what nobody waits for."""
        for job in self._waiting:
            if job.ended():
                self._settle(job, self._late())
        window: list[_Job] = []
        alive = [job for job in self._waiting if not job.answer.done()]
        if alive:
            window = sorted(alive[: self._batch_size * WINDOW_BATCHES], key=lambda job: job.size)
            start = max(0, min(window.index(alive[0]), len(window) - self._batch_size))
            window = window[start : start + self._batch_size]
        taken = set(map(id, window))
        self._waiting = deque(job for job in alive if id(job) not in taken)
        return window

    def _late(self) -> EngineTimeout:
        return EngineTimeout(
            f"{self._info.model} did not answer within {self._timeout_seconds:g} s: ask for less at a time, "
            "or raise PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS"
        )

    def _settle(self, job: _Job, result: Answer | Exception) -> None:
        if job.answer.done():
            return
        if isinstance(result, Exception):
            job.answer.set_exception(result)
        else:
            job.answer.set_result(result)

    def _answer(self, batch: list[_Job]) -> list[Answer | Exception]:
        """Generate one batch in the executor; one result per job, in order."""
        prompts: list[list[int]] = [self._encode(job.ask) for job in batch]
        results: list[Answer | Exception | None] = [self._refusal(prompt) for prompt in prompts]
        rows = [row for row, result in enumerate(results) if result is None]
        if rows:
            jobs = [batch[row] for row in rows]
            for row, result in zip(rows, self._run(jobs, [prompts[row] for row in rows]), strict=True):
                results[row] = result
        return [result or self._late() for result in results]

    def _encode(self, ask: Ask) -> list[int]:
        chat = [{"role": message.role, "content": message.content} for message in ask.messages]
        text = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def _refusal(self, prompt: list[int]) -> EngineError | None:
        limit = int(self._model.config.max_position_embeddings)
        if len(prompt) + LEAST_ROOM <= limit:
            return None
        return EngineError(
            f"the prompt has {len(prompt)} tokens, {self._info.model} reads at most {limit - LEAST_ROOM}: "
            "shorten the draft or the facts, or set PITCHWRIGHT_ENGINE_URL to a larger model"
        )

    def _run(self, jobs: list[_Job], prompts: list[list[int]]) -> list[Answer | Exception]:
        inputs = self._tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        width = inputs["input_ids"].shape[1]
        room = int(self._model.config.max_position_embeddings) - width
        limits = [min(job.ask.max_tokens, room) for job in jobs]
        end = RowEnd(width, limits, lambda row: self._closed or jobs[row].ended())
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                out = self._model.generate(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    max_new_tokens=max(limits),
                    do_sample=False,
                    logits_processor=[RowSampler([job.ask for job in jobs])],
                    stopping_criteria=[end],
                    pad_token_id=self._tokenizer.pad_token_id,
                )
        finally:
            torch.set_num_threads(self._usual_threads)
        return [
            self._late() if job.ended() else self._read(prompt, row[width:].tolist(), limit)
            for job, prompt, row, limit in zip(jobs, prompts, out, limits, strict=True)
        ]

    def _read(self, prompt: list[int], tokens: list[int], limit: int) -> Answer:
        configured: int | list[int] = self._model.generation_config.eos_token_id
        ends = {configured} if isinstance(configured, int) else set(configured)
        length = next((place for place, token in enumerate(tokens) if token in ends), None)
        kept = tokens[: min(limit, len(tokens)) if length is None else length]
        return Answer(
            text=self._tokenizer.decode(kept, skip_special_tokens=True),
            finish_reason="length" if length is None else "stop",
            prompt_tokens=len(prompt),
            completion_tokens=len(kept) + (length is not None),
        )


def digest(files: Sequence[Path]) -> str:
    """Return the sha256, in hex, over the files' bytes in order."""
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()
