"""What the pocket model knows that is nearest in meaning to what a brief says in its own words."""

from functools import lru_cache

import msgspec

from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief, Product
from prompts.interests import INTERESTS
from prompts.kinds import KINDS

LEAST_INTEREST = 0.25
"""Below this cosine no known interest says what a text is about."""
LEAST_KIND = 0.34
"""Below this cosine a product is of no known kind: better a line that fits anything than a wrong one."""
DESCRIBED = 120
"""Characters of a description that are looked at."""


def understand(brief: Brief, embedder: Embedder) -> Brief:
    """Give a brief the interest and the kind of product the pocket model was trained on.

    A kind the brief names stays. CPU work: run it in the executor.
    """
    words = brief.audience.interest or brief.audience.description
    interest = nearest_interest(words, embedder) if words else None
    kind = brief.product.kind or nearest_kind(brief.product, embedder)
    return msgspec.structs.replace(
        brief,
        audience=msgspec.structs.replace(brief.audience, interest=interest),
        product=msgspec.structs.replace(brief.product, kind=kind),
    )


def nearest_interest(text: str, embedder: Embedder) -> str | None:
    """Map a free text to a known interest; none when the nearest is below `LEAST_INTEREST` (cosine)."""
    words = text.strip().lower()
    if not words or words in INTERESTS:
        return words or None
    similarities = _interests(embedder) @ embedder.encode([words])[0]
    best = int(similarities.argmax())
    return list(INTERESTS)[best] if float(similarities[best]) >= LEAST_INTEREST else None


def nearest_kind(product: Product, embedder: Embedder) -> str | None:
    """Map a product to the kind with the example nearest to it; none below `LEAST_KIND` (cosine).

    Nearest to its title, to that with its category, or to that with the first words of its description.
    """
    title = product.title.lower()
    texts = [title]
    texts += [f"{title}, {product.category.lower()}"] if product.category else []
    texts += [f"{title}. {product.description[:DESCRIBED].lower()}"] if product.description else []
    owners, examples = _kinds(embedder)
    similarities = (examples @ embedder.encode(texts).T).max(axis=1)
    best = int(similarities.argmax())
    return owners[best] if float(similarities[best]) >= LEAST_KIND else None


@lru_cache(maxsize=4)
def _interests(embedder: Embedder) -> Vectors:
    return embedder.encode(list(INTERESTS.values()))


@lru_cache(maxsize=4)
def _kinds(embedder: Embedder) -> tuple[list[str], Vectors]:
    pairs = [(name, example) for name, kind in KINDS.items() for example in kind.examples]
    return [name for name, _ in pairs], embedder.encode([example.lower() for _, example in pairs])
