"""Measures how fast a model in a folder answers: in process, alone and together, and behind the real vLLM."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from eval.figures import Figure, figure
from prompts.engine import Ask, Engine
from prompts.errors import EngineError
from service.llm.openai_engine import OpenAIEngine
from service.llm.pocket.vllm_server import vllm_server
from service.llm.transformers_engine import TransformersEngine

BATCH_SIZE = 16
BATCHED_GAIN = 4.0
"""How many times as many tokens a second batches must write as one answer at a time."""
LOAD_SECONDS = 2.0
ALONE = 16
"""How many of the asks are also answered one at a time."""
TIMEOUT_SECONDS = 3600.0

_UNIT = "tokens/s"
_OPEN = """
import time
started = time.perf_counter()
import pathlib, sys
from service.llm.transformers_engine import TransformersEngine
TransformersEngine.open(pathlib.Path(sys.argv[1]))
print(time.perf_counter() - started)
"""


class _Alone(msgspec.Struct, frozen=True):
    """Asks answered one at a time."""

    tokens_per_second: float
    seconds: tuple[float, ...]
    """Of each answer."""


def measure_speed(
    folder: Path, asks: Sequence[Ask], *, vllm_python: Path | None, repeats: int
) -> list[Figure]:
    """Measure output tokens a second, the wait for a first answer, and loading; medians over `repeats`.

    The batched figure is taken over all asks, `BATCH_SIZE` at a time, the unbatched one over the first
    `ALONE`, that of one prompt over every `BATCH_SIZE`th ask, so many variants of each, as drafts are
    asked for. Figures of batching are left out with fewer asks than a batch, those of vLLM without the
    interpreter of a venv that has it. Raises `ValueError` without asks or repeats, `EngineError` when an
    engine fails, and what `vllm_server` raises.
    """
    if not asks or repeats < 1:
        raise ValueError(f"{len(asks)} asks and {repeats} repeats measure nothing: give one of each at least")
    measured = asyncio.run(_in_process(folder, asks, repeats))
    unbatched = ("unbatched", measured[0].value)
    if vllm_python is not None:
        with (
            tempfile.TemporaryDirectory() as kept,
            vllm_server(vllm_python, folder, Path(kept) / "log") as url,
        ):
            speed = asyncio.run(_served(url, asks, repeats))
        measured.append(figure("pocket.speed.vllm", speed, unit=_UNIT, n=len(asks), baseline=unbatched))
    seconds = median(load_seconds(folder) for _ in range(repeats))
    measured.append(figure("pocket.load", seconds, unit="s", n=repeats, at_most=LOAD_SECONDS))
    return measured


async def _in_process(folder: Path, asks: Sequence[Ask], repeats: int) -> list[Figure]:
    engine = TransformersEngine.open(folder, batch_size=BATCH_SIZE, timeout_seconds=TIMEOUT_SECONDS)
    try:
        await engine.generate(asks[:BATCH_SIZE])
        rounds = [
            (
                await answer_alone(engine, asks[:ALONE]),
                await answer_together(engine, asks),
                await answer_together(engine, _variants(asks)),
            )
            for _ in range(repeats)
        ]
    finally:
        await engine.close()
    alone = [one for one, _, _ in rounds]
    speed, together, drafts = (
        median(values)
        for values in zip(*((one.tokens_per_second, many, same) for one, many, same in rounds), strict=True)
    )
    waits = [seconds for one in alone for seconds in one.seconds]
    measured = [figure("pocket.speed.unbatched", speed, unit=_UNIT, n=min(ALONE, len(asks)))]
    if len(asks) >= BATCH_SIZE:
        baseline = ("unbatched", speed)
        measured += [
            figure("pocket.speed.batched", together, unit=_UNIT, n=len(asks), baseline=baseline),
            # Both of a round are measured next to each other: what else slows the machine slows them alike.
            figure(
                "pocket.speed.batched_gain",
                median(many / one.tokens_per_second for one, many, _ in rounds),
                n=repeats,
                at_least=BATCHED_GAIN,
            ),
            figure("pocket.speed.one_prompt", drafts, unit=_UNIT, n=len(_variants(asks)), baseline=baseline),
            figure(
                "pocket.speed.one_prompt_gain",
                median(same / one.tokens_per_second for one, _, same in rounds),
                n=repeats,
                at_least=BATCHED_GAIN,
            ),
        ]
    measured.append(figure("pocket.first_variant", median(waits), unit="s", n=len(waits)))
    return measured


def _variants(asks: Sequence[Ask]) -> list[Ask]:
    """Ask `BATCH_SIZE` variants of every `BATCH_SIZE`th ask, each with its own seed."""
    return [
        msgspec.structs.replace(ask, seed=ask.seed + variant)
        for ask in asks[::BATCH_SIZE]
        for variant in range(BATCH_SIZE)
    ]


async def _served(url: str, asks: Sequence[Ask], repeats: int) -> float:
    def connect() -> OpenAIEngine:
        return OpenAIEngine.open(url, timeout_seconds=TIMEOUT_SECONDS, concurrency=len(asks))

    engine = await asyncio.to_thread(connect)
    try:
        await engine.generate(asks[:BATCH_SIZE])
        return median([await answer_together(engine, asks) for _ in range(repeats)])
    finally:
        await engine.close()


async def answer_alone(engine: Engine, asks: Sequence[Ask]) -> _Alone:
    """Answer one ask after another. Raises what the engine raises."""
    tokens, seconds = 0, list[float]()
    for ask in asks:
        started = time.perf_counter()
        (answer,) = await engine.generate([ask])
        seconds.append(time.perf_counter() - started)
        tokens += answer.completion_tokens
    return _Alone(tokens / sum(seconds), tuple(seconds))


async def answer_together(engine: Engine, asks: Sequence[Ask]) -> float:
    """Answer asks given all at once; return output tokens a second. Raises what the engine raises."""
    started = time.perf_counter()
    answers = await engine.generate(asks)
    return sum(answer.completion_tokens for answer in answers) / (time.perf_counter() - started)


def load_seconds(folder: Path) -> float:
    """Open the engine in a fresh Python process; return the seconds, with all imports it takes.

    Raises `EngineError` when it does not open.
    """
    done = subprocess.run([sys.executable, "-c", _OPEN, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"the engine does not open {str(folder)!r}: {done.stderr.strip()[-500:]}")
    return float(done.stdout)
