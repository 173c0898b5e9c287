"""Chooses and fills single lines of copy for one sketch; `forms` puts them together by channel."""

import random
import re
from collections.abc import Callable, Sequence

from prompts.interests import ANYONE
from service.llm.pocket.lexicon import REWRITE_TONES, Interest, Lexicon, Line, key
from service.llm.pocket.sketch import Sketch, visible

_SLOT = re.compile(r"\{(\w+)\}")
_OPENING = re.compile(r"(^|[.!?] )\{(people|scene|dream|moment|after|ware|use|spot|do)\}")
_PHRASES = {
    "people": "people",
    "scene": "scenes",
    "dream": "dreams",
    "moment": "moments",
    "after": "afters",
    "saying": "sayings",
}
_WARES = {"ware": "wares", "use": "uses", "spot": "spots", "do": "dos", "truth": "truths"}

DATED = frozenset({"classes", "trips", "apps"})
"""Kinds of which one can book a time."""
USE_SHARE = 0.3
"""How often a product is named by what one does with it, where such a line fits."""

SHORT_HEAD = 29
"""Characters of a search ad's headline, the shortest there is."""
HEAD_PHRASES = {
    "people": 15,
    "ware": 17,
    "use": 18,
    "spot": 18,
    "scene": 18,
    "dream": 20,
    "moment": 20,
    "after": 22,
}
"""Characters of the longest phrase that a search ad's headline takes in each slot."""

Maker = Callable[[int], str | None]
"""Makes a sentence of at most n characters, or none."""


def capitalise(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


class Writer:
    """Writes lines for one answer. Every line and every phrase is used at most once.

    A `tight` writer takes the shorter lines: for facts that leave little room.
    """

    def __init__(self, rng: random.Random, sketch: Sketch, lexicon: Lexicon, *, tight: bool = False) -> None:
        self.rng = rng
        self.sketch = sketch
        self.lexicon = lexicon
        self.tone = REWRITE_TONES.get(sketch.rewrite or "", sketch.tone)
        self.lines = lexicon.tones[self.tone]
        self.sizes = sketch.sizes()
        self.short = sketch.rewrite == "shorter"
        self.tight = tight
        self.used: set[str] = set()
        self.staged = False
        self.draft = sketch.draft.lower()
        self._lengths: dict[str, int] = {}
        own = self.interest.keys if self.interest else ()
        self._phrases = (*own, *lexicon.wares[sketch.kind].keys)
        benefits = sketch.benefits()
        if len(benefits) == 2 and rng.random() < 0.3:
            benefits.reverse()
        self.facts = {name: f"{{{{{name}}}}}" for name in ("product", "offer", "ends") if self.has(name)}
        pairs = zip(("benefit", "other"), benefits, strict=False)
        self.facts |= {name: f"{{{{{slot}}}}}" for name, slot in pairs}

    @property
    def interest(self) -> Interest | None:
        """The audience's phrases; none for everyone."""
        return self.lexicon.interests.get(self.sketch.audience)

    @property
    def link(self) -> str:
        """How the product stands to the audience: `direct`, `aside`, or `product` when it is for everyone."""
        if self.sketch.audience == ANYONE:
            return "product"
        return "direct" if self.sketch.belongs else "aside"

    def has(self, slot: str) -> bool:
        """Whether the sketch gives this slot."""
        return slot in self.sketch.lengths

    def fill(self, template: str) -> str | None:
        """Return the line with its slots set; none when it needs a slot that is not given or is used up."""
        line = template
        for match in _SLOT.finditer(template):
            name = match[1]
            if name in self.facts or name == "first_name":
                continue
            phrase = self._phrase(name)
            if phrase is None:
                return None
            opens = _OPENING.search(line)
            if opens and opens[2] == name:
                phrase = capitalise(phrase)
            line = line.replace(f"{{{name}}}", phrase, 1)
        line = line.replace("{first_name}", "{{first_name}}")
        return re.sub(r"(?<!\{)\{(\w+)\}(?!\})", lambda match: self.facts.get(match[1], ""), line)

    def _options(self, slot: str) -> tuple[str, ...]:
        """Return the phrases of the audience or the kind of product that may stand in a slot."""
        if slot in _WARES:
            options: tuple[str, ...] = getattr(self.lexicon.wares[self.sketch.kind], _WARES[slot])
            return options
        return getattr(self.interest, _PHRASES[slot]) if slot in _PHRASES and self.interest else ()

    def _phrase(self, slot: str) -> str | None:
        """Return an unused phrase for a slot, rather one the draft already has."""
        options = self._options(slot)
        if self.draft:
            options = tuple(phrase for phrase in options if phrase.lower() in self.draft) or options
        for _ in range(4):
            phrase = self.rng.choice(options) if options else None
            if phrase and key(phrase) not in self.used:
                return phrase
        return None

    def _least(self, slot: str) -> int:
        """Return how many characters a slot takes at least; more than any room when nothing fits it."""
        if slot not in self._lengths:
            if slot in self.facts:
                length = self.sizes[self.facts[slot].strip("{}")]
            elif slot == "first_name":
                length = self.sizes[slot]
            else:
                length = min((self._filled(phrase) for phrase in self._options(slot)), default=9999)
            self._lengths[slot] = length
        return self._lengths[slot]

    def _filled(self, phrase: str) -> int:
        """Return a phrase's length with its product, if it holds one."""
        held = "{product}" in phrase
        return len(phrase) + (self.sizes["product"] - len("{product}") if held else 0)

    def fits(self, line: str, limit: int) -> bool:
        """Whether a filled line has at most `limit` characters."""
        return visible(line, self.sizes) <= limit

    def pick(
        self, kinds: Sequence[str], limit: int, *, need: str = "", ban: str = "", half: int | None = None
    ) -> str | None:
        """Return a random unused line of one of these kinds that fits, or none.

        With `half`, 0 or 1, every other line is left out: what stands first and what stands second is then
        never drawn from the same lines, so that a model's likeliest first and second differ.
        """
        pool = [
            line
            for kind in kinds
            for line in (self.lines[kind] if half is None else self.lines[kind][half::2])
            if line.beside + sum(map(self._least, line.slots)) <= limit
            and line.key not in self.used
            and not (self.sketch.name and line.calls_out)
            and (not need or need in line.slots)
            and (not ban or ban not in line.slots)
        ]
        if self.short or self.tight:
            pool.sort(key=lambda line: line.beside)
            pool = pool[: max(4, len(pool) // 2)]
        while pool:
            place = int(self.rng.random() * len(pool))
            drawn, pool[place] = pool[place], pool[-1]
            pool.pop()
            for _ in range(2 if self.dearest(drawn) else 1):
                line = self.fill(drawn.text)
                if line and self.fits(line, limit) and not self._outgrows(drawn, line, limit):
                    self.used.add(drawn.key)
                    self._keep(line)
                    return line
        return None

    def _outgrows(self, line: Line, filled: str, limit: int) -> bool:
        """Whether a headline with a phrase of its own would teach what is too long for a search ad.

        There, only short lines take phrases and only short ones, so that any pair of what was seen fits; and
        a short line takes no longer phrase in any other channel either, lest it be written in an ad. A
        headline's length is then a matter of facts alone.
        """
        if not line.heads or not self.dearest(line) or any(slot in self.facts for slot in line.slots):
            return False
        room = sum(HEAD_PHRASES[slot] for slot in line.slots)
        short, small = line.beside + room <= SHORT_HEAD, len(filled) - line.beside <= room
        return not (short and small) if limit <= SHORT_HEAD else short and not small

    def dearest(self, line: Line) -> bool:
        """Whether a line's length depends on which phrase is drawn for it."""
        return any(slot not in self.facts for slot in line.slots)

    def whole(self, slot: str, limit: int) -> str | None:
        """Return a whole sentence that is itself a phrase: a saying of the audience, a truth of the kind."""
        for _ in range(3):
            line = self._phrase(slot)
            if line and self.fits(line, limit):
                self._keep(line)
                return line
        return None

    def _keep(self, line: str) -> None:
        low = line.lower()
        self.used.update(phrase for phrase in self._phrases if phrase in low)

    def named(self) -> bool:
        """Whether a line so far names the product."""
        return any("{product}" in line or "{do}" in line for line in self.used)

    def headline(self, kinds: Sequence[str], limit: int) -> str | None:
        """Return a headline of the first kind that fits, at worst a plain one."""
        for kind in kinds:
            line = self.pick([kind], limit)
            if line:
                return line
        return self.pick(["head.plain"], limit)

    def stage_head(self, limit: int) -> str | None:
        """Return a headline for where the customer stands, to the audience by name when that fits."""
        if not self.sketch.stage:
            return None
        kinds = [f"head.{self.sketch.stage}"]
        if self.interest and self.rng.random() < 0.6:
            kinds.insert(0, f"head.people.{self.sketch.stage}")
        for kind in kinds:
            line = self.pick([kind], limit)
            if line:
                self.staged = True
                return line
        return None

    def stage_line(self, limit: int) -> str | None:
        """Return a sentence for where the customer stands, a short one where room is short."""
        stage = self.sketch.stage
        if not stage or self.staged:
            return None
        line = self.pick([f"stage.{stage}"], limit)
        if line is None:
            head = self.pick([f"head.{stage}"], limit - 1)
            line = head and head + ("" if head[-1] == "?" else ".")
        self.staged = line is not None
        return line

    def mood(self, limit: int) -> str | None:
        """Return a sentence that sets the scene before the product is named."""
        options: dict[str, tuple[tuple[str, int], ...]] = {
            "direct": (("saying", 4), ("direct", 5), ("truth", 3), ("hook", 1)),
            "aside": (("saying", 2), ("aside", 5), ("truth", 5), ("hook", 1)),
            "product": (("truth", 5), ("hook", 5)),
        }
        names, weights = zip(*options[self.link], strict=True)
        for _ in range(3):
            drawn = self.rng.choices(names, weights)[0]
            whole = drawn in {"saying", "truth"}
            line = self.whole(drawn, limit) if whole else self.pick([drawn], limit, ban="product")
            if line:
                return line
        return None

    def address(self, limit: int) -> str | None:
        """Return a sentence to the audience, unless one spoke to it: on its stage, at worst a mere call."""
        if self.link == "product" or self.spoken():
            return None
        if self.sketch.stage and not self.staged:
            told = self.pick([f"head.people.{self.sketch.stage}"], limit - 1)
            if told:
                self.staged = True
                return told + ("" if told[-1] == "?" else ".")
        line = self.pick([self.link], limit, ban="do") or self.whole("saying", limit)
        if line is None:
            head = self.pick(["head.people"], limit - 1)
            line = head and head + ("" if head[-1] == "?" else ".")
        return line

    def intro(self, limit: int, *, after_mood: bool = False) -> str | None:
        """Return a sentence that names the product, to the audience unless it was spoken to already."""
        if self.sketch.stage == "cart":
            line = self.pick(["cart.product"], limit)
            if line:
                self.staged = True
                return line
        kinds = ["turn", "turn", "product"] if after_mood else ["product"]
        if self.link != "product":
            kinds.append(f"{self.link}.product")
            if not self.spoken():
                kinds = [f"{self.link}.product"]
        kind = self.rng.choice(kinds)
        use = self.pick([kind], limit, need="do") if self.rng.random() < USE_SHARE else None
        return use or self.pick([kind], limit) or self.pick(["product"], limit)

    def spoken(self) -> bool:
        """Whether a line so far holds a phrase of the audience's interest."""
        return self.interest is not None and not self.used.isdisjoint(self.interest.keys)

    def benefit(self, limit: int, *, product: bool = False) -> str | None:
        """Return a sentence on the benefit, or on both, with the product when asked."""
        if "benefit" not in self.facts:
            return None
        kind = "benefits" if "other" in self.facts else "benefit"
        return self.pick([f"{kind}.product" if product else kind], limit)

    def offer(self, limit: int) -> str | None:
        """Return an offer sentence, with its end when one is given."""
        if not self.has("offer"):
            return None
        return self.pick(["offer.ends" if self.has("ends") else "offer"], limit)

    def packed(self, limit: int, *, people: bool = False) -> str | None:
        """Return one compact sentence with product and offer, its end, a benefit when there is one."""
        ends = ".ends" if self.has("ends") else ""
        if people:
            return self.pick([f"people.product.offer{ends}"], limit)
        if len(self.sketch.benefits()) == 1:
            line = self.pick([f"product.benefit.offer{ends}"], limit)
            if line:
                return line
        return self.pick([f"product.offer{ends}"], limit)

    def call(self) -> str:
        """Return a call to action that fits goal and kind."""
        calls = sorted(self.lexicon.calls(self.sketch.goal, self.sketch.kind), key=len)
        return self.rng.choice(calls[:2] if self.tight else calls)

    def step(self, limit: int) -> str | None:
        """Return a sentence that asks for the goal's step; for a date only where there are dates."""
        dated = self.sketch.goal != "book" or self.sketch.kind in DATED
        return self.pick([f"goal.{self.sketch.goal}" if dated else "close"], limit)

    def close(self, limit: int) -> str | None:
        """Return a last sentence: the goal's step, or the tone's farewell."""
        return self.step(limit) if self.rng.random() < 0.5 else self.pick(["close"], limit)

    def greeting(self) -> str | None:
        """Return a greeting by name, when wanted."""
        if not self.sketch.name:
            return None
        return self.fill(self.rng.choice(self.lines["greeting"]).text)


def join(sentences: Sequence[str | None]) -> str:
    """Put sentences behind one another; one that follows a comma goes on in lower case."""
    out = ""
    for text in filter(None, sentences):
        if out[-1:] == "," and text[:1].isalpha() and (text[1:2].islower() or text.startswith("A ")):
            text = text[0].lower() + text[1:]
        out += (" " if out else "") + text
    return out
