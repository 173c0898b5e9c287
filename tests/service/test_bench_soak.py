"""The soak benchmark: an open loop that flatters nobody, figures that see a leak, and the real service."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from eval.figures import Figure
from service.benchmarks.processes import open_handles
from service.benchmarks.soak_figures import Measured, Sample, Store, Units, figures_of
from service.benchmarks.soak_load import RATES, Answered, keep_time, moments
from service.cli import invoke

MIB = 2**20
HOUR = 3600.0


def test_each_verb_is_due_at_its_rate_and_one_that_is_left_out_never() -> None:
    due = list(moments({"often": 4.0, "never": 0.0, "seldom": 0.5}, -2.0, 10.0))
    assert due == sorted(due)
    assert [moment for moment, verb in due if verb == "often"] == [-2.0 + number / 4 for number in range(48)]
    assert [round(moment, 6) for moment, verb in due if verb == "seldom"] == [-1.9, 0.1, 2.1, 4.1, 6.1, 8.1]
    assert {verb for _, verb in due} == {"often", "seldom"}


async def test_a_slow_answer_holds_no_other_request_up_and_a_late_load_says_so() -> None:
    loop = asyncio.get_running_loop()
    begun, sent = loop.time(), list[tuple[str, float, float]]()

    async def send(verb: str, due: float, late: float) -> None:
        sent.append((verb, due, late))
        await asyncio.sleep(0.3)

    await keep_time(moments({"slow": 20.0}, 0.0, 0.3), send, lambda: loop.time() - begun)
    whole = loop.time() - begun
    assert [due for _, due, _ in sent] == [number / 20 for number in range(6)]
    assert whole < 1.2, "six answers of .3 s each, one after the other, take 1.8 s"
    sent.clear()
    await keep_time([(-5.0, "late")], send, lambda: 0.0)
    assert sent == [("late", -5.0, 5.0)]


def measured(
    answered: list[Answered], samples: list[Sample], units: Units | None = None, seconds: float = HOUR
) -> dict[str, Figure]:
    run = Measured(
        seconds=seconds,
        verbs=["draft", "count"],
        answered=answered,
        samples=samples,
        snapshots=3,
        cpu_seconds=seconds / 2,
        units=units,
        store=(Store(10 * MIB, 0), Store(15 * MIB, MIB)),
    )
    return {each.name: each for each in figures_of(run)}


def held(growth: float, handles: int = 0) -> list[Sample]:
    """Hold 100 MiB and 50 files after a warm-up of a fifth, and so much more each hour."""
    samples = list[Sample]()
    for number in range(1000):
        share = number / 1000
        warm = min(1.0, share / 0.2)
        resident = warm * 100 + growth * share
        samples.append(Sample(HOUR * share, int(resident * MIB), 50 + round(handles * share)))
    return samples


def test_a_leak_is_seen_and_what_fills_first_is_none() -> None:
    flat, leaking = measured([], held(0)), measured([], held(20, handles=40))
    assert flat["soak.memory.growth"].met
    assert flat["soak.memory.slope"].value == pytest.approx(0, abs=1e-6)
    assert flat["soak.handles"].met
    assert leaking["soak.memory.growth"].met is False
    assert leaking["soak.memory.slope"].value == pytest.approx(20, rel=0.01)
    assert leaking["soak.handles"].met is False
    assert leaking["soak.handles"].baseline_value == pytest.approx(50 + 40 * 0.28, abs=1)


def test_a_run_too_short_for_a_slope_says_nothing_of_memory() -> None:
    assert not any(name.startswith("soak.memory") for name in measured([], held(0)[:5]))
    assert not any(name.startswith("soak.memory") for name in measured([], []))


def test_the_end_is_compared_with_the_start_and_faults_with_none() -> None:
    answered = [Answered("draft", float(due), 0.0, 0.1 + due / HOUR, 201) for due in range(-60, 3600)]
    answered += [
        Answered("draft", 10.0, 0.0, 60.0, 0, "ReadTimeout"),
        Answered("draft", -10.0, 0.0, 9.0, 500, "{}"),
        Answered("count", 100.0, 0.5, 9.0, 429, "{}"),
    ]
    found = measured(answered, held(0), Units(ordered=36, once=35))
    assert found["soak.draft.errors"].value == 2
    assert found["soak.draft.errors"].met is False
    assert found["soak.draft.errors"].n == 3662
    assert (found["soak.count.errors"].value, found["soak.count.errors"].met) == (0, True)
    assert (found["soak.refused"].value, found["soak.refused"].met) == (1, False)
    assert found["soak.draft.p50"].value == pytest.approx(1000, rel=0.01)
    assert found["soak.draft.p50"].baseline_value == pytest.approx(200, rel=0.01)
    assert found["soak.draft.p99"].baseline_value == pytest.approx(298, rel=0.01)
    assert "soak.count.p99" not in found, "nothing was answered"
    assert found["soak.campaign.units.once"].met is False
    assert found["soak.snapshots"].met
    assert found["soak.cpu"].value == pytest.approx(0.5)
    assert found["soak.store.size"].ratio == pytest.approx(1.5)


def test_of_a_run_that_was_broken_off_no_campaign_is_told() -> None:
    found = measured([], held(0))
    assert "soak.campaign.units.once" not in found
    assert found["soak.snapshots"].met is None


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_a_file_that_is_open_is_a_handle(tmp_path: Path) -> None:
    before = open_handles(os.getpid())
    with (tmp_path / "a").open("w"), (tmp_path / "b").open("w"):
        after = open_handles(os.getpid())
    assert before is not None
    assert after == before + 2


@pytest.mark.parametrize("given", ["drafts=1", "draft", "draft=-1", "draft=nan"])
def test_a_rate_that_is_none_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["bench", "soak", "--rate", given]) == 2
    assert given.partition("=")[2] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_command_loads_the_service_without_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    invoke(["--data-dir", str(tmp_path), "bench", "soak", "--minutes", "0.3", "--json"])
    report = json.loads(capsys.readouterr().out)
    found = {figure["name"]: figure for figure in report["figures"]}
    for verb in RATES:
        assert found[f"soak.{verb}.errors"]["n"] > 0, verb
        assert found[f"soak.{verb}.errors"]["value"] == 0, report["data"]
    assert found["soak.refused"]["met"]
    assert found["soak.campaign.units.once"]["met"]
    assert found["soak.campaign.units.once"]["n"] == 36
    assert found["soak.snapshots"]["value"] >= 1
    for name in ("ingest.p99", "recommend.p99", "draft.p50", "memory.slope", "handles", "cpu", "store.size"):
        assert f"soak.{name}" in found
