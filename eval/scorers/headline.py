"""How likely people are to click a variant's first line rather than that of the draft's other variants."""

import threading
from collections.abc import Sequence

from eval.errors import ProxyError
from eval.proxies.headline.model import HeadlineProxy, Opinion
from eval.scorers.copy_text import parts
from indexing.embedder import Embedder
from indexing.errors import EmbedderError
from prompts.brief import Brief
from prompts.variant import CONTROL, Score, Unscored, Variant

NAME = "headline"
_LONGEST = 120
_ENDS = ".!?…"

_loading = threading.Lock()
_loaded: dict[str, HeadlineProxy | str] = {}


def first_line(variant: Variant) -> str:
    """Return what a reader meets first: subject, title or first headline; of running text the first sentence.

    Empty for a malformed variant.
    """
    line = next(iter(parts(variant)), "").split("\n")[0].strip()
    if len(line) <= _LONGEST:
        return line
    end = min((place for mark in _ENDS if (place := line.find(f"{mark} ")) > 0), default=_LONGEST - 1)
    return line[: end + 1]


def shipped() -> HeadlineProxy | str:
    """Return the proxy that ships, loaded by the first call; or why it cannot be had."""
    with _loading:
        if NAME not in _loaded:
            try:
                _loaded[NAME] = HeadlineProxy.load()
            except (ProxyError, EmbedderError) as error:
                _loaded[NAME] = str(error)
        return _loaded[NAME]


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored | None]:
    """Score P(its first line is clicked more than the control's, else than the others' on average), 0..1.

    The interval is that of the proxy's linear part. No score where there is nothing to compare with, and
    where the proxy does not know a text. It reads with an encoder of its own, whatever `embedder` is.

    When it lies: it has read news headlines of one site, 2013 to 2015; of an advert it knows what the two
    have in common. It reads one line, not the piece.
    """
    del brief, embedder
    lines = [first_line(variant) for variant in variants]
    control = next((line for line, each in zip(lines, variants, strict=True) if each.id == CONTROL), "")
    mine = [place for place, line in enumerate(lines) if line and variants[place].id != CONTROL]
    if not mine or (not control and len(mine) < 2):
        return [Unscored(name=NAME, reason="there is no other text to compare with") for _ in variants]
    proxy = shipped()
    if isinstance(proxy, str):
        return [Unscored(name=NAME, reason=proxy, failed=True) for _ in variants]
    opinions = proxy.compare([lines[place] for place in mine], [control] if control else None, by_word=True)
    beside = "the text in use today" if control else "the draft's others"
    answers: list[Score | Unscored | None] = [None] * len(variants)
    for place, opinion in zip(mine, opinions, strict=True):
        answers[place] = _answer(lines[place], opinion, beside)
    return answers


def _answer(line: str, opinion: Opinion, beside: str) -> Score | Unscored:
    if not opinion.known:
        return Unscored(name=NAME, reason=f"don't know: {opinion.why_not}")
    close = "; too close to call" if opinion.low < 0.5 < opinion.high else ""
    return Score(
        name=NAME,
        value=opinion.p,
        low=opinion.low,
        high=opinion.high,
        reason=f"{opinion.p:.0%} that “{line}” is clicked more than {beside}{close}",
        evidence=tuple(f"{one.value:+.2f} {one.name}" for one in opinion.contributions[:5]),
    )
