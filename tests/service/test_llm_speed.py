"""The speed report: which figures there are, with which goals; never how fast this machine happens to be."""

from pathlib import Path

import pytest

from prompts.engine import Ask, Message
from prompts.errors import EngineError
from service.llm.load import POCKET_FOLDER
from service.llm.pocket import speed
from service.llm.pocket.vllm_server import vllm_server


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> list[Ask]:
    monkeypatch.setattr(speed, "load_seconds", lambda _: 1.5)
    monkeypatch.setattr(speed, "ALONE", 2)
    messages = (Message(role="user", content="channel: push"),)
    return [Ask(messages=messages, max_tokens=4, seed=seed) for seed in range(16)]


def test_the_report_has_its_figures_and_goals(asks: list[Ask]) -> None:
    found = {one.name: one for one in speed.measure_speed(POCKET_FOLDER, asks, vllm_python=None, repeats=1)}
    assert list(found) == [
        "pocket.speed.unbatched",
        "pocket.speed.batched",
        "pocket.speed.batched_gain",
        "pocket.speed.one_prompt",
        "pocket.speed.one_prompt_gain",
        "pocket.first_variant",
        "pocket.load",
    ]
    batched, gain = found["pocket.speed.batched"], found["pocket.speed.batched_gain"]
    assert batched.baseline_value == found["pocket.speed.unbatched"].value
    assert batched.ratio == pytest.approx(gain.value)
    variants, same = found["pocket.speed.one_prompt"], found["pocket.speed.one_prompt_gain"]
    assert (variants.n, variants.ratio) == (16, pytest.approx(same.value))
    assert gain.goal == same.goal == ">= 4"
    assert found["pocket.first_variant"].n == 2
    assert (found["pocket.load"].goal, found["pocket.load"].met) == ("<= 2", True)


def test_too_few_asks_say_nothing_of_batches(asks: list[Ask]) -> None:
    found = speed.measure_speed(POCKET_FOLDER, asks[:3], vllm_python=None, repeats=1)
    assert [one.name for one in found] == ["pocket.speed.unbatched", "pocket.first_variant", "pocket.load"]


@pytest.mark.parametrize(("n", "repeats"), [(0, 1), (3, 0)])
def test_nothing_to_measure_is_refused(asks: list[Ask], n: int, repeats: int) -> None:
    with pytest.raises(ValueError, match="measure nothing"):
        speed.measure_speed(POCKET_FOLDER, asks[:n], vllm_python=None, repeats=repeats)


def test_the_engine_opens_in_a_fresh_process() -> None:
    assert 0 < speed.load_seconds(POCKET_FOLDER) < 60


@pytest.mark.slow
def test_a_folder_that_does_not_open_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no model in"):
        speed.load_seconds(tmp_path)


def test_vllm_without_its_venv_says_how_to_get_it(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match="make test-vllm"),
        vllm_server(tmp_path / "python", POCKET_FOLDER, tmp_path / "log"),
    ):
        pass


@pytest.mark.parametrize("beside_others", [False, True])
def test_a_vllm_beside_others_does_not_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside_others: bool
) -> None:
    monkeypatch.delenv("VLLM_ENABLE_V1_MULTIPROCESSING", raising=False)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "processes of its own: ${VLLM_ENABLE_V1_MULTIPROCESSING-yes}"\n')
    python.chmod(0o700)
    found = "0" if beside_others else "yes"
    with (
        pytest.raises(TimeoutError, match=f"did not come up, exit status 0:\nprocesses of its own: {found}"),
        vllm_server(python, POCKET_FOLDER, tmp_path / "log", beside_others=beside_others),
    ):
        raise AssertionError("it never comes up")
