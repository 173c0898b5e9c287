"""How much closer the copy sounds to the brand's own lines than to other brands'."""

from collections.abc import Iterator, Mapping, Sequence

from eval.scorers.meaning import meanings, standing_vectors
from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief
from prompts.variant import Score, Unscored, Variant, texts

NAME = "voice"

OTHERS: Mapping[str, tuple[str, ...]] = {
    "market trader": (
        "Roll up, roll up, everything must go before the van leaves!",
        "You will not see a price like this again, so grab two while your hands are free.",
        "Big, bold and going fast: get yours now or go home without.",
    ),
    "fashion house": (
        "A silhouette drawn once, in silence, and never repeated.",
        "The season begins with a single fold of silk.",
        "Restraint is the rarest of luxuries.",
    ),
    "engineering firm": (
        "Rated for continuous operation and verified against the published standard.",
        "Specifications, tolerances and test reports are available on request.",
        "The assembly reduces downtime and integrates with existing systems.",
    ),
    "cheeky start-up": (
        "Plot twist: adulting just got a teensy bit less awful.",
        "We made the thing. You know, the thing. You are welcome.",
        "No capes, no jargon, just snacks and suspiciously good ideas.",
    ),
    "kind neighbour": (
        "Pop in whenever suits you, the kettle is always on.",
        "We thought of you when these came in this morning.",
        "Take your time, ask us anything, and mind the step.",
    ),
    "coach": (
        "You have it in you, and today is the day you prove it.",
        "Small steps, every morning, and one day you look back from the summit.",
        "Dream further, start now, and never let a hard week have the last word.",
    ),
}
"""Other brands' voices: lines written for this panel, about nothing in particular."""


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored]:
    """Score s(own) - mean over other voices v of s(v), about -0.3..0.5; passed when s(own) is above them all.

    s(v) is the mean cosine of the copy, without the brief's facts, with the lines of v. The brand's own lines
    are the `do` lines of its traits and the accepted copy the brief shows; the others are the panel `OTHERS`,
    and the brand's `dont` lines as one voice more.

    When it lies: a sentence encoder hears what is spoken of before it hears how, so a brand whose lines all
    speak of gardens finds its voice in any copy about gardens; with fewer than five lines it is a hint at
    best. No score for a brand without lines.
    """
    own = [*_lines(brief, "do"), *(text for example in brief.examples for text in texts(example.fields))]
    if not own:
        return [Unscored(name=NAME, reason="the brand has no lines of its own") for _ in variants]
    dont = list(_lines(brief, "dont"))
    lines = embedder.encode([*own, *dont])
    voices = {name: standing_vectors(embedder, panel) for name, panel in OTHERS.items()}
    if dont:
        voices["what the brand does not say"] = lines[len(own) :]
    return [
        Unscored(
            name=NAME,
            reason="it says nothing but the brief's facts" if variant.fields else "there is no copy",
        )
        if copy is None
        else _score(copy, own, lines[: len(own)], voices)
        for variant, copy in zip(variants, meanings(brief, variants, embedder), strict=True)
    ]


def _lines(brief: Brief, which: str) -> Iterator[str]:
    return (line for trait in brief.brand.traits for line in getattr(trait, which) if line.strip())


def _score(copy: Vectors, own: Sequence[str], rows: Vectors, voices: Mapping[str, Vectors]) -> Score:
    cosines = rows @ copy
    to_own = float(cosines.mean())
    to_others = {name: float((lines @ copy).mean()) for name, lines in voices.items()}
    rival = max(to_others, key=lambda name: to_others[name])
    mean = sum(to_others.values()) / len(to_others)
    passed = to_own > to_others[rival]
    place = "above" if passed else "below"
    return Score(
        name=NAME,
        value=to_own - mean,
        reason=f"mean cosine {to_own:.2f} with {len(own)} lines of the brand, {mean:.2f} with "
        f"{len(voices)} other voices; {place} the nearest, {rival} ({to_others[rival]:.2f})",
        passed=passed,
        evidence=(own[int(cosines.argmax())],),
    )
