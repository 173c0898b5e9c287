"""`pitchwright index distill`: a folder that works as a setting, and what is refused before any work."""

from pathlib import Path

import pytest

from indexing import static_embedder
from indexing.errors import EmbedderError
from indexing.sentence import load_embedder
from service.cli import invoke
from service.runtime import open_runtime
from service.settings import Settings
from service.snapshots.distilling import distill_embedder
from service.workspaces.actions import create_workspace
from tests.indexing.distilled import TEXTS, small_tokenizer


async def test_a_workspace_and_a_file_of_texts_make_an_embedder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_embedder, "read_tokenizer", lambda *_: small_tokenizer())
    monkeypatch.setattr("eval.benchmarks.encoding._TIMED_TEXTS", 8)
    monkeypatch.setattr("eval.benchmarks.encoding._ROUNDS", 1)
    lines = tmp_path / "texts.txt"
    lines.write_text("\n".join([*TEXTS, ""]), encoding="utf-8")
    out = tmp_path / "static"
    settings = Settings(data_dir=str(tmp_path / "var"), embedder="offline", workspace="shop")
    async with open_runtime(settings) as runtime:
        await create_workspace(runtime, "shop")
        summary, notes = await distill_embedder(runtime, out, texts_file=lines, dim=48)
    assert {entry.name for entry in summary.figures} >= {"index.encode.speedup"}
    assert f"PITCHWRIGHT_EMBEDDER={out}" in notes[-1]
    assert summary.data["embedder"] == load_embedder(str(out)).digest
    async with open_runtime(Settings(data_dir=str(tmp_path / "var"), embedder=str(out))) as runtime:
        assert (await runtime.embedder()).dim == 48
        with pytest.raises(EmbedderError, match="is a static embedder already"):
            await distill_embedder(runtime, tmp_path / "again")


def test_what_cannot_be_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_DATA_DIR", str(tmp_path / "var"))
    assert invoke(["index", "distill", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    half = ["index", "distill", "--out", str(tmp_path / "new"), "--data", str(tmp_path)]
    assert invoke(half) == 2
    assert "--data and --mapping belong together" in capsys.readouterr().err
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert invoke(["index", "distill", "--out", str(tmp_path / "new"), "--texts", str(binary)]) == 2
    assert "Give a UTF-8 file" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
