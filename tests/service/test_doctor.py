"""`pitchwright doctor`: what is well, what is not, what to do, and that it changes nothing."""

import asyncio
import hashlib
import json
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prompts.engine import Answer, Ask, EngineInfo
from prompts.errors import EngineUnavailable
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.cli import invoke
from service.operations import engine_check, examination
from service.runtime import open_runtime
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace
from tests.indexing.plain_embedder import PlainEmbedder


class OneWord:
    """An engine at an address; the one called `down` is not there."""

    info = EngineInfo(name="openai", model="m")

    async def generate(self, asks: Sequence[Ask], *, on_text: Any = None) -> list[Answer]:
        assert on_text is None
        assert [each.max_tokens for each in asks] == [1]
        return [Answer(text="yes", completion_tokens=1)]

    async def healthy(self) -> bool:
        return True

    async def close(self) -> None: ...


def load_one_word(settings: Settings) -> OneWord:
    if settings.engine_url == "http://down/v1":
        raise EngineUnavailable("no engine answers at http://down/v1 (refused): start it")
    return OneWord()


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("PITCHWRIGHT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("indexing.sentence.load_embedder", lambda *_: PlainEmbedder())
    monkeypatch.setattr("service.runtime._load_embedder", lambda _: PlainEmbedder())
    monkeypatch.setattr(engine_check, "load_engine", load_one_word)


def stored(folder: Path, **settings: Any) -> None:
    async def furnish() -> None:
        async with open_runtime(Settings(data_dir=str(folder), executor_threads=1, **settings)) as runtime:
            await create_workspace(runtime, "default")
            await upsert_items(runtime, "default", [Item(id="i", title="Garden trowel")])
            await build_snapshot(runtime, "default")

    asyncio.run(furnish())


def examined(capsys: pytest.CaptureFixture[str], *before: str) -> tuple[int, dict[str, tuple[str, str]], str]:
    code = invoke([*before, "doctor", "--json"])
    printed = capsys.readouterr()
    checks = json.loads(printed.out)["checks"]
    return code, {each["name"]: (each["status"], each["detail"]) for each in checks}, printed.err


def test_a_new_machine_is_well_and_left_as_it_was(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    code, found, _ = examined(capsys, "--data-dir", str(tmp_path / "var"))
    assert code == 0
    assert list(tmp_path.iterdir()) == []
    assert found["store"][0] == "warning"
    assert "pitchwright serve" in found["store"][1]
    weights = (engine_check.POCKET_FOLDER / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest()[:8] in found["model files"][1]
    assert {each for each, (status, _) in found.items() if status == "failed"} == set()


@pytest.mark.slow
def test_a_store_in_use_is_described_and_one_past_or_ahead_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    stored(tmp_path)
    _, found, _ = examined(capsys, "--data-dir", str(tmp_path))
    assert found["store"][0] == found["snapshot of default"][0] == "ok"
    with sqlite3.connect(tmp_path / "pitchwright.db") as store:
        store.execute("UPDATE alembic_version SET version_num = '0009'")
    code, found, _ = examined(capsys, "--data-dir", str(tmp_path))
    assert (code, found["store"][0]) == (0, "warning")
    assert "schema 0009" in found["store"][1]
    assert "snapshot of default" not in found  # it cannot be read by this program yet
    with sqlite3.connect(tmp_path / "pitchwright.db") as store:
        assert store.execute("SELECT version_num FROM alembic_version").fetchone() == ("0009",)
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    code, found, told = examined(capsys, "--data-dir", str(tmp_path))
    assert (code, found["store"][0]) == (3, "failed")
    assert "install the newer" in found["store"][1]
    assert told.strip().endswith("1 of 8 checks failed: store")


def test_what_lies_in_the_store_is_looked_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    key = "A" * 43 + "="
    stored(tmp_path, trait_keys=(key,), encrypted_traits=("email",))
    (vectors,) = tmp_path.glob("snapshots/default/*/item_vectors*")
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(examination, "utc_now", lambda: datetime.now(UTC) - timedelta(hours=1))
    code, found, _ = examined(capsys, "--data-dir", str(tmp_path))
    assert code == 3
    assert found["trait keys"][0] == "failed"
    assert key not in str(found)
    assert found["snapshot of default"][0] == "failed"
    assert vectors.name in found["snapshot of default"][1]
    assert found["dates"][0] == "warning"
    assert "yet to come" in found["dates"][1]


def test_each_server_is_asked_by_itself(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PITCHWRIGHT_ENGINE_URL", "http://down/v1,http://me:secret@up/v1")
    code, found, _ = examined(capsys)
    assert code == 3
    assert found["engine http://down/v1"] == (
        "failed",
        "no engine answers at http://down/v1 (refused): start it",
    )
    assert found["engine http://me:***@up/v1"][0] == "ok"
    assert "secret" not in str(found)


def test_wrong_settings_are_told_as_a_check_and_by_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PITCHWRIGHT_PROT", "1")
    code, found, told = examined(capsys)
    assert code == 2
    assert list(found) == ["settings"]
    assert "PITCHWRIGHT_PORT" in found["settings"][1]
    assert told.startswith("Error: unknown variable")


def test_a_full_disk_and_a_clock_that_cannot_be_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage)
    monkeypatch.setattr(examination, "utc_now", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    code, found, _ = examined(capsys)
    assert code == 3
    assert found["data folder"][0] == found["clock"][0] == "failed"
    assert "make room" in found["data folder"][1]
    assert "1970-01-01" in found["clock"][1]


class _Usage:
    free = 1024


def test_weights_that_are_not_those_of_the_card_are_told(tmp_path: Path):
    check = engine_check._files_check  # pyright: ignore[reportPrivateUsage] # with files of our own
    for name in (*engine_check.NEEDED, engine_check.CARD):
        (tmp_path / name).write_bytes((engine_check.POCKET_FOLDER / name).read_bytes())
    listed = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert check(tmp_path).status == "ok"
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert check(tmp_path).status == "failed"
    assert f"its card lists {listed[:8]}" in check(tmp_path).detail
    (tmp_path / "tokenizer.json").unlink()
    assert "lacks tokenizer.json" in check(tmp_path).detail
