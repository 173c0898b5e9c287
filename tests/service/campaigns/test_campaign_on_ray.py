"""A campaign on a real Ray, by the function, where a worker is killed, and by the command: the local rows."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from indexing.on_ray import cluster
from service import runtime as runtime_module
from service.campaigns import on_ray
from service.campaigns.actions import run_campaign
from service.runtime import open_runtime
from service.settings import Settings
from tests.contracts.conftest import Clock
from tests.eval.scripted import ScriptedEngine
from tests.indexing.dying_workers import check_killed, dying
from tests.indexing.plain_embedder import PlainEmbedder
from tests.service.campaigns.shop import ITEMS, campaign, fill_shop
from tests.service.chat_server import chat_server, serving

pytestmark = [
    pytest.mark.slow,
    # Ray's settings set, of themselves, some that they call deprecated.
    pytest.mark.filterwarnings("ignore:.*is deprecated:Warning:ray.data.context"),
]


@pytest.fixture
def ray() -> Iterator[None]:
    pytest.importorskip("ray.data", reason='Ray is not installed: pip install "pitchwright[ray]"')
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_worker_niceness", "0")  # else busy cores would leave the workers nothing
        with cluster("ray", workers=2):
            yield


def plainly_encoding(actor: Any) -> type:
    """The same actor, with an encoder that needs no model."""

    class Plain(actor):
        def __call__(self, batch: Any) -> Any:
            from service import runtime

            runtime._load_embedder = lambda _: PlainEmbedder()  # in the worker, which ends with the test
            return super().__call__(batch)

    return Plain


def rows(folder: Path) -> list[dict[str, Any]]:
    """What stands in a folder, in an order of its own, without what every run names anew."""
    found = [json.loads(line) for line in (folder / "variants.jsonl").read_text().splitlines()]
    for row in found:
        del row["id"]
    return sorted(found, key=lambda row: (row["custom_id"], row["number"]))


async def test_the_rows_are_the_local_ones_although_a_worker_is_killed(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    monkeypatch.setattr(runtime_module, "_load_embedder", lambda _: PlainEmbedder())
    monkeypatch.setattr(on_ray, "UnitWriter", dying(plainly_encoding(on_ray.UnitWriter), seen))
    spring = campaign(n=2)
    engine = ScriptedEngine()
    async with chat_server(serving(engine, "scripted")) as url:
        settings = Settings(
            data_dir=str(tmp_path / "var"), engine_url=url, engine_model="scripted", engine_concurrency=2
        )
        async with open_runtime(settings, clock=Clock()) as runtime:
            await fill_shop(runtime)
            local, _ = await run_campaign(runtime, "shop", spring, tmp_path / "local")
            asked = len(engine.asks)
            told: list[tuple[str, int, int | None]] = []
            on, _ = await run_campaign(
                runtime, "shop", spring, tmp_path / "ray", lambda *step: told.append(step), on_ray=True
            )
            assert told == [("writing variants", done, 24) for done in range(2, 25, 2)]
            assert len(engine.asks) >= 2 * asked  # nothing was taken from the run before
            again, _ = await run_campaign(runtime, "shop", spring, tmp_path / "ray", on_ray=True)
    assert rows(tmp_path / "ray") == rows(tmp_path / "local")
    assert len(rows(tmp_path / "local")) == 24
    assert msgspec.structs.replace(on, out="", seconds=0) == msgspec.structs.replace(local, out="", seconds=0)
    assert (again.units.reused, again.units.written) == (12, 0)
    check_killed(seen, parts=6)


async def test_the_command_writes_the_same_rows_on_ray_as_here(tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason='Ray is not installed: pip install "pitchwright[ray]"')
    file = tmp_path / "spring.yaml"
    file.write_bytes(msgspec.json.encode(campaign(segments=("young",), items=ITEMS[:2])))
    async with chat_server(serving(ScriptedEngine(), "scripted")) as url:
        async with open_runtime(Settings(data_dir=str(tmp_path / "var"), embedder="offline")) as runtime:
            await fill_shop(runtime)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PITCHWRIGHT_")}
        environ |= {
            "PITCHWRIGHT_DATA_DIR": str(tmp_path / "var"),
            "PITCHWRIGHT_EMBEDDER": "offline",
            "PITCHWRIGHT_ENGINE_URL": url,
            "PITCHWRIGHT_ENGINE_MODEL": "scripted",
            "PITCHWRIGHT_WORKSPACE": "shop",
            "RAY_worker_niceness": "0",
        }
        for on in ("local", "ray"):
            command = ("campaign", "run", str(file), "--out", str(tmp_path / on), "--on", on, "--json")
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service.cli", *command),
                stdout=asyncio.subprocess.PIPE,
                env=environ,
                cwd=Path(__file__).parents[3],
            )
            said, _ = await process.communicate()
            assert process.returncode == 0
            summary = json.loads(said)
            assert (summary["units"]["written"], summary["variants"]["passed"]) == (2, 2)
    assert rows(tmp_path / "ray") == rows(tmp_path / "local")
