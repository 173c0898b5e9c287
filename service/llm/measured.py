"""An engine whose work is counted: answers, tokens, seconds and failures, whatever the adapter."""

import time
from collections.abc import Mapping, Sequence

from prompts.engine import Answer, Ask, Engine, EngineInfo, OnText
from prompts.errors import EngineError
from service.llm.openai_engine import OpenAIEngine
from service.telemetry import Metrics
from service.tracing import span


class MeasuredEngine:
    """Adapter of `prompts.engine.Engine` around another one."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def healthy(self) -> bool:
        return await self._engine.healthy()

    async def close(self) -> None:
        await self._engine.close()

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        started = time.perf_counter()
        about = {"pitchwright.model": self.info.model, "pitchwright.asks": len(asks)}
        try:
            with span("engine.generate", about):
                answers = await self._engine.generate(asks, on_text=on_text)
        except EngineError as error:
            self._metrics.engine_failures.labels(type(error).__name__).inc()
            raise
        finally:
            self._metrics.engine_seconds.observe(time.perf_counter() - started)
        for answer in answers:
            self._metrics.engine_tokens.labels("prompt").inc(answer.prompt_tokens)
            self._metrics.engine_tokens.labels("completion").inc(answer.completion_tokens)
        return answers

    def resting(self) -> Mapping[str, bool]:
        """Say of each server whether it is left alone after failures; an engine in process has none."""
        return self._engine.resting() if isinstance(self._engine, OpenAIEngine) else {}
