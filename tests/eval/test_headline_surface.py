"""Surface features: named, counted right, the same for both kinds of apostrophes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eval.proxies.headline.surface import NAMES, surface


def seen(text: str) -> dict[str, float]:
    return dict(zip(NAMES, surface([text])[0].tolist(), strict=True))


def test_a_headline_is_measured_as_a_reader_would() -> None:
    found = seen('7 Things You\'re NEVER Told: "Why Bread Goes Stale", And What Helps...')
    assert found["length in words"] == 12
    assert found["begins with a number"] == 1
    assert found["words in capitals"] == 1
    assert found["dots that trail off"] == 1
    assert found["colons"] == found["digits"] == 1
    assert found['says "you"'] == found['says "why"'] == found['says "what"'] == found["says no"] == 1
    assert found["share of words with a capital"] == 10 / 12  # not of `7`, nor of the quoted word
    assert found["length missing to 60 characters"] == 0


def test_a_curly_apostrophe_is_an_apostrophe() -> None:
    straight, curly = seen("It's what you don't see"), seen("It’s what you don’t see")
    assert straight == curly
    assert straight["says no"] == straight['says "it"'] == 1


@given(st.lists(st.text(max_size=80), max_size=4))
def test_any_text_gives_finite_numbers_one_row_each(texts: list[str]) -> None:
    columns = surface(texts)
    assert columns.shape == (len(texts), len(NAMES))
    assert np.isfinite(columns).all()


def test_names_are_distinct() -> None:
    assert len(set(NAMES)) == len(NAMES)
