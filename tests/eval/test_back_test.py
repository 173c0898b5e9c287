"""Proxies put to logged outcomes: what a trial is, what was known when, and what is concluded of how much."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from eval.datasets.demo_outcomes import TRUE_SD, DemoOutcomes, draw_outcomes
from eval.figures import Figure
from eval.proxies.agreement import agreement, enough, verdicts
from eval.proxies.backtest import BackTest, run_back_test
from eval.proxies.history.history import Place
from eval.proxies.history.tally import Counts
from eval.proxies.outcomes import EVENT_SCHEMA, Copy, Outcomes, count, outcomes
from eval.proxies.port import Prediction, Proxy, prediction

DAY = datetime(2026, 5, 1, tzinfo=UTC)
COPIES = {name: Copy(text=f"Text {name}", place=Place("email", item="trowel")) for name in "ab"}


class Knowing:
    """A proxy that knows the truth through a noise it is honest about; a factor below 0 turns it round."""

    name = "headline"

    def __init__(self, drawn: DemoOutcomes, noise: float, factor: float = 1.0) -> None:
        self._noise, self._factor = noise, factor
        self._spread = float(np.hypot(TRUE_SD["opening"], TRUE_SD["text"]))
        self._truth = {copy.text: drawn.truth[name] for name, copy in drawn.copies.items()}
        errors = np.random.default_rng(5).normal(0, noise, len(self._truth))
        self._errors = dict(zip(self._truth, errors, strict=True))

    def utilities(self, texts: Sequence[str]) -> Prediction:
        truth = np.array([self._truth[text] for text in texts])
        heard = truth - truth.mean() + np.array([self._errors[text] for text in texts])
        variance = 1 / (self._spread**-2 + self._noise**-2)
        mean = self._factor * heard * variance / self._noise**2
        return prediction(mean, np.full(len(texts), variance**0.5), self._spread)


def events(*rows: tuple[str, str, str, int]) -> pl.DataFrame:
    timed = [(variant, who, kind, DAY + timedelta(hours=hour)) for variant, who, kind, hour in rows]
    return pl.DataFrame(timed, schema=EVENT_SCHEMA, orient="row")


def named(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {entry.name.removeprefix("proxies."): entry for entry in figures}


@pytest.fixture(scope="module")
def drawn() -> DemoOutcomes:
    return draw_outcomes(1, groups=40, variants=5, people=800)


@pytest.fixture(scope="module")
def found(drawn: DemoOutcomes) -> Outcomes:
    return outcomes(drawn.events, drawn.copies)


@pytest.fixture(scope="module")
def alone(found: Outcomes) -> BackTest:
    """History, without another proxy."""
    return put(found)


def put(found: Outcomes, **proxies: Proxy) -> BackTest:
    known: Mapping[str, Proxy] = proxies
    return run_back_test(found, known)


def test_a_trial_is_a_person_however_often_they_were_shown_it_or_clicked() -> None:
    made = outcomes(
        events(
            ("a", "p1", "impression", 1),
            ("a", "p1", "impression", 5),
            ("a", "p1", "click", 6),
            ("a", "p1", "click", 7),
            ("a", "p2", "impression", 1),
            ("b", "p1", "click", 2),
            ("b", "p3", "impression", 3),
            ("b", "p3", "click", 2),
            ("b", "p4", "view", 2),
            ("c", "p5", "impression", 2),
        ),
        COPIES,
    )
    assert dict(count(made)) == {COPIES["a"].cell: Counts(2, 1), COPIES["b"].cell: Counts(1, 1)}
    assert made.set_aside == {"click_without_impression": 1, "variant_without_text": 1}


def test_what_was_clicked_later_was_not_known_then() -> None:
    made = outcomes(
        events(
            ("a", "p1", "impression", 1),
            ("a", "p1", "click", 9),
            ("a", "p2", "impression", 2),
            ("a", "p2", "click", 3),
            ("a", "p3", "impression", 9),
        ),
        COPIES,
    )
    assert dict(count(made, DAY + timedelta(hours=4))) == {COPIES["a"].cell: Counts(2, 1)}


def test_no_prediction_depends_on_what_came_after_it(drawn: DemoOutcomes, alone: BackTest) -> None:
    cut = alone.origins[0]
    late = (pl.col("type") == "click") & (pl.col("time") > cut)
    silent = outcomes(drawn.events.filter(~late), drawn.copies)
    other = put(silent)
    assert other.origins == alone.origins
    first = [each.predictions["history"] for each in alone.comparisons][:10]
    again = [each.predictions["history"] for each in other.comparisons][:10]
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.mean, two.mean)
    assert sum(each.clicked.sum() for each in other.comparisons) < sum(
        each.clicked.sum() for each in alone.comparisons
    )


def test_nobody_is_dropped_in_silence(drawn: DemoOutcomes, alone: BackTest) -> None:
    everybody = drawn.events.select("variant", "profile").unique().height
    assert alone.people + sum(alone.set_aside.values()) == everybody
    assert alone.set_aside["variant_rarely_shown"] > 0
    assert all((each.shown >= 100).all() and len(each.shown) > 1 for each in alone.comparisons)


def test_who_knows_agrees_who_has_it_turned_round_does_not_and_chance_is_inconclusive(
    drawn: DemoOutcomes, found: Outcomes
) -> None:
    proxies = {
        "knowing": Knowing(drawn, 0.2),
        "turned": Knowing(drawn, 0.2, -1.0),
        "chance": Knowing(drawn, 1e3),
    }
    measured = agreement(put(found, **proxies))
    figures = named(measured)
    assert figures["knowing.rank_correlation"].value == -figures["turned.rank_correlation"].value > 0.3
    assert figures["knowing.ece"].value < 0.05 < figures["turned.ece"].value
    assert figures["knowing.lift.1"].value > 1.1 > 0.9 > figures["knowing.lift.10"].value
    entry = figures["chance.rank_correlation"]
    assert (entry.low or 0) < 0 < (entry.high or 0)
    said = [text.split(" ")[:2] for text in verdicts(measured)]
    assert said[:3] == [["knowing", "agrees"], ["turned", "disagrees"], ["chance", "inconclusive:"]]


def test_history_is_calibrated_and_a_blend_beats_either(drawn: DemoOutcomes, found: Outcomes) -> None:
    figures = named(agreement(put(found, headline=Knowing(drawn, 0.35))))
    taus = {name: figures[f"{name}.rank_correlation"] for name in ("headline", "history", "blend")}
    assert (taus["history"].low or 0) > 0.2
    assert taus["blend"].value > max(taus["headline"].value, taus["history"].value) - 0.03
    assert figures["history.ece"].value < 0.05
    assert figures["blend.weight.history"].value > figures["blend.weight.headline"].value > 0
    for channel in ("email", "push"):
        entry = figures[f"history.calibration.{channel}"]
        assert (entry.low or 0) - 0.03 < 1 < (entry.high or 0) + 0.03
    bins = [figures[f"history.reliability.{number}"] for number in range(1, 6)]
    predicted = [entry.baseline_value or 0 for entry in bins]
    assert predicted == sorted(predicted)
    assert sum(entry.n or 0 for entry in bins) == figures["history.ece"].n


@pytest.mark.parametrize("groups", [0, 6])
def test_too_little_is_no_conclusion(groups: int) -> None:
    drawn = draw_outcomes(2, groups=groups or 1, people=300)
    frame = drawn.events if groups else drawn.events.clear()
    figures = agreement(run_back_test(outcomes(frame, drawn.copies), {}))
    assert named(figures)["outcomes.groups"].met is False
    assert not any("rank_correlation" in entry.name for entry in figures)
    [said] = verdicts(figures)
    assert said.startswith("nothing is concluded of ")


def test_a_log_without_clicks_says_nothing_for_or_against(drawn: DemoOutcomes) -> None:
    silent = outcomes(drawn.events.filter(pl.col("type") == "impression"), drawn.copies)
    figures = named(agreement(put(silent, headline=Knowing(drawn, 0.2))))
    assert figures["headline.rank_correlation"].value == 0
    assert "headline.lift.1" not in figures


def test_copy_for_other_people_is_no_rival() -> None:
    rows: list[tuple[str, str, str, int]] = []
    for variant in "ab":
        rows += [(variant, f"{variant}{n}", "impression", n % 90) for n in range(1_000)]
    copies = {
        name: Copy(text=name, place=Place("email", segment=f"s-{name}", item="trowel")) for name in "ab"
    }
    assert run_back_test(outcomes(events(*rows), copies), {}).comparisons == ()
    together = {name: Copy(text=name, place=Place("email", item="trowel")) for name in "ab"}
    test = run_back_test(outcomes(events(*rows), together), {})
    assert [len(each.shown) for each in test.comparisons] == [2, 2, 2]
    assert named(enough(test))["outcomes.groups"].value == 1  # three times the same group is one group
