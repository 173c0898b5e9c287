"""Accepted copy as examples for a brief: of its workspace, brand, channel and language, the nearest first.

Near is what was written about like products for like people, by the sentence encoder. It is switched on by a
setting or in the request; by default a prompt shows none, and the same seed gives the same text whatever has
been accepted since.
"""

from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief, Example
from prompts.brief_limits import LONGEST_EXAMPLE, MOST_EXAMPLE_TEXTS
from prompts.personal import traits_named
from prompts.readers import ASSUMED
from prompts.variant import Fields, texts
from service.drafts.model import Draft
from service.drafts.store import DraftStore
from service.runtime import Runtime

NEWEST = 200
"""Drafts with decisions that are looked through, the newest first."""

REMEMBERED = 2_000
"""Vectors kept per process; the same products and audiences come again and again."""

_Vectors = OrderedDict[tuple[str, str], Vectors]
_VECTORS: "WeakKeyDictionary[Runtime, _Vectors]" = WeakKeyDictionary()


async def nearest_examples(runtime: Runtime, workspace: str, brief: Brief, most: int) -> tuple[Example, ...]:
    """Find up to `most` accepted variants to show for a brief; of equally near ones the newest.

    What is accepted for copy of another brand name, or holds too much for a prompt, is left out.
    """
    async with runtime.database.read() as session:
        drafts = await DraftStore(session, workspace).newest_decided(brief.channel, NEWEST)
    found = [
        example
        for draft in drafts
        # What was written for one customer goes when that customer is erased: it is copied nowhere.
        if draft.profile_id is None and _alike(draft.brief, brief)
        for example in _accepted(draft)
    ]
    if not found:
        return ()
    embedder = await runtime.embedder()
    remembered = _VECTORS.setdefault(runtime, OrderedDict())
    about = [_about(example.product, example.audience) for example in found]
    wanted = _about(brief.product.title, _audience(brief))
    vectors = await runtime.run(_encoded, embedder, remembered, [wanted, *about])
    # Rounded, so that what is equally near stays in its order, the newest first.
    nearness = [round(float(cosine), 6) for cosine in vectors[1:] @ vectors[0]]
    order = sorted(range(len(found)), key=lambda place: -nearness[place])
    return _different([found[place] for place in order])[:most]


def _alike(written: Brief, wanted: Brief) -> bool:
    return (written.brand.name, written.language) == (wanted.brand.name, wanted.language)


def _accepted(draft: Draft) -> list[Example]:
    """List a draft's accepted copy as it stands."""
    return [
        Example(
            source=f"{draft.id}/{standing.variant_id}",
            product=draft.brief.product.title,
            audience=_audience(draft.brief),
            fields=standing.fields,
        )
        for standing in draft.standings
        if standing.verdict == "accepted" and _fits(standing.fields)
    ]


def _fits(fields: Fields) -> bool:
    """Whether a prompt has room for it, and an engine may use every merge tag it would see."""
    found = texts(fields)
    small = len(found) <= MOST_EXAMPLE_TEXTS and all(len(text) <= LONGEST_EXAMPLE for text in found)
    return small and ASSUMED.known.issuperset(traits_named(fields))


def _different(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Leave out copy that an example before it shows already."""
    shown: dict[tuple[str, ...], Example] = {}
    for example in examples:
        shown.setdefault(tuple(texts(example.fields)), example)
    return tuple(shown.values())


def _audience(brief: Brief) -> str:
    return brief.audience.description or brief.audience.name


def _about(product: str, audience: str) -> str:
    return f"{product}. {audience}"


def _encoded(embedder: Embedder, remembered: _Vectors, wanted: Sequence[str]) -> Vectors:
    """Encode texts that are not remembered, and give the rows of all, float32[n, dim]."""
    keys = [(embedder.digest, text) for text in wanted]
    known = {key: remembered[key] for key in keys if key in remembered}
    new = [key for key in dict.fromkeys(keys) if key not in known]
    if new:
        known.update(zip(new, embedder.encode([text for _, text in new]), strict=True))
    for key, row in known.items():
        remembered[key] = row
        remembered.move_to_end(key)
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
    return np.stack([known[key] for key in keys])
