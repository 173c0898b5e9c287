"""The send list's benchmark compares like with like: the script it races writes the very same file."""

from pathlib import Path

import pytest

from service.benchmarks import send_list
from service.benchmarks.send_list import Plan, benchmark_send_list
from service.settings import Settings


async def test_the_script_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_list, "MEMBERS_A_STRETCH", 40)
    settings = Settings(data_dir=str(tmp_path / "var"), executor_threads=1, embedder="offline")
    report = await benchmark_send_list(Plan(members=100, seed=1), settings, keep=tmp_path)
    ours, script = ((tmp_path / name).read_text() for name in ("list.csv", "script.csv"))
    assert ours.count("member-") > 20 * 3
    assert ours == script
    rate, growth, _ = report.figures
    assert (rate.name, rate.n, rate.baseline) == ("sendlist.rows_per_second", 300, "a Jinja loop")
    assert growth.name == "sendlist.memory.growth"


def test_memory_that_grows_by_the_stretch_misses_its_goal() -> None:
    def growth(*mebibytes: int) -> bool | None:
        stretches = [send_list._Stretch(150_000, 1.0, 2.0, each * 2**20) for each in mebibytes]  # pyright: ignore[reportPrivateUsage]
        rate, found, _ = send_list._figures(stretches)  # pyright: ignore[reportPrivateUsage] # of given times
        assert (rate.value, rate.ratio, rate.met) == (150_000, 2.0, True)
        return found.met

    assert growth(300, 310, 305) is True
    assert growth(300, 340, 380) is False
