import math
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from eval.errors import FigureError
from eval.figures import figure
from eval.html.blocks import (
    Card,
    Cards,
    Distribution,
    Distributions,
    Fact,
    FigureTable,
    Page,
    Pair,
    Pairs,
    Prose,
    ReliabilityDiagram,
    Section,
    Table,
    Verdict,
)
from eval.html.charts import Bin, bins_of, reliability, scale_of, strip
from eval.html.page import LONGEST_TEXT, render

HOSTILE = "</dd><script>alert('x')</script><img src=x onerror=\"y\"> {{ 7*7 }} \x00\x1b[31m \u202e"
VOID = {"meta", "line", "circle", "rect", "br", "img", "link"}


class Reader(HTMLParser):
    """Reads a page as a browser would: which tags, whether they close, every attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.told = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.told += data


def page(*blocks: Any) -> Page:
    return Page(kind="Evaluation", title="demo.v1", sections=(Section(title="All", blocks=blocks),))


def every_block(text: str) -> Page:
    """One of each block with this text wherever a text can stand."""
    card = Card(
        labels=(text, text),
        state="bad",
        status="failed",
        fields=(Fact(name="body", text=text),),
        scores=(Fact(name="checks", text="1"),),
        reasons=(text,),
        note=text,
    )
    scale = scale_of([0.2, 0.9])
    strips = (strip("audience", text, [0.2, 0.5, 0.9], scale),)
    bins = bins_of([0.1, 0.2, 0.8, 0.9], [False, False, True, True], bins=2)
    return Page(
        kind="Evaluation",
        title=text,
        lede=text,
        verdict=Verdict(text=text, detail=text, state="good"),
        facts=(Fact(name=text, text=text),),
        sections=(
            Section(
                title=text,
                note=text,
                blocks=(
                    Prose(paragraphs=(text,)),
                    FigureTable(
                        figures=(figure("a.b", 0.5, baseline=(text, 0.4), at_least=0.4),), caption=text
                    ),
                    Table(header=(text,), rows=((text,),), caption=text),
                    ReliabilityDiagram(chart=reliability(bins), caption=text),
                    Distributions(
                        charts=(Distribution(title=text, note=text, strips=strips, low=0, high=1),)
                    ),
                    Cards(cards=(card,)),
                    Pairs(before=text, after=text, pairs=(Pair(title=text, before=card, after=None),)),
                ),
            ),
        ),
        closing=(text,),
    )


def test_every_text_is_data_wherever_it_stands() -> None:
    drawn = render(every_block(HOSTILE))
    read = Reader(drawn)
    assert not read.tags & {"script", "img", "iframe", "link", "object"}
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in read.told
    assert "49" not in read.told
    assert "\x00" not in drawn
    assert "\x1b" not in drawn
    # As many as the places it can stand in: none was lost, and none was drawn as markup.
    assert read.told.count("<script>alert('x')</script>") >= 20


def test_a_page_needs_nothing_but_itself() -> None:
    drawn = render(every_block("plain"))
    assert "http://" not in drawn
    assert "https://" not in drawn
    assert "url(" not in drawn
    assert "@import" not in drawn
    policy = [value for name, value in Reader(drawn).attributes if name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy
    assert "prefers-color-scheme: dark" in drawn
    assert "@media print" in drawn


def test_a_text_of_100_kilobytes_is_cut_and_the_rest_counted() -> None:
    drawn = render(page(Prose(paragraphs=("word " * 20_000,))))
    assert len(drawn) < 30_000
    assert f"({100_000 - LONGEST_TEXT:,} more characters)" in drawn


def test_other_scripts_and_lone_surrogates_stand_as_they_can() -> None:
    drawn = render(page(Prose(paragraphs=("إبريق نحاسي", "Медная лейка", "half \ud83d"))))
    assert "إبريق نحاسي" in drawn
    drawn.encode("utf-8")


def test_drawings_have_words_for_those_who_do_not_see_them() -> None:
    read = Reader(render(every_block("plain")))
    svgs = [value for name, value in read.attributes if name == "aria-label"]
    assert any("median 0.500, middle half 0.350 to 0.700, 3 variants" in str(label) for label in svgs)
    assert any(str(label).startswith("Reliability diagram of 4 predictions") for label in svgs)


def test_bins_of_equal_count_show_how_far_predictions_are_off() -> None:
    random = np.random.default_rng(3)
    predicted = random.uniform(0, 1, 20_000)
    honest = random.uniform(0, 1, 20_000) < predicted
    bins = bins_of(predicted.tolist(), honest.tolist())
    assert [each.n for each in bins] == [2000] * 10
    # The share of 2,000 has a standard error of .011 at most, and the mean of ten such errors is below that.
    assert reliability(bins).error < 0.02
    boastful = random.uniform(0, 1, 20_000) < predicted * 0.7
    shown = reliability(bins_of(predicted.tolist(), boastful.tolist()))
    assert shown.error == pytest.approx(0.15, abs=0.02)
    assert all(point.low <= point.y <= point.high for point in shown.points)


def test_bins_are_placed_by_what_they_say() -> None:
    chart = reliability([Bin(predicted=0.25, observed=0.5, low=0.4, high=0.6, n=10)])
    (point,) = chart.points
    assert (point.x, point.y, point.low, point.high) == (25, 50, 40, 60)
    assert chart.error == 0.25


@pytest.mark.parametrize(
    ("predicted", "true"), [([0.1], []), ([], []), ([1.2], [True]), ([math.nan], [True]), ([-0.1], [True])]
)
def test_what_is_no_probability_is_not_drawn(predicted: list[float], true: list[bool]) -> None:
    with pytest.raises(FigureError):
        bins_of(predicted, true)


def test_strips_keep_their_order_and_refuse_nan() -> None:
    scale = scale_of([-2.0, 30.0])
    assert (scale.low, scale.high) == (-10, 30)
    drawn = strip("audience", "a", [0.0, 10.0, 20.0], scale)
    assert (drawn.median, drawn.places[1]) == (10, 50)
    assert drawn.places == tuple(sorted(drawn.places))
    assert scale_of([0.4, 0.6]) == scale_of([0.0, 1.0])
    assert len(strip("audience", "a", list(np.linspace(0, 1, 5000)), scale_of([0, 1])).dots) == 240
    for values in ([], [math.nan]):
        with pytest.raises(FigureError, match="nothing can be drawn"):
            strip("audience", "a", values, scale)
