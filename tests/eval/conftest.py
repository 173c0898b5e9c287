"""What tests of copy need: the real sentence encoder, and a brief."""

import pytest

from indexing.embedder import Embedder
from prompts.brief import Audience, Brief, Product
from tests.eval.written import MakeVariant, variant_of


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    from indexing.sentence import load_embedder

    return load_embedder("offline")


@pytest.fixture
def brief() -> Brief:
    return Brief(
        channel="push",
        product=Product(id="p1", title="Copper Watering Can", benefits=("a long spout",)),
        audience=Audience(
            name="gardeners", description="They grow vegetables at home.", interest="gardening"
        ),
    )


@pytest.fixture
def make_variant() -> MakeVariant:
    return variant_of
