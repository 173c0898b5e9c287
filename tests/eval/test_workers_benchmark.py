"""`bench ray` on a small world: every part measured in both places, and the outcome the same."""

import pytest

from eval.benchmarks.workers import measure_workers


@pytest.mark.slow
# Ray's settings set, of themselves, some that they call deprecated.
@pytest.mark.filterwarnings("ignore:.*is deprecated:Warning:ray.data.context")
def test_a_build_on_ray_is_measured_beside_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.data", reason='Ray is not installed: pip install "pitchwright[ray]"')
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else busy cores would leave the workers nothing
    told: set[str] = set()
    summary = measure_workers(
        "offline",
        profiles=300,
        items=200,
        seed=1,
        workers=(1,),
        progress=lambda what, _done, _total: told.add(what),
    )
    found = {each.name: each for each in summary.figures}
    for part in ("encode", "profiles", "lists"):
        here, on_ray = (found[f"ray.{where}.{part}_rate"] for where in ("here", "workers_1"))
        assert here.value > 0
        assert on_ray.baseline_value == here.value
    assert found["ray.workers_1.largest_difference"].met
    assert found["ray.workers_1.lists_differ"].met
    assert found["ray.scale.lists_machine_hours"].value > 0
    assert "lists, Ray of 1" in told
