"""The history proxy: counts that only add up, effects held against truth and exact mathematics."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.datasets.demo_outcomes import TRUE_SD, draw_copies
from eval.errors import ProxyError
from eval.figures import wilson
from eval.proxies.blend import blend
from eval.proxies.history.history import History, Place, learn
from eval.proxies.history.measure import covered, places_of
from eval.proxies.history.model import CHANNEL_SD, FACTORS, expit, fit_channel
from eval.proxies.history.tally import Cell, Counts, Tally, cell_of, tally_of
from eval.proxies.port import beats, prediction

HERE = Place("email", "email/full.v1", "gardeners", "trowel")


def counted(
    seed: int, people: int, *, groups: int = 40
) -> tuple[dict[Cell, Counts], np.ndarray, list[object]]:
    rng = np.random.default_rng(seed)
    drawn = draw_copies(rng, groups=groups)
    odds = np.array(list(drawn.truth.values()))
    clicks = rng.binomial(people, expit(odds))
    cells = [copy.cell for copy in drawn.copies.values()]
    counts = {cell: Counts(people, int(each)) for cell, each in zip(cells, clicks, strict=True)}
    return counts, odds, [copy.group for copy in drawn.copies.values()]


def crowd() -> dict[Cell, Counts]:
    """Thirty texts of other items, of which about one in fifty people click."""
    return {
        HERE._replace(item=f"i{n}").cell(f"Line {n}\nand so on"): Counts(1000, 15 + n % 11) for n in range(30)
    }


PIECES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 400), st.integers(0, 20)), min_size=1, max_size=12
)


@settings(max_examples=10, deadline=None)
@given(pieces=PIECES, cut=st.integers(0, 12))
def test_counts_that_arrive_in_pieces_are_those_counted_at_once(
    pieces: list[tuple[int, int, int]], cut: int
) -> None:
    events = [
        (HERE._replace(item=f"i{n % 3}").cell(f"text {n}"), Counts(shown + clicked, clicked))
        for n, shown, clicked in pieces
    ]
    arrived = tally_of(events[:cut]) + tally_of(events[cut:])
    shuffled = tally_of(random.Random(cut).sample(events, len(events)))
    assert dict(arrived) == dict(shuffled) == dict(tally_of(events))
    cells = list(dict.fromkeys(cell for cell, _ in events))
    one, other = learn(arrived), learn(shuffled)
    assert np.array_equal(one.rates(cells), other.rates(cells), equal_nan=True)
    assert np.array_equal(one.utilities(cells).sd, other.utilities(cells).sd)


def test_texts_are_known_again_whatever_their_case_and_punctuation() -> None:
    cell = HERE.cell("Dig in!\nTools for spring")
    assert cell == HERE.cell("dig in\n  Tools, for  SPRING ")
    assert cell.opening == HERE.cell("Dig in\nsomething else").opening != ""
    assert cell.text != HERE.cell("Dig in\nTools for autumn").text
    assert HERE.cell("One line alone").opening == ""
    assert HERE.cell("🌱").text != HERE.cell("🌻").text
    assert cell_of("x", channel="sms").item == ""


def test_five_clicks_do_not_win() -> None:
    lucky, proven = HERE.cell("Lucky\nfive"), HERE.cell("Proven\nover months")
    others = {HERE.cell(f"Other {n}\ntext"): Counts(1_000, 20) for n in range(4)}
    history = learn(Tally({**crowd(), **others, lucky: Counts(60, 5), proven: Counts(10_000, 400)}))
    answer = history.utilities([lucky, proven, *others])
    assert beats(answer, 1, 0) > 0.75
    assert beats(answer, 0, 2) > 0.5
    assert history.rates([lucky])[0] < 0.04  # one in twelve clicked


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    history = learn(Tally(crowd()))
    answer = history.within(HERE).utilities(["New\none", "Newer\ntwo", "New\nthree"])
    assert answer.mean == pytest.approx([0, 0, 0], abs=1e-9)
    assert answer.sd == pytest.approx(answer.spread)
    assert answer.sd[0] < answer.sd[1]  # two share an opening, which makes them more alike
    nowhere = history.within(HERE._replace(channel="fax")).utilities(["a", "b"])
    assert nowhere.sd == pytest.approx(nowhere.spread)
    assert history.within(HERE).utilities([]).mean.size == 0
    assert np.isnan(history.rates([Place("fax").cell("a")])[0])


def test_two_texts_shown_often_are_told_apart_whatever_their_item_is_worth() -> None:
    """Of an item nobody else wrote about, item and text cannot be told apart; the texts can."""
    a, b = HERE._replace(item="new").cell("A"), HERE._replace(item="new").cell("B")
    history = learn(Tally({**crowd(), a: Counts(20_000, 900), b: Counts(20_000, 800)}))
    answer = history.utilities([a, b])
    exact = (1 / 900 + 1 / 19_100 + 1 / 800 + 1 / 19_200) ** 0.5
    assert np.hypot(*answer.sd) == pytest.approx(exact, rel=0.05)
    assert answer.mean[0] - answer.mean[1] == pytest.approx(np.log(900 / 19_100 * 19_200 / 800), rel=0.1)


def test_history_takes_over_from_a_headline_model_as_people_are_shown_the_text() -> None:
    weights: list[float] = []
    for people in (0, 100, 1_000, 10_000):
        cells = [HERE.cell("A\nb"), HERE.cell("C\nd")]
        history = learn(Tally({**crowd(), **{cell: Counts(people, people // 25) for cell in cells}}))
        mine = history.utilities(cells)
        headline = prediction(np.array([-0.1, 0.1]), np.full(2, 0.25), 0.3)
        blended = blend({"headline": headline, "history": mine}, mine.spread)
        weights.append(float(blended.weights["history"][0]))
    assert weights[0] == pytest.approx(0, abs=1e-9)
    assert weights == sorted(weights)
    assert weights[-1] > 0.8


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ProxyError, match="5 of 3"):
        learn(Tally({HERE.cell("x"): Counts(3, 5)}))
    assert learn(Tally()).channels == {}


def test_the_covariance_is_the_inverse_of_the_curvature() -> None:
    counts, _, _ = counted(3, 200, groups=6)
    counts = {cell: each for cell, each in counts.items() if cell.channel == "email"}
    model = fit_channel(counts, -3.0)
    cells = sorted(counts)
    levels = [(f, v) for f in FACTORS for v in sorted({getattr(cell, f) for cell in cells}) if v]
    design = np.array([[1.0, *(float(getattr(cell, f) == v) for f, v in levels)] for cell in cells])
    rates = expit(model.log_odds(cells))
    weight = np.array([counts[cell].shown for cell in cells]) * rates * (1 - rates)
    prior = np.diag([CHANNEL_SD**-2, *(model.sds[f] ** -2 for f, _ in levels)])
    posterior = np.linalg.inv(design.T @ (weight[:, None] * design) + prior)
    assert model.covariance(cells) == pytest.approx(design @ posterior @ design.T, abs=1e-6)
    slope = design.T @ (np.array([counts[cell].clicked for cell in cells]) - weight / (1 - rates))
    effects = np.array([model.log_odds([cells[0]], ())[0] + 3.0, *np.zeros(len(levels))])
    assert slope[0] == pytest.approx(effects[0] * CHANNEL_SD**-2, abs=1e-3)  # m balances its own prior


def test_spreads_are_found_within_their_standard_error() -> None:
    """About s / sqrt(2 L) of L levels, a little more for clicks' own noise; four times that is allowed."""
    found = [learn(Tally(counted(seed, 3_000)[0])).channels for seed in range(3)]
    for factor, levels in (("text", 80), ("item", 20)):
        sds = [channel[factor] for channels in found for channel in channels.values()]
        error = TRUE_SD[factor] / (2 * levels * len(sds)) ** 0.5
        assert np.mean(sds) == pytest.approx(TRUE_SD[factor], abs=4 * 1.3 * error)


@pytest.mark.parametrize("people", [100, 1_000])
def test_intervals_hold_the_truth_as_often_as_they_say(people: int) -> None:
    hits: list[float] = []
    for seed in range(2):
        counts, odds, groups = counted(100 + seed, people)
        history = learn(Tally(counts))
        for places in places_of(groups):
            hits += covered(history, list(counts), places, odds, np.zeros_like(odds)).tolist()
    # Pairs of one item share texts: no more than the items' worth of them, three each, is independent.
    low, high = wilson(round(np.mean(hits) * len(hits) / 2), len(hits) // 2)
    assert low - 0.02 <= 0.95 <= high + 0.02


def test_rates_to_come_are_guessed_better_than_by_raw_rates_and_by_the_channels_mean() -> None:
    from eval.proxies.history.measure import guesses, log_loss

    counts, odds, _ = counted(7, 100)
    cells, learnt = list(counts), list(counts.values())
    guessed = guesses(learn(Tally(counts)), cells, learnt)
    losses = {name: log_loss(expit(odds), guess).mean() for name, guess in guessed.items()}
    assert losses["history"] < min(losses["raw"], losses["channel"])


def test_every_channel_is_calibrated() -> None:
    counts, _, _ = counted(11, 500)
    history: History = learn(Tally(counts))
    for channel in ("email", "push"):
        mine = [cell for cell in counts if cell.channel == channel]
        expected = sum(counts[c].shown * rate for c, rate in zip(mine, history.rates(mine), strict=True))
        assert expected == pytest.approx(sum(counts[cell].clicked for cell in mine), rel=0.02)
