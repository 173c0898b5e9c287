"""The arithmetic of `bench ray`, against the same worked by hand."""

import msgspec
import pytest

from eval.benchmarks.scale import Assumed, Measured, scale_figures

MEASURED = Measured(
    dim=384,
    interests_per_profile=2.5,
    texts_per_core_second=100.0,
    profiles_per_core_second=10_000.0,
    vectors_per_core_second=5_000.0,
)
WORKED = {
    "interests": 2.5e8,
    "vector_gigabytes": 384.0,  # 2.5e8 x 384 x 4
    "driver_event_gigabytes": 80.0,  # 1e8 x 20 x 40
    "encoding_petaflop": 9.328,  # 11e6 x 40 x 2 x 10.6e6
    "encoding_machine_hours": 1.9097,  # 11e6 / 100 / 16 / 3600
    "profiles_machine_hours": 0.17361,  # 1e8 / 1e4 / 16 / 3600
    "lists_machine_hours": 0.86806,  # 2.5e8 / 5000 / 16 / 3600
    "writing_gpu_hours": 133.33,  # 1e7 x 80 x 1.2 / 2000 / 3600
    "dollars_per_thousand_profiles": 1.3889e-06,  # 0.17361 x 0.8 / 1e5
    "dollars_per_thousand_variants": 0.033472,  # (133.33 x 2.5 + 1.9097 x 10 / 11 x 0.8) / 1e4
}


def values(assumed: Assumed | None = None) -> dict[str, float]:
    return {each.name.removeprefix("ray.scale."): each.value for each in scale_figures(MEASURED, assumed)}


@pytest.mark.parametrize(("name", "expected"), WORKED.items())
def test_the_arithmetic_is_that_of_the_docstring(name: str, expected: float) -> None:
    assert values()[name] == pytest.approx(expected, rel=1e-4)


def test_a_bit_a_dimension_makes_the_index_a_twentieth_of_the_vectors() -> None:
    assert 1 / 22 < values()["index_gigabytes"] / values()["vector_gigabytes"] < 1 / 19


def test_every_assumption_is_among_the_figures() -> None:
    other = Assumed(machine_cores=32)
    shown = {name: value for name, value in values(other).items() if name.startswith("assumed_")}
    assert shown == {f"assumed_{name}": value for name, value in msgspec.structs.asdict(other).items()}
    assert values(other)["profiles_machine_hours"] == pytest.approx(0.17361 / 2, rel=1e-4)
