"""The measure of the audience score: ranks among the panel, and pairs at one product and channel."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from eval.audience_match import Written, measurable, measure_match
from eval.errors import SuiteError
from eval.figures import Figure
from indexing.embedder import Vectors
from prompts.brief import Audience, Brief
from prompts.interests import INTERESTS
from tests.eval.written import MakeVariant

NAMES = tuple(INTERESTS)


class Words:
    """Counts the interests a text names, by their first word, and the watering can as gardening."""

    name, dim, digest = "words", len(NAMES) + 1, "words-1"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[-1] = 0.1
            for place, name in enumerate(NAMES):
                row[place] = text.lower().split().count(name) + 3 * (
                    name == "gardening" and "can" in text.lower()
                )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def written(brief: Brief, make_variant: MakeVariant, interest: str, title: str) -> Written:
    audience = Audience(name=interest, interest=interest)
    return Written(
        brief=msgspec.structs.replace(brief, audience=audience), copy=make_variant({"title": title})
    )


def named(figures: Sequence[Figure]) -> dict[str, float]:
    return {each.name: each.value for each in figures}


def test_the_product_drowns_the_reader_in_the_raw_cosine_alone(
    brief: Brief, make_variant: MakeVariant
) -> None:
    texts = [
        written(brief, make_variant, "hiking", "Copper Watering Can loves hiking"),
        written(brief, make_variant, "music", "Copper Watering Can makes music"),
    ]
    figures = measure_match(texts, Words())
    found = named(figures)
    assert (found["match.cosine.first"], found["match.audience.first"]) == (0.0, 1.0)
    assert (found["match.cosine.mrr"], found["match.gain.mrr"]) == (0.5, 0.5)
    assert found["match.audience.pairs"] == 1.0
    [first] = [each for each in figures if each.name == "match.audience.first"]
    assert (first.baseline, first.baseline_value, first.n) == ("raw cosine", 0.0, 2)


def test_without_two_audiences_at_one_product_there_are_no_pairs(
    brief: Brief, make_variant: MakeVariant
) -> None:
    lone = [written(brief, make_variant, "hiking", "Up for hiking")]
    assert not [name for name in named(measure_match(lone, Words())) if name.endswith("pairs")]


def test_what_cannot_be_measured_is_left_out_and_nothing_is_refused(
    brief: Brief, make_variant: MakeVariant
) -> None:
    other = msgspec.structs.replace(brief, audience=Audience(name="a", interest="stamps"))
    facts, good = make_variant({"title": "Copper Watering Can"}), make_variant({"title": "Dig in"})
    found = measurable([brief, other], [[good, make_variant(None), facts], [good]])
    assert [text.copy.fields for text in found] == [good.fields]
    with pytest.raises(SuiteError, match="panel's interests"):
        measure_match([], Words())
