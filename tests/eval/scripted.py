"""An engine that answers as told, and suites small enough to run against it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from eval.suite import Suite, parse_suite
from prompts.engine import Answer, Ask, EngineInfo, OnText

FULL = EngineInfo(name="scripted", model="script@1")
GRID: dict[str, Any] = {
    "products": [{"id": f"p{place}", "title": f"Copper Can {place}"} for place in range(6)],
    "audiences": [{"name": "gardeners", "interest": "gardening"}, {"name": "cooks", "interest": "cooking"}],
    "channels": ["push"],
}

Reply = Callable[[Ask], str | Exception]


def words(ask: Ask) -> str:
    """Some words that differ with the seed."""
    named = hashlib.sha256(str(ask.seed).encode()).hexdigest()
    return " ".join(
        ("warm", "slow", "calm", "mild", "kind", "soft", "deep", "wide")[int(c, 16) % 8] for c in named[:6]
    )


def product(ask: Ask) -> str:
    """The product an ask is about."""
    text = ask.messages[-1].content
    return next((f"Copper Can {place}" for place in range(6) if f"Copper Can {place}" in text), "It")


def good(ask: Ask) -> str:
    """Copy that passes: names the product and says nothing else."""
    return json.dumps({"title": f"{product(ask)} is here", "body": f"Meet {product(ask)}, {words(ask)}."})


class ScriptedEngine:
    """Answers each ask by a function; an exception it returns is raised."""

    def __init__(self, reply: Reply = good, info: EngineInfo = FULL) -> None:
        self.info = info
        self.asks: list[Ask] = []
        self._reply = reply

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        del on_text
        answers: list[Answer] = []
        for ask in asks:
            self.asks.append(ask)
            said = self._reply(ask)
            if isinstance(said, Exception):
                raise said
            answers.append(Answer(text=said, prompt_tokens=10, completion_tokens=5))
        return answers

    async def healthy(self) -> bool:
        return True

    async def close(self) -> None:
        """Nothing to close."""


def suite(**changes: Any) -> Suite:
    """Twelve briefs for push, two variants each, with some keys changed."""
    return parse_suite({"name": "small", "version": 1, "seed": 5, "grid": GRID} | changes)
