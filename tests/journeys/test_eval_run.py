import json
from pathlib import Path
from typing import Any

import pytest

from service.cli import invoke

SUITE: dict[str, Any] = {
    "name": "small",
    "version": 1,
    "engine": "pocket",
    "n": 2,
    "seed": 3,
    "grid": {
        "products": [{"id": "p1", "title": "Copper Watering Can", "benefits": ["a long spout"]}],
        "audiences": [{"name": "g", "interest": "gardening"}, {"name": "c", "interest": "cooking"}],
        "channels": ["push", "sms"],
        "offers": [{"text": "20% off", "code": "CAN20"}],
    },
}


def run(folder: Path, suite: dict[str, Any], *more: str) -> int:
    path = folder / "suite.yaml"
    path.write_text(json.dumps(suite), encoding="utf-8")  # JSON is YAML
    return invoke(["--data-dir", str(folder / "data"), "eval", "run", str(path), *more])


def test_a_suite_runs_the_shipped_engine_and_ends_by_its_thresholds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    easy = SUITE | {"thresholds": {"structure.valid": {"at_least": 0.5}}}
    assert run(tmp_path, easy, "--json", "--out", str(tmp_path / "report")) == 0
    out = capsys.readouterr().out
    report = json.loads(out)
    figures = {entry["name"]: entry for entry in report["figures"]}
    assert figures["structure.valid"]["n"] == 8
    assert figures["structure.valid"]["met"] is True
    assert figures["closeness.audience"]["baseline"] == "a shuffled audience"
    assert report["seed"] == 3
    assert set(report["data"]) == {"suite", "engine", "embedder", "prompts"}
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == report
    samples = (tmp_path / "report" / "samples.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["variants"]) for line in samples] == [2, 2, 2, 2]
    assert "| structure.valid |" in (tmp_path / "report" / "report.md").read_text()

    hard = SUITE | {"thresholds": {"diversity.self_similarity": {"at_most": -1.0}}}
    assert run(tmp_path, hard, "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["figures"]
    assert "Not met: diversity.self_similarity" in captured.err
    again = [entry for entry in json.loads(captured.out)["figures"] if entry["name"] == "checks.passed"]
    assert again[0]["value"] == figures["checks.passed"]["value"], "the same suite gives the same figures"


def test_a_threshold_on_an_unknown_figure_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, SUITE | {"thresholds": {"nice": {"at_least": 1}}}) == 2
    assert "'nice'" in capsys.readouterr().err
