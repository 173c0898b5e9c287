"""The drafts benchmark: its paced engine keeps its pace, and the command measures the real service."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from prompts.engine import Ask, Message
from service.benchmarks.paced import Pace, Recorded, ask_key, prompt_key, save_answers
from service.benchmarks.processes import cpu_seconds, free_port, started
from service.cli import invoke
from service.errors import DependencyError
from tests.contracts.engines import vllm_python


async def test_answers_share_one_rate_and_none_waits_for_another() -> None:
    pace, ended = Pace(1000.0), list[int]()

    async def write(tokens: int) -> float:
        begun = time.perf_counter()
        await pace.write(tokens)
        ended.append(tokens)
        return time.perf_counter() - begun

    begun = time.perf_counter()
    short, long, _ = await asyncio.gather(write(50), write(200), write(150))
    whole = time.perf_counter() - begun
    assert ended == [50, 150, 200]
    assert pace.generated == 400
    assert whole >= 0.9 * 0.4, "400 tokens at 1,000 a second take no less than .4 s"
    assert short < long


async def test_an_answer_nobody_waits_for_leaves_its_share_to_the_others() -> None:
    pace = Pace(1000.0)
    gone = asyncio.create_task(pace.write(10_000))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    async with asyncio.timeout(5):
        await pace.write(100)
    assert pace.generated == 100


def test_the_stand_in_speaks_the_protocol_and_knows_its_recorded_answers(tmp_path: Path) -> None:
    ask = Ask(messages=(Message(role="user", content="channel: push"),), seed=7)
    key = ask_key(ask)
    assert key == prompt_key([{"role": "user", "content": "channel: push"}])
    email = Recorded('{"subject": "nine", "body": "ten"}', 6)
    save_answers(
        tmp_path / "answers.json",
        {key: {7: Recorded("seven", 3), 8: Recorded("eight", 4)}, "of another": {1: email}},
    )
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ("-m", "service.benchmarks.paced", tmp_path / "answers.json", "2000", str(port))
    with started(arguments, f"{url}/health", tmp_path / "log") as process:
        assert httpx.get(f"{url}/v1/models").json()["data"][0]["id"] == "paced"

        def asked(content: str, seed: int, *fields: str) -> str:
            schema = {"properties": {field: {"type": "string"} for field in fields}}
            body: dict[str, object] = {"messages": [{"role": "user", "content": content}], "seed": seed}
            if fields:
                body["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
            answer = httpx.post(f"{url}/v1/chat/completions", json=body).json()
            return answer["choices"][0]["message"]["content"]

        assert [asked("channel: push", 7), asked("channel: push", 8)] == ["seven", "eight"]
        assert asked("channel: push", 99) == asked("anything", 1) == "seven"
        assert asked("anything", 1, "body", "subject") == email.text
        assert asked("anything", 1, "title") == "seven"
        assert httpx.get(f"{url}/metrics").text == "vllm:generation_tokens_total{} 22\n"
        assert httpx.get(f"{url}/nothing").status_code == 404
        used = cpu_seconds(process)
        assert used is not None
        assert used > 0


def test_what_a_process_and_its_children_use_is_counted() -> None:
    before = cpu_seconds(os.getpid())
    assert before is not None
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    after = cpu_seconds(os.getpid())
    assert after is not None
    assert after - before >= 0.05


def test_a_process_that_does_not_come_up_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    arguments = ("-c", "raise SystemExit('no such thing')")
    with (
        pytest.raises(DependencyError, match="no such thing"),
        started(arguments, "http://127.0.0.1:9/health", tmp_path / "log"),
    ):
        raise AssertionError("it never comes up")


@pytest.mark.slow
def test_the_command_measures_the_service_beside_the_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    asked = ["--data-dir", str(tmp_path), "bench", "drafts", "--drafts", "12", "--concurrency", "4", "--json"]
    code = invoke(asked)
    report = json.loads(capsys.readouterr().out)
    found = {figure["name"]: figure for figure in report["figures"]}
    assert code == (0 if found["drafts.service.ratio"]["met"] else 1)
    assert found["drafts.service.ratio"]["goal"] == ">= 0.95"
    assert found["drafts.service.passed"]["value"] > 0.5
    assert found["drafts.service.p99"]["value"] >= found["drafts.service.p50"]["value"] > 0
    assert found["drafts.engine.tokens_per_second"]["value"] > 100
    if sys.platform == "linux":
        assert found["drafts.service.cpu_per_variant"]["value"] > 0


@pytest.mark.vllm
def test_with_vllm_the_service_is_compared_with_the_faster_of_both_ways_to_run_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    asked = ["bench", "drafts", "--drafts", "12", "--vllm-python", str(vllm_python()), "--json"]
    invoke(["--data-dir", str(tmp_path), *asked])
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["figures"]}
    straight = found["drafts.vllm.beside_others"]
    fastest = max(straight["value"], straight["baseline_value"])
    ours = found["drafts.service.tokens_per_second"]["value"]
    assert found["drafts.service.ratio_of_fastest"]["value"] == pytest.approx(ours / fastest)
    assert (
        found["drafts.service.ratio_of_fastest"]["goal"] == found["drafts.service.ratio"]["goal"] == ">= 0.6"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")
def test_a_benchmark_that_is_told_to_end_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service.cli", "--data-dir", str(tmp_path / "var"), "bench", "drafts"]
    environment = {**os.environ, "PITCHWRIGHT_EMBEDDER": "offline", "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*command, "--drafts", "64"], env=environment, stderr=subprocess.DEVNULL) as bench:
        until = time.monotonic() + 120
        while not any("serve" in each for each in _about(tmp_path)) and time.monotonic() < until:
            time.sleep(0.2)  # nothing tells when a child of a child is there
        assert len(_about(tmp_path)) > 2
        bench.send_signal(signal.SIGTERM)
        assert bench.wait(60) == 128 + signal.SIGTERM
    assert _about(tmp_path) == []
    assert not list(tmp_path.glob("bench-drafts-*"))


def _about(folder: Path) -> list[str]:
    """The command lines of processes that name a folder."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            line = file.read_bytes().replace(b"\0", b" ").decode()
            found += [line] if str(folder) in line else []
    return found
