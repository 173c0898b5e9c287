"""A campaign on the real vLLM with the embedded model's weights, beside vLLM's own offline batch.

Both write the same prompts with the same sampling under the same schemas on the same cores, in the same run:
the one by `LLM.chat`, all given at once, the other behind vLLM's server, checked, scored and stored. And what
vLLM's prefix cache knows of prompts of the full dialect, in the order of the campaign and in none.
"""

import asyncio
import math
import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec

from eval.figures import Figure, Figures, figure, figures
from prompts.engine import Ask
from service.benchmarks import offline
from service.benchmarks.bare import own_databases
from service.benchmarks.campaign import Plan, Rate, shop, unit_asks
from service.benchmarks.campaign_desk import PER_ITEM, campaign_of, desk
from service.benchmarks.processes import cpu_seconds
from service.benchmarks.rig import Progress
from service.errors import DependencyError
from service.llm.load import POCKET_FOLDER
from service.llm.openai_engine import base_url
from service.llm.pocket.held_out import load_facts
from service.llm.pocket.vllm_server import vllm_server
from service.llm.vllm_engine import ON_PROCESSOR
from service.runtime import open_runtime
from service.settings import Settings

RATIO = 0.6
"""How much of the offline batch's tokens a second must be left."""
LONGEST = {"pocket": 1024, "full": 4096}
"""Tokens of prompt and answer, by dialect: room for what an e-mail may take. The weights were trained for
512."""
PROBED = 200
"""Units, at most, whose prompts of the full dialect are read in both orders."""
BLOCK, CACHED = 32, 65_536
"""Tokens of a block of the prefix cache, and of all its blocks: some forty prompts, as on a busy server."""
SERVED_AT_ONCE = 128
"""Answers asked of vLLM's server at a time: as many as its CPU build writes at a time."""
AT_ONCE = 16
"""Prompts under way at a time while the cache is watched."""
OFFLINE_SECONDS = 3600
_REASON = re.compile(r"\w*Error: .+")
"""What its processes say of their end; the first is the cause, those after it lost their engine."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one batch of `offline.py`."""

    seconds: float
    tokens: float
    hits: float
    queries: float


async def benchmark_on_vllm(
    plan: Plan, python: Path, settings: Settings, progress: Progress | None = None
) -> Figures:
    """Measure it with this interpreter's vLLM.

    Raises DependencyError when a process does not come up or units fail, and what `vllm_server` raises.
    """
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-campaign-")))
        url = None
        if plan.server is not None:
            [url] = await stack.enter_async_context(own_databases(plan.server, 1))
        items = math.ceil(plan.units / PER_ITEM)
        probed = min(items, math.ceil(PROBED / PER_ITEM))
        kinds = len(load_facts().products)
        tell("filling the shop", 0, None)
        served = await shop(settings, folder / "served", url, items, kinds)
        preparing = await shop(settings, folder / "preparing", None, items, kinds)
        campaign = campaign_of(items, seed=plan.seed)
        async with open_runtime(preparing) as runtime:
            asks = await unit_asks(runtime, campaign)
        full = msgspec.structs.replace(
            preparing, engine_url="http://unasked.invalid", engine_model="unasked", engine_dialect="full"
        )
        async with open_runtime(full) as runtime:
            probes = await unit_asks(runtime, campaign_of(probed, seed=plan.seed))
        tell("vLLM's own offline batch", 0, None)
        warm, bare = await _offline(python, folder, [_told(asks[:PER_ITEM]), _told(asks)], _engine("pocket"))
        del warm
        tell("reading full prompts in both orders", 0, None)
        cache = {"num_gpu_blocks_override": CACHED // BLOCK, "max_num_seqs": AT_ONCE}
        orders = [_told(each, answered=False) for each in (probes, shuffled(probes, plan.seed))]
        ordered, mixed = await _offline(python, folder, orders, _engine("full") | cache)
        tell("starting vLLM", 0, None)
        log = folder / "vllm.log"
        address = stack.enter_context(
            vllm_server(python, POCKET_FOLDER, log, longest=LONGEST["pocket"], beside_others=True)
        )
        running = desk(
            served,
            folder,
            engine=base_url(address),
            model="pocket",
            dialect="pocket",
            concurrency=SERVED_AT_ONCE,
        )
        at = await stack.enter_async_context(running)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=600))
        warming = campaign_of(1, seed=plan.seed + 1)
        await at.written(await at.order(warming))
        tokens, used = await _written(client, address), cpu_seconds(at.worker)
        job = await at.written(
            await at.order(campaign), lambda done, _: tell("writing units", done, len(asks))
        )
        tokens, spent = await _written(client, address) - tokens, cpu_seconds(at.worker)
        whole = Rate(tokens, ((job.completed_at or job.updated_at) - job.created_at).total_seconds())
    cpu = None if used is None or spent is None else spent - used
    measured = vllm_figures(len(asks), whole, bare, cpu) + cache_figures(len(probes), ordered, mixed)
    command = f"pitchwright bench campaign --units {plan.units} --vllm-python PYTHON"
    data = {
        "store": "sqlite" if plan.server is None else "postgresql",
        "asked at a time": str(SERVED_AT_ONCE),
        "prefix cache": f"{CACHED} tokens in blocks of {BLOCK}, {AT_ONCE} prompts at a time",
    }
    return figures(command, measured, seconds=time.perf_counter() - begun, seed=plan.seed, data=data)


def vllm_figures(units: int, whole: Rate, bare: Batch, cpu_seconds: float | None) -> list[Figure]:
    """Say how much of the offline batch's speed a campaign has."""
    alone = bare.tokens / bare.seconds
    made = [
        figure(
            "campaign.vllm.tokens_per_second",
            whole.per_second,
            unit="tokens/s",
            n=units,
            baseline=("vLLM's offline batch", alone),
        ),
        figure("campaign.vllm.ratio", whole.per_second / alone, n=units, at_least=RATIO),
    ]
    if cpu_seconds is not None:
        made.append(figure("campaign.vllm.cpu_per_unit", 1000 * cpu_seconds / units, unit="ms", n=units))
    return made


def cache_figures(prompts: int, ordered: Batch, mixed: Batch) -> list[Figure]:
    """Say how much of full prompts the prefix cache knew in the campaign's order, beside a random one."""
    by_chance = ("random order", mixed.hits / mixed.queries)
    return [
        figure("campaign.prefix_cache.hits", ordered.hits / ordered.queries, n=prompts, baseline=by_chance),
        figure("campaign.prefix_cache.prompt_tokens", ordered.queries / prompts, unit="tokens", n=prompts),
    ]


def shuffled(asks: Sequence[Ask], seed: int) -> list[Ask]:
    """Put asks in a random order."""
    mixed = list(asks)
    random.Random(seed).shuffle(mixed)  # noqa: S311 # an order, no secret
    return mixed


def _engine(dialect: str) -> dict[str, Any]:
    """Say what `vllm.LLM` is opened with: as `vllm_server` is, but with processes as they come."""
    longest = LONGEST[dialect]
    return {
        "model": str(POCKET_FOLDER),
        **ON_PROCESSOR,
        "max_model_len": longest,
        "enforce_eager": True,
        "block_size": BLOCK,
        "hf_overrides": {"max_position_embeddings": longest},
    }


def _told(asks: Sequence[Ask], *, answered: bool = True) -> list[dict[str, Any]]:
    return [
        {
            "messages": [{"role": each.role, "content": each.content} for each in ask.messages],
            "max_tokens": ask.max_tokens if answered else 1,
            "temperature": ask.temperature,
            "seed": ask.seed,
            "schema": ask.json_schema if answered else None,
        }
        for ask in asks
    ]


async def _offline(
    python: Path, folder: Path, batches: Sequence[Sequence[Mapping[str, Any]]], engine: Mapping[str, Any]
) -> list[Batch]:
    """Run batches offline. Raises DependencyError, with the end of what it said, when that fails."""
    job, result = folder / "job.json", folder / "result.json"
    job.write_bytes(msgspec.json.encode({"engine": engine, "batches": batches}))
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [python, "-P", offline.__file__, job, result],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=OFFLINE_SECONDS,
            check=False,
        )

    done = await asyncio.to_thread(run)
    if done.returncode:
        said = done.stdout + done.stderr
        reason = ([*_REASON.findall(said), ""])[0]
        raise DependencyError(f"vLLM's offline batch failed: {reason}\n{said[-2000:]}")
    return msgspec.json.decode(result.read_bytes(), type=list[Batch])


async def _written(client: httpx.AsyncClient, address: str) -> float:
    """Read vLLM's own count of the tokens it wrote."""
    text = (await client.get(f"{address}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("vllm:generation_tokens_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
