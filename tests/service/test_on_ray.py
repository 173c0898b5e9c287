"""`--on`: what is refused before any work, and that `bench ray` holds Ray's vectors against our own."""

import json
from pathlib import Path

import pytest

from service.cli import invoke
from service.on_ray import LOCAL, connected


@pytest.mark.parametrize("word", ["", "Ray", "ray:", "ray://", "rays://head:1", "http://head:1", "local:1"])
def test_a_place_that_is_none_is_wrong_usage(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["--data-dir", str(tmp_path / "new"), "index", "build", "--on", word]) == 2
    assert f"--on {word!r} is none: give local, ray, ray://auto or ray://HOST:PORT" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_work_that_is_local_connects_to_nothing() -> None:
    with connected(LOCAL) as nothing:
        assert nothing is None


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:.*is deprecated:Warning:ray.data.context"
)  # Ray's own settings, set by it
def test_the_bench_finds_the_sentence_encoder_s_vectors_the_same_on_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray.data", reason='Ray is not installed: pip install "pitchwright[ray]"')
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else busy cores would leave the workers nothing
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    command = ["bench", "ray", "--profiles", "300", "--items", "280", "--workers", "2", "--json"]
    assert invoke(["--data-dir", str(tmp_path), *command]) == 0
    figures = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["figures"]}
    difference = figures["ray.workers_2.largest_difference"]
    assert difference["met"]
    assert difference["n"] > 280
    assert figures["ray.workers_2.encode_rate"]["n"] == 280
    assert figures["ray.workers_2.profiles_rate"]["n"] == 300
