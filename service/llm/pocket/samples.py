"""Unselected samples for a person to read: as many of each channel, first tries, good and bad."""

import asyncio
from pathlib import Path

from prompts.brief import Brief
from prompts.interests import ANYONE
from service.llm.pocket.evaluation import SAMPLED, answer
from service.llm.pocket.held_out import by_channel
from service.llm.pocket.judging import Judged
from service.llm.pocket.sketch import CHANNELS
from service.llm.transformers_engine import TransformersEngine


def write_samples(folder: Path, *, each: int, seed: int) -> str:
    """Write `each` samples of every channel as Markdown; the same weights and seed give the same text.

    Raises `EngineUnavailable` when there is no model in the folder.
    """
    engine = TransformersEngine.open(folder, dialect="pocket", timeout_seconds=3600)
    briefs = by_channel(each, CHANNELS, seed)

    async def run() -> list[Judged]:
        try:
            return await answer(engine, briefs, temperature=SAMPLED, seed=seed)
        finally:
            await engine.close()

    judged = asyncio.run(run())
    lines = [
        f"# {len(judged)} samples of the pocket model",
        "",
        f"Unselected: the first {each} held-out briefs of each channel, seed {seed}, first tries at "
        f"temperature {SAMPLED}, facts filled in.",
    ]
    for place, one in enumerate(judged):
        if place % each == 0:
            lines += ["", f"## {one.brief.channel}"]
        lines += ["", *_sample(place % each + 1, one)]
    return "\n".join(lines) + "\n"


def _sample(number: int, judged: Judged) -> list[str]:
    failed = ", ".join(name for name, ok in judged.found.items() if not ok)
    shown = [f"{number}. *{_asked(judged.brief)}*" + (f" **failed: {failed}**" if failed else "")]
    if judged.fields is None:
        return [*shown, f"   > {judged.raw}"]
    for name, value in judged.fields.items():
        texts = [value] if isinstance(value, str) else value
        shown += [f"   > {name}: " + " | ".join(text.replace("\n\n", " / ") for text in texts)]
        shown.append("   >")
    return shown[:-1]


def _asked(brief: Brief) -> str:
    wanted = [brief.tone, f"to {brief.goal}", brief.product.kind or "", brief.audience.interest or ANYONE]
    wanted += [brief.audience.stage] if brief.audience.stage else []
    return ", ".join(filter(None, wanted))
