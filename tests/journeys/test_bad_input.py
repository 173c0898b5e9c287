"""Bad files, folders and settings on the command line: a clear message, an exit code, nothing lost."""

import json
from pathlib import Path

import pytest

from service.cli import invoke

MAPPING = "items: {file: items.jsonl, id: id, title: title}\n"


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PITCHWRIGHT_DATA_DIR", "PITCHWRIGHT_DATABASE_URL", "PITCHWRIGHT_ENGINE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, *quoted: str) -> None:
    assert invoke(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    for text in quoted:
        assert text in err


@pytest.mark.parametrize(
    "command",
    [["import", ".", "--mapping"], ["campaign", "run", "--out", "o"], ["eval", "run"]],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "content", [b"[" * 5000, b"a: [1", b"\xff\xfe\x00", b"wrong: 1", b'version: "\\ud800"\nname: "\\ud800"']
)
def test_a_file_that_is_no_yaml_of_ours_is_named(
    command: list[str], content: bytes, workdir: Path, capsys: pytest.CaptureFixture[str]
):
    (workdir / "plan.yaml").write_bytes(content)
    refused(capsys, [*command, "plan.yaml"], 2, "plan.yaml")


@pytest.mark.parametrize(
    ("content", "quoted"), [(b"port = [", "TOML"), (b"prot = 1", "port"), (b'port = "x"', "'x'")]
)
def test_a_corrupt_settings_file_is_named(
    content: bytes, quoted: str, workdir: Path, capsys: pytest.CaptureFixture[str]
):
    (workdir / "pitchwright.toml").write_bytes(content)
    refused(capsys, ["keys", "list"], 2, "pitchwright.toml", quoted)


def test_a_folder_that_cannot_be_one_is_named(workdir: Path, capsys: pytest.CaptureFixture[str]):
    (workdir / "file").write_text("x")
    refused(capsys, ["--data-dir", "file", "keys", "list"], 2, "file")
    refused(capsys, ["--data-dir", "file/below", "keys", "list"], 3, "file/below", "PITCHWRIGHT_DATA_DIR")
    assert (workdir / "file").read_text() == "x"


def test_what_can_be_read_is_imported_beside_what_cannot(workdir: Path, capsys: pytest.CaptureFixture[str]):
    rows = ['{"id": "a", "title": "A jug"}', '{"id": ' + "[" * 5000, "{", '{"id": "b", "title": "A cup"}']
    (workdir / "items.jsonl").write_text("\n".join(rows))
    (workdir / "m.yaml").write_text(MAPPING)
    assert invoke(["import", ".", "--mapping", "m.yaml", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["items"]["stored"], summary["items"]["rejected"]) == (2, 2)


def test_a_flipped_byte_is_told_and_mended_by_a_build(workdir: Path, capsys: pytest.CaptureFixture[str]):
    (workdir / "items.jsonl").write_text('{"id": "a", "title": "A jug"}')
    (workdir / "m.yaml").write_text(MAPPING)
    assert invoke(["import", ".", "--mapping", "m.yaml"]) == 0
    assert invoke(["index", "build"]) == 0
    capsys.readouterr()
    vectors = max(workdir.glob("var/snapshots/default/*/*.npy"), key=lambda path: path.stat().st_size)
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    preview = ["segment", "preview", "--like", "jugs", "--json"]
    refused(capsys, preview, 3, vectors.name, "pitchwright index build")
    assert invoke(["index", "build"]) == 0
    capsys.readouterr()
    assert invoke(preview) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 0
