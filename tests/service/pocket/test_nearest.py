"""What the pocket model knows that is nearest to what a brief says."""

import pytest

from indexing.embedder import Embedder
from indexing.sentence import load_embedder
from prompts.brief import Audience, Brief, Product
from prompts.kinds import KINDS
from service.llm.pocket.held_out import load_facts
from service.llm.pocket.nearest import nearest_interest, nearest_kind, understand


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("offline")


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Vintage Union Jack Cushion", "decor"),
        ("Red Retrospot Bowl", "tableware"),
        ("Lavender Incense In Tin", "candles"),
        ("Starbucks Gift Card", "gift cards"),
        ("First Class Luggage Tag", "bags"),
        ("Hand-Forged Garden Trowel", "garden"),
        ("Zxqv 4411", None),
    ],
)
def test_a_title_says_what_kind_of_product_it_is(embedder: Embedder, title: str, kind: str | None) -> None:
    assert nearest_kind(Product(id="1", title=title), embedder) == kind


def test_a_description_helps_where_the_title_says_nothing(embedder: Embedder) -> None:
    bare = Product(id="1", title="Kestrel")
    told = Product(id="1", title="Kestrel", description="A road bike with a carbon frame and disc brakes.")
    assert nearest_kind(bare, embedder) is None
    assert nearest_kind(told, embedder) == "cycling"


def test_most_held_out_products_are_of_their_kind_or_of_none(embedder: Embedder) -> None:
    products = load_facts().products
    found = [nearest_kind(Product(id="", title=product.title), embedder) for product in products]
    wrong = [kind not in {None, product.kind} for kind, product in zip(found, products, strict=True)]
    assert sum(wrong) / len(wrong) < 0.25


def test_an_interest_is_mapped_and_a_text_about_nothing_is_none(embedder: Embedder) -> None:
    assert nearest_interest("growing vegetables", embedder) == "gardening"
    assert nearest_interest("hiking", embedder) == "hiking"
    assert nearest_interest("", embedder) is None


def test_a_brief_is_put_into_the_models_words_and_a_named_kind_stays(embedder: Embedder) -> None:
    brief = Brief(
        channel="push",
        product=Product(id="1", title="Cast-iron skillet"),
        audience=Audience(name="cooks", description="People who love to bake and cook."),
    )
    known = understand(brief, embedder)
    assert (known.product.kind, known.audience.interest) == ("kitchen", "cooking")
    named = Brief(
        channel="push",
        product=Product(id="1", title="Cast-iron skillet", kind="outdoor"),
        audience=Audience(name="everyone"),
    )
    assert understand(named, embedder).product.kind == "outdoor"
    assert understand(named, embedder).audience.interest is None
    assert all(kind.examples or name == "goods" for name, kind in KINDS.items())
