"""The overload benchmark: its slope is the one that was put in, and the command presses the real service."""

import json
import mmap
import os
import sys

import httpx
import numpy as np
import pytest

from service.benchmarks.overload import STRETCHES, _Seen, slope_of  # pyright: ignore[reportPrivateUsage]
from service.benchmarks.processes import resident_bytes
from service.cli import invoke


def test_a_leak_is_found_and_noise_alone_is_none() -> None:
    draw = np.random.default_rng(0)
    refused = np.arange(2_000, dtype=np.float64)
    noise = draw.normal(0, 100_000, refused.size)
    slope, (low, high) = slope_of(refused, 4_096 * refused + noise)
    assert low < 4_096 < high
    assert 3_900 < slope < 4_300
    covered = [slope_of(refused, draw.normal(0, 1_000, refused.size))[1] for _ in range(200)]
    # 95 % of intervals hold the truth: of 200 fewer than 179 do once in 10,000 runs.
    assert sum(low < 0 < high for low, high in covered) >= 179
    assert slope_of(np.zeros(STRETCHES), refused[:STRETCHES]) == (0.0, (0.0, 0.0))


def test_an_answer_is_a_draft_a_refusal_or_something_that_should_not_be() -> None:
    seen = _Seen()
    seen.take(httpx.Response(201), 1.5, 429)
    seen.take(httpx.Response(429, headers={"Retry-After": "2"}), 0.1, 429)
    seen.take(httpx.Response(429), 0.1, 429)
    seen.take(httpx.Response(500, json={"type": "odd"}), 0.1, 429)
    assert (seen.waits, seen.refused, seen.told_when, dict(seen.others)) == ([1.5], 2, 1, {"odd": 1})


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_memory_that_is_written_is_resident() -> None:
    size = 64 * 2**20
    before = resident_bytes(os.getpid())
    with mmap.mmap(-1, size) as fresh:  # of the system, not of what the process had freed before
        fresh.write(b"x" * size)
        after = resident_bytes(os.getpid())
    assert before is not None
    assert after is not None
    assert after - before > 0.8 * size


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_command_presses_the_service_and_ends_its_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    invoke(
        [
            "bench",
            "overload",
            "--seconds",
            "8",
            "--concurrency",
            "2",
            "--queue",
            "8",
            "--rate",
            "100",
            "--json",
        ]
    )
    report = json.loads(capsys.readouterr().out)
    found = {figure["name"]: figure for figure in report["figures"]}
    assert found["overload.refused"]["value"] > 0
    assert found["overload.refused.told_when"]["met"]
    assert found["overload.light.refused"]["met"]
    assert found["overload.failed"]["met"], report["data"]
    assert found["overload.dead_engine.refused"]["met"], report["data"]
    assert found["overload.memory.peak"]["value"] >= found["overload.memory.before"]["value"] > 50
