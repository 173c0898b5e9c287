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


def evaluate(folder: Path, *arguments: str) -> int:
    return invoke(["--data-dir", str(folder / "data"), "eval", *arguments])


def run(folder: Path, suite: dict[str, Any], *more: str) -> int:
    path = folder / "suite.yaml"
    path.write_text(json.dumps(suite), encoding="utf-8")  # JSON is YAML
    return evaluate(folder, "run", str(path), *more)


def test_a_suite_runs_the_shipped_engine_and_ends_by_its_thresholds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    easy = SUITE | {"thresholds": {"structure.valid": {"at_least": 0.5}}}
    out = tmp_path / "report"
    assert run(tmp_path, easy, "--json", "--out", str(out)) == 0
    report = json.loads(capsys.readouterr().out)
    figures = {entry["name"]: entry for entry in report["figures"]}
    assert figures["structure.valid"]["n"] == 8
    assert figures["structure.valid"]["met"] is True
    assert figures["closeness.audience"]["baseline"] == "a shuffled audience"
    assert figures["cost.asks_kept"]["value"] == 0
    assert report["seed"] == 3
    assert {"suite", "engine", "embedder", "prompts"} <= set(report["data"])
    assert json.loads((out / "report.json").read_text()) == report
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert [len(sample["variants"]) for sample in samples] == [2, 2, 2, 2]
    assert "| structure.valid |" in (out / "report.md").read_text()
    assert 'tests="3"' in (out / "report.xml").read_text()
    drawn = (out / "report.html").read_text()
    assert "Copper Watering Can" in drawn
    assert "Do the odds of the headline score hold?" in drawn

    hard = SUITE | {"scorers": {"self_similarity": {"at_most": -1.0}, "checks": {}}}
    assert run(tmp_path, hard, "--json") == 1
    captured = capsys.readouterr()
    assert "Not met: diversity.self_similarity" in captured.err
    again = {entry["name"]: entry for entry in json.loads(captured.out)["figures"]}
    assert again["checks.passed"]["value"] == figures["checks.passed"]["value"]
    assert again["cost.asks_kept"]["value"] == again["cost.asks"]["value"], (
        "what was asked is not asked again"
    )

    assert evaluate(tmp_path, "ls", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"demo", "regression", "starter"} <= {suite["name"] for suite in listed["suites"]}
    (kept,) = listed["runs"]
    assert (kept["suite"], kept["met"], kept["drafts"]) == ("small.v1", False, 4)
    page = tmp_path / "compared.html"
    assert evaluate(tmp_path, "compare", str(out), kept["run"], "--json", "--html", str(page)) == 0
    compared = json.loads(capsys.readouterr().out)
    assert {entry["verdict"] for entry in compared["differences"]} == {"inconclusive"}
    assert "Copper Watering Can" in page.read_text()


def test_a_comparison_ends_by_what_became_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    committed = Path(__file__).resolve().parents[2] / "eval" / "results" / "regression.json"
    worse = json.loads(committed.read_text())
    facts = worse["candidates"][0]["outcomes"]["facts.kept"]
    facts |= dict.fromkeys(list(facts)[:8], 0.5)
    (tmp_path / "result.json").write_text(json.dumps(worse))
    assert evaluate(tmp_path, "compare", str(committed), str(tmp_path)) == 1
    assert "Not met: worse: facts.kept" in capsys.readouterr().err
    assert evaluate(tmp_path, "compare", str(tmp_path), str(committed)) == 0
    assert evaluate(tmp_path, "compare", str(committed), str(tmp_path / "nothing")) == 2
    assert evaluate(tmp_path, "compare", str(committed), f"{tmp_path}@nobody") == 2
    assert "'nobody'; it has pocket" in capsys.readouterr().err


def test_a_suite_is_begun_and_checked_without_an_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "suites" / "spring.yaml"
    assert evaluate(tmp_path, "init", str(path)) == 0
    assert json.loads((path.parent / "suite.schema.json").read_text())["title"] == "Pitchwright suite"
    assert evaluate(tmp_path, "init", str(path)) == 2
    assert "is there already" in capsys.readouterr().err
    assert evaluate(tmp_path, "validate", str(path), "--json") == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["briefs"], counts["variants"], counts["asks_at_most"]) == (16, 32, 96)
    path.write_text(
        json.dumps(SUITE | {"grid": SUITE["grid"] | {"products": [{"id": "a", "title": "y" * 300}]}})
    )
    assert evaluate(tmp_path, "validate", str(path)) == 1
    assert "4 of 4 briefs cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"thresholds": {"nice": {"at_least": 1}}}, "'nice'"),
        ({"prompts": [{"name": "old", "templates": ["push/pocket.v9"]}]}, "no version 9"),
        ({"prompts": [{"name": "own", "folder": "nowhere"}]}, "no template folder"),
        (
            {"engine": {"name": "far", "url": "http://127.0.0.1:9", "api_key_variable": "FAR_EVAL_KEY"}},
            "FAR_EVAL_KEY",
        ),
        ({"scorers": {"nice": {}}}, "unknown scorer 'nice'"),
    ],
)
def test_what_a_suite_names_and_is_not_there_is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], quoted: str
) -> None:
    assert run(tmp_path, SUITE | change) == 2
    assert quoted in capsys.readouterr().err
