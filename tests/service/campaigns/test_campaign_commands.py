"""`pitchwright campaign plan` and `schema`, and how `pitchwright worker` ends."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from service import runtime as runtime_module
from service.campaigns import writing
from service.campaigns.worker_commands import until_told
from service.cli import invoke
from tests.indexing.plain_embedder import PlainEmbedder
from tests.service.campaigns.conftest import unscored
from tests.service.campaigns.shop import SlowEngine

FILE = {"name": "spring", "segments": ["young", "old"], "channels": ["push"], "items": ["can-0", "can-1"]}


def test_the_schema_describes_every_key_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["campaign", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    keys = schema["$defs"]["Campaign"]["properties"]
    assert keys.keys() >= {"segments", "items_where", "tones", "languages", "prompts", "control", "budget"}
    assert "already" in keys["fresh"]["description"]
    assert keys["name"]["pattern"].endswith("$")


def test_a_plan_is_one_document_of_figures_and_says_when_the_budget_is_too_small(
    filled_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime_module, "_load_embedder", lambda _: PlainEmbedder())
    monkeypatch.setattr(runtime_module, "_load_engine", lambda _: SlowEngine())
    monkeypatch.setattr(writing, "score_beside", unscored)
    options = ["--data-dir", str(filled_shop), "--workspace", "shop", "campaign", "plan"]
    for budget, code in (({}, 0), ({"tokens": 1}, 1)):
        path = tmp_path / "spring.yaml"
        path.write_text(json.dumps(FILE | {"budget": budget}))
        assert invoke([*options, str(path), "--probe", "2", "--json"]) == code
        planned = json.loads(capsys.readouterr().out)
        figures = {each["name"]: each["value"] for each in planned["figures"]}
        assert (planned["command"], figures["campaign.units"]) == ("campaign plan", 4)
        assert figures["campaign.tokens"] > 0


async def test_sigterm_ends_work_as_it_should_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            ended.append("given back")

    await until_told(work())
    assert ended == ["given back"]

    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await until_told(broken())
