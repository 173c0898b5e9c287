"""`pitchwright contact` and `segment reach`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from service.audit.actions import list_entries
from service.cli import invoke
from service.contact.actions import set_consents
from service.contact.shapes import ConsentFact
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace
from tests.indexing.plain_embedder import PlainEmbedder


def test_the_rules_are_changed_one_by_one_and_the_reach_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
    settings = Settings(data_dir=str(tmp_path), executor_threads=1, embedder="offline")

    async def furnish() -> None:
        async with open_runtime(settings) as runtime:
            await create_workspace(runtime, "default")
            people = [Profile(id=f"p{number}", traits={"plan": "free"}) for number in range(4)]
            await upsert_profiles(runtime, "default", people)
            yes = [ConsentFact(profile_id=each.id, channel="email", word="granted") for each in people[:3]]
            await set_consents(runtime, "default", yes)
            await create_segment(runtime, "default", "free", {"trait": "plan", "value": "free"})
            await build_snapshot(runtime, "default")

    def told(*arguments: str) -> Any:
        assert invoke(["--data-dir", str(tmp_path), *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    asyncio.run(furnish())
    assert told("contact", "show") == {"opt_in": ["email", "push", "sms"], "caps": [], "holdout": 0.0}
    found = told("segment", "reach", "free", "--channel", "email")
    assert (found["audience"], found["allowed"]) == (4, 3)
    told(
        "contact",
        "set",
        "--cap",
        "email=2/7d",
        "--cap",
        "email=1/1d",
        "--opt-out",
        "email",
        "--opt-in",
        "social",
    )
    cap = {"channel": "email", "most": 2, "days": 7}
    changed = told("contact", "set", "--no-caps", "--cap", "email=2/7d", "--holdout", "0.05")
    assert changed == {"opt_in": ["push", "sms", "social"], "caps": [cap], "holdout": 0.05}
    told("contact", "set", "--holdout", "0")
    assert told("segment", "reach", "free", "--channel", "email")["allowed"] == 4
    for wrong in (["--cap", "email=2"], ["--cap", "fax=2/7d"], ["--holdout", "0.9"], ["--opt-out", "fax"]):
        assert invoke(["--data-dir", str(tmp_path), "contact", "set", *wrong]) == 2
    capsys.readouterr()
    assert invoke(["--data-dir", str(tmp_path), "segment", "reach", "free", "--channel", "push"]) == 0
    shown = capsys.readouterr().out
    assert "removed: no consent" in shown
    assert "may be written to" in shown
    assert invoke(["--data-dir", str(tmp_path), "contact", "show"]) == 0
    assert "email=2/7d" in capsys.readouterr().out

    async def actions() -> list[str]:
        async with open_runtime(settings) as runtime:
            return [each.action for each in await list_entries(runtime, "default")]

    assert asyncio.run(actions()) == ["contact set"] * 3
