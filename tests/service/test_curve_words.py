"""What the command line says of the size-against-similarity curve, so that nobody has to guess a column."""

from typing import Any

import pytest

from indexing.lookalike import Curve, Point
from service.segments.commands import show_curve


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"like": "tea"}, "found: of the first `size` by one half of what each chose"),
        ({"similar_to": {"profiles": ["a"]}}, "found: of the 1,200 seeds, each hidden in turn"),
    ],
)
def test_the_columns_of_a_curve_are_explained(
    rule: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    point = Point(size=10, similarity=0.5, found=0.4, lift=3.0)
    show_curve(Curve(rule=rule, points=(point,), hidden=1200, suggested=point))
    printed = capsys.readouterr()
    assert "<- suggested" in printed.out
    assert words in printed.err
    assert "lift: how many times chance" in printed.err
