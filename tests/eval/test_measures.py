import json

import msgspec
import pytest

from eval.errors import SuiteError
from eval.figures import Figure
from eval.measures import Sample, measure
from eval.scorers.registry import score_variants
from indexing.embedder import Embedder
from prompts.brief import Audience, Brief, Offer, Product
from tests.eval.written import MakeVariant

AUDIENCES = {
    "gardening": "Pots, seedlings and beans: watering the vegetable garden.",
    "gaming": "Consoles, levels and bosses: gaming late with friends.",
    "cooking": "Onions, butter and a hot pan: cooking supper at home.",
}


def named(figures: tuple[Figure, ...]) -> dict[str, Figure]:
    return {entry.name: entry for entry in figures}


def samples_for(pairs: dict[str, str], make_variant: MakeVariant, embedder: Embedder) -> list[Sample]:
    """Copy about an interest by audience, two products, one variant each."""
    samples: list[Sample] = []
    for product in ("p1", "p2"):
        for audience, about in pairs.items():
            brief = Brief(
                channel="push",
                product=Product(id=product, title="Gift Card"),
                audience=Audience(name=audience, interest=audience),
            )
            variants = score_variants(
                brief, [make_variant({"title": "Gift Card", "body": AUDIENCES[about]})], embedder
            )
            samples.append(Sample(brief=brief, variants=tuple(variants)))
    return samples


def test_copy_for_its_own_audience_is_told_from_copy_that_ignores_it(
    make_variant: MakeVariant, embedder: Embedder
) -> None:
    own = named(measure(samples_for({a: a for a in AUDIENCES}, make_variant, embedder), embedder, seed=1))
    assert own["closeness.p"].value < 0.05
    margin = own["closeness.margin"]
    assert margin.low is not None
    assert margin.low > 0
    assert (own["closeness.audience"].ratio or 0) > 1.2
    same = named(
        measure(samples_for(dict.fromkeys(AUDIENCES, "cooking"), make_variant, embedder), embedder, seed=1)
    )
    assert same["closeness.p"].value == pytest.approx(1.0)
    assert same["closeness.margin"].value == pytest.approx(0.0, abs=1e-6)


def test_what_the_product_says_does_not_count_as_closeness(
    make_variant: MakeVariant, embedder: Embedder
) -> None:
    # each product has one audience only: nothing can be shuffled at the same product
    samples = [
        msgspec.structs.replace(
            sample,
            brief=msgspec.structs.replace(
                sample.brief, product=Product(id=sample.brief.audience.name, title="Gift Card")
            ),
        )
        for sample in samples_for({a: a for a in AUDIENCES}, make_variant, embedder)[:3]
    ]
    assert not [name for name in named(measure(samples, embedder, seed=1)) if name.startswith("closeness")]


def test_shares_count_every_variant_asked_for(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    promised = msgspec.structs.replace(brief, offer=Offer(text="20% off", ends="Sunday"))
    text = {"title": "Copper Watering Can", "body": "20% off until Sunday."}
    variants = [
        make_variant(text),
        make_variant(text, attempts=2),
        make_variant(text, failed=("facts.offer",)),
        make_variant(text, failed=("length.hard",), warned=("facts.ends",)),
        make_variant(None),
    ]
    sample = Sample(brief=promised, variants=tuple(score_variants(promised, variants, embedder)))
    figures = named(measure([sample], embedder, seed=0))
    expected = {
        "structure.valid": 4 / 5,
        "structure.first_try": 1 / 5,
        "checks.passed": 2 / 5,
        "facts.kept": 3 / 5,
        "facts.kept.product": 4 / 5,
        "facts.kept.offer": 3 / 5,
        "facts.kept.ends": 3 / 5,
    }
    assert {name: figures[name].value for name in expected} == pytest.approx(expected)
    assert "facts.kept.code" not in figures
    assert all(figures[name].n == 5 for name in expected)


def test_a_facts_check_that_was_not_run_keeps_nothing(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    unchecked = msgspec.structs.replace(make_variant({"title": "a"}), checks=())
    figures = named(measure([Sample(brief=brief, variants=(unchecked,))], embedder, seed=0))
    assert figures["facts.kept.product"].value == 0.0


def test_no_variant_is_no_measurement(brief: Brief, embedder: Embedder) -> None:
    with pytest.raises(SuiteError, match="no variant"):
        measure([Sample(brief=brief, variants=())], embedder, seed=0)


def test_figures_survive_json(brief: Brief, make_variant: MakeVariant, embedder: Embedder) -> None:
    variants = score_variants(
        brief, [make_variant({"title": "a b"}), make_variant({"title": "c d"})], embedder
    )
    figures = measure([Sample(brief=brief, variants=tuple(variants))], embedder, seed=0)
    assert [entry["name"] for entry in json.loads(msgspec.json.encode(figures))][:2] == [
        "structure.valid",
        "structure.first_try",
    ]
