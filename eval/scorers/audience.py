"""How much closer the copy is to the people it is for than to others."""

from collections.abc import Mapping, Sequence

from eval.scorers.meaning import meanings, standing_vectors
from eval.scorers.relevance import audience_text
from indexing.embedder import Embedder, Vectors
from prompts.brief import Audience, Brief
from prompts.interests import INTERESTS
from prompts.variant import Score, Unscored, Variant

NAME = "audience"
PANEL = tuple(INTERESTS)
"""The other audiences, by interest; the brief's own is left out."""


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored]:
    """Score c·a - mean over j of c·p_j, about -0.3..0.5; passed when c·a is above every c·p_j.

    c is the vector of the copy without the brief's facts (`meaning`), a of what is known of the audience,
    p_j of the panel: the interests of `prompts.interests`, less the audience's own (the one it names, else
    the nearest). What the product says is left out of c, and what any copy shares with any audience is in the
    mean, so both cancel. This project's own; `pitchwright eval match` measures it beside the raw cosine.

    When it lies: naming the interest is rewarded, not writing well for it; an audience with two interests is
    held against its second; with an encoder of another language than the copy's it is noise. No score for
    everyone, and for copy that says nothing but facts.
    """
    target = audience_text(brief.audience)
    if not target:
        return [Unscored(name=NAME, reason="the brief is for everyone") for _ in variants]
    wanted = embedder.encode([target])[0]
    rivals = _rivals(brief.audience, wanted, standing_vectors(embedder, tuple(INTERESTS.values())))
    return [
        _silent(variant) if copy is None else _score(copy, wanted, rivals)
        for variant, copy in zip(variants, meanings(brief, variants, embedder), strict=True)
    ]


def _rivals(audience: Audience, wanted: Vectors, panel: Vectors) -> Mapping[str, Vectors]:
    """Give the vectors of the panel by interest, less the audience's own."""
    nearest = PANEL[int((panel @ wanted).argmax())]
    own = audience.interest if audience.interest in PANEL else nearest
    return {name: row for name, row in zip(PANEL, panel, strict=True) if name != own}


def _silent(variant: Variant) -> Unscored:
    reason = "it says nothing but the brief's facts" if variant.fields else "there is no copy"
    return Unscored(name=NAME, reason=reason)


def _score(copy: Vectors, wanted: Vectors, rivals: Mapping[str, Vectors]) -> Score:
    to_own = float(copy @ wanted)
    to_rivals = {name: float(copy @ row) for name, row in rivals.items()}
    mean = sum(to_rivals.values()) / len(to_rivals)
    rival = max(to_rivals, key=lambda name: to_rivals[name])
    passed = to_own > to_rivals[rival]
    return Score(
        name=NAME,
        value=to_own - mean,
        reason=f"cosine {to_own:.2f} with the audience, {mean:.2f} with {len(rivals)} others on average; "
        f"{'above' if passed else 'below'} the nearest of them, {rival} ({to_rivals[rival]:.2f})",
        passed=passed,
    )
