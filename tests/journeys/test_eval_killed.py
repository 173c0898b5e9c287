"""A run that is killed loses nothing that it was answered."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.cli import invoke

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = ROOT / "eval" / "suites" / "demo.yaml"
    data = tmp_path / "data"
    arguments = ["--data-dir", str(data), "eval", "run", str(suite), "--json", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    answers = data / "evaluations" / "answers"
    deadline = time.monotonic() + 240
    while len(list(answers.rglob("*.json"))) < 20:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)  # another process writes them, and is not to know that it is watched
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    kept = len(list(answers.rglob("*.json")))
    assert not (tmp_path / "out").exists()
    invoke(arguments)
    figures = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["figures"]}
    assert figures["cost.asks_kept"]["value"] == kept < figures["cost.asks"]["value"]
    assert figures["samples.set_aside"]["value"] == 0
