import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from service.cli import invoke


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def demo(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    assert invoke(["--data-dir", str(folder), "demo", *more]) == 0
    return capsys.readouterr().out


def test_the_demo_writes_checked_copy_for_three_audiences_and_reuses_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first: dict[str, Any] = json.loads(demo(folder, capsys, "--json"))
    audiences = {audience["name"]: audience for audience in first["audiences"]}
    assert len(audiences) == 3
    for audience in audiences.values():
        assert 0 < audience["size"] < audience["population"]
        assert all(audience["description"]["sentences"])
        assert audience["description"]["categories"]
    assert len(first["variants"]) == 27
    for variant in first["variants"]:
        assert {"fields", "checks", "scores", "brief"} <= set(variant)
        assert variant["status"] in {"passed", "failed", "malformed"}
    passed = [variant for variant in first["variants"] if variant["status"] == "passed"]
    assert len(passed) >= 24
    for variant in passed:
        copy = json.dumps(variant["fields"], ensure_ascii=False).lower()
        assert variant["brief"]["product"]["title"].lower() in copy
        assert variant["brief"]["offer"]["text"].lower() in copy
    sold = {variant["segment"]: variant["brief"]["product"]["category"] for variant in first["variants"]}
    assert sold == {
        "gardeners": "Garden & Allotment",
        "lapsed-walkers": "Trail & Camp",
        "like-our-cooks": "Kitchen & Table",
    }
    assert first["seconds"]["total"] > 0

    second: dict[str, Any] = json.loads(demo(folder, capsys, "--json"))
    assert set(second["reused"]) == {"shop", "snapshot", "campaign"}
    assert second["variants"] == first["variants"]
    assert second["snapshot"] == first["snapshot"]

    key = next((folder / "demo").glob("key-*"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    text = key.read_text().strip()
    assert text.encode() not in (folder / "demo" / "pitchwright.db").read_bytes()

    table = demo(folder, capsys, "--no-serve")
    assert max(map(len, table.splitlines())) <= 100
    assert "\x1b" not in table
    assert table.count("PASSED") == len(passed)
    assert text not in table
    assert key.read_text().strip() == text


def test_a_port_in_use_is_told_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setitem(os.environ, "PORT", str(port))
        assert invoke(["--data-dir", str(tmp_path), "demo"]) == 3
    captured = capsys.readouterr()
    assert str(port) in captured.err
    assert captured.out == ""
    assert not (tmp_path / "demo").exists()
