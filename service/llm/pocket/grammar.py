"""Writes the answer to a sketch by a grammar over the lexicon: the pocket model's whole schooling."""

import random
import re
from collections.abc import Callable, Sequence

from prompts.interests import ANYONE
from prompts.variant import Fields
from service.llm.pocket.lexicon import REWRITE_TONES, Interest, Lexicon, load_lexicon
from service.llm.pocket.sketch import LINKED, Sketch, texts_of, visible

# Characters the grammar allows itself: a little under each real limit, so that small errors stay inside it.
ROOM = {
    "search": {"headlines": 28, "descriptions": 82},
    "email": {"subject": 56, "preheader": 92, "sentence": 200},
    "push": {"title": 46, "body": 162},
    "sms": {"text": 152},
    "social": {"text": 258, "sentence": 120},
    "banner": {"headline": 37, "body": 86},
}

_ALTERNATIVES = re.compile(r"\[([^\]]*)\]")
_OPENING = re.compile(r"(^|[.!?] )\{(people|scene|dream|moment)\}")
_SLOT = re.compile(r"\{(\w+)\}")
# Lines that call to a crowd; they do not follow a greeting by name.
_CALL = re.compile(
    r"^(\{people\}[,:!]|\{product\},|To |Hello|Hey|Hi |Ahoy|Calling|Hands up|Yoo-hoo|Psst, \{people|Quick)"
    r"|, \{people\}[.!:]"
)
_CROWD = {"people": "people", "scene": "scenes", "dream": "dreams", "moment": "moments", "saying": "sayings"}

Plan = list[tuple[int, Callable[[int], str | None]]]
"""Sentences in order of importance: place in the text, and how to make one of at most n characters."""


def capitalise(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def key(line: str) -> str:
    """Return what two lines share that say the same: a headline and the same words as a sentence."""
    return line.casefold().strip(".!? ")


class Writer:
    """Writes one answer to one sketch. Every line is used at most once."""

    def __init__(self, rng: random.Random, sketch: Sketch, lexicon: Lexicon, *, tight: bool = False) -> None:
        self.rng = rng
        self.sketch = sketch
        self.lexicon = lexicon
        self.lines = lexicon.tones[REWRITE_TONES.get(sketch.rewrite or "", sketch.tone)]
        self.sizes = sketch.sizes()
        self.short = sketch.rewrite == "shorter"
        self.tight = tight
        self.used: set[str] = set()
        self.given = self._given_slots()
        self.room = ROOM[sketch.channel]

    def write(self) -> Fields | None:
        """Return the channel's fields, or none when this attempt does not fit."""
        makers: dict[str, Callable[[], Fields | None]] = {
            "search": self._search,
            "email": self._email,
            "push": self._push,
            "sms": self._sms,
            "social": self._social,
            "banner": self._banner,
        }
        return makers[self.sketch.channel]()

    def _given_slots(self) -> dict[str, str]:
        benefits = self.sketch.benefits()
        self.rng.shuffle(benefits)
        names = {name: name for name in ("product", "offer", "ends") if name in self.sketch.lengths}
        names |= dict(zip(("benefit", "other_benefit"), benefits, strict=False))
        given = {name: f"{{{{{slot}}}}}" for name, slot in names.items()}
        if self.sketch.audience != ANYONE:
            interest, draft = self.lexicon.interests[self.sketch.audience], self.sketch.draft.lower()
            for name, group in _CROWD.items():
                options: tuple[str, ...] = getattr(interest, group)
                kept = [phrase for phrase in options if phrase.lower() in draft]
                given[name] = self.rng.choice(kept or options)
        return given

    @property
    def interest(self) -> Interest | None:
        """The audience's phrases; none for everyone."""
        return self.lexicon.interests.get(self.sketch.audience)

    def has(self, slot: str) -> bool:
        """Whether the sketch gives this slot."""
        return slot in self.sketch.lengths

    def realise(self, template: str) -> str | None:
        """Return the line with alternatives drawn and slots set; none when it needs a slot not given."""
        line = _ALTERNATIVES.sub(lambda match: self.rng.choice(match[1].split("|")), template)
        if any(name not in self.given for name in _SLOT.findall(line)):
            return None
        line = _OPENING.sub(lambda match: match[1] + capitalise(self.given[match[2]]), line)
        return _SLOT.sub(lambda match: self.given[match[1]], line)

    def pick(self, kinds: Sequence[str], limit: int, *, need: str = "", ban: str = "") -> str | None:
        """Return a random unused line of these kinds that fits, or none."""
        pool = [line for kind in kinds for line in self.lines[kind] if key(line) not in self.used]
        pool = [line for line in pool if need in line and not (ban and ban in line)]
        if self.sketch.name:
            pool = [line for line in pool if not _CALL.search(line)]
        self.rng.shuffle(pool)
        if self.short:
            half = max(3, len(pool) // 2)
            pool = sorted(pool[:half], key=len) + pool[half:]
        for template in pool:
            line = self.realise(template) or self.realise(template)
            if line and visible(line, self.sizes) <= limit:
                self.used.add(key(template))
                return line
        return None

    def named(self) -> bool:
        """Whether a line so far names the product."""
        return any("{product}" in line for line in self.used)

    def address(self, limit: int, *, product: bool) -> str | None:
        """Return a sentence to the audience, or an opener for everyone; with the product when asked."""
        if not self.interest:
            return self.pick(
                ["opener"], limit, need="{product}" if product else "", ban="" if product else "{product}"
            )
        return self.pick(["audience.product" if product else "audience"], limit)

    def benefit_line(self, limit: int, *, product: bool = False) -> str | None:
        """Return a sentence on one benefit or both."""
        if not self.sketch.benefits():
            return None
        return self.pick(["benefit.product" if product else "benefit"], limit)

    def offer_line(self, limit: int) -> str | None:
        """Return an offer sentence, with its end when one is given."""
        if not self.has("offer"):
            return None
        return self.pick(["offer.ends" if self.has("ends") else "offer"], limit)

    def cta(self) -> str:
        """Return a call to action for the goal."""
        return self.rng.choice(self.lexicon.shared[f"cta.{self.sketch.goal}"])

    def close(self, limit: int) -> str | None:
        """Return a last sentence: the goal's, or the tone's."""
        if self.rng.random() < 0.4:
            return self.rng.choice(self.lexicon.shared[f"goal.{self.sketch.goal}"])
        return self.pick(["closer"], limit)

    def greeting(self) -> str | None:
        """Return a greeting by name, when wanted."""
        if not self.sketch.name:
            return None
        return self.rng.choice(self.lines["greeting"]).replace("{first_name}", "{{first_name}}")

    def stage_line(self) -> str | None:
        """Return a line for where the customer stands, when known."""
        return (
            self.rng.choice(self.lexicon.shared[f"stage.{self.sketch.stage}"]) if self.sketch.stage else None
        )

    def assemble(self, plan: Plan, limit: int) -> str:
        """Make sentences in order of importance while they fit; return them in reading order."""
        made: dict[int, str] = {}
        left = limit
        for place, make in plan:
            text = make(left - 1)
            if text:
                made[place] = text
                left -= visible(text, self.sizes) + 1
        out = ""
        for place in sorted(made):
            text = made[place]
            if out[-1:] in (",", ":") and text[:1].isalpha() and text[1:2].islower():
                text = text[0].lower() + text[1:]
            out += (" " if out else "") + text
        return out

    def headline(self, kinds: Sequence[str], limit: int) -> str | None:
        """Return a headline of the first kind that fits, at worst a general one."""
        for kind in kinds:
            people = kind == "headline.audience" and self.sketch.channel == "search"
            line = self.pick([kind], limit, need="{people}" if people else "")
            if line:
                return line
        return self.pick(["headline.general"], limit)

    def _search(self) -> Fields | None:
        room, wide = self.room["headlines"], self.room["descriptions"]
        second = ["headline.audience"] if self.interest else ["headline.benefit"]
        third = ["headline.offer"] if self.has("offer") else ["headline.benefit"]
        heads = [
            self.headline(["headline.product"], room),
            self.headline(second, room),
            self.headline(third, room),
        ]
        named, offered = "{{product}}" in (heads[0] or ""), "{{offer}}" in (heads[2] or "")
        lines = [
            self.address(wide, product=not named) or self.pick(["benefit.product"], wide),
            self.benefit_line(wide),
        ]
        if self.has("ends") or not offered or not lines[1]:
            lines.append(self.offer_line(wide))
        kept = [line for line in lines if line]
        if len(kept) < 2:
            kept.append(self.close(wide) or "")
        return {"headlines": [head or "" for head in heads], "descriptions": kept}

    def _email(self) -> Fields | None:
        sentence = self.room["sentence"]
        about = first_about = self.rng.choice(("product", "product", "audience", "offer", "benefit"))
        subject = self.headline([f"headline.{about}", "headline.product"], self.room["subject"])
        about = self.rng.choice(
            [kind for kind in ("offer", "offer", "benefit", "audience") if kind != first_about]
        )
        before = self.headline([f"headline.{about}", "headline.benefit"], self.room["preheader"]) or ""
        first: list[str | None] = [None if self.short else self.stage_line()]
        if not self.short and self.rng.random() < 0.8:
            first.append(self.pick(["opener"], sentence))
        body_named = any("{{product}}" in (text or "") for text in first)
        if self.interest:
            first.append(self.address(sentence, product=not body_named and self.rng.random() < 0.6))
        body_named = any("{{product}}" in (text or "") for text in first)
        if not body_named and not self.sketch.benefits():
            first.append(self.pick(["opener"], sentence, need="{product}"))
        first.append(self.benefit_line(sentence, product=not body_named))
        paragraphs = [
            self.greeting(),
            " ".join(text for text in first if text),
            self.offer_line(sentence),
            None if self.short else self.close(sentence),
        ]
        return {
            "subject": subject or "",
            "preheader": before + ("" if before[-1:] in ".!?" else "."),
            "body": "\n\n".join(text for text in paragraphs if text),
            "cta": self.cta(),
        }

    def _plan(self, *, product: bool) -> Plan:
        """Address, offer, benefit; then, with what is left, a greeting and a line on the customer's stage."""
        plan: Plan = []
        by_benefit = product and self.sketch.benefits() and (not self.interest or self.rng.random() < 0.3)
        if by_benefit:
            plan.append((3, lambda room: self.benefit_line(room, product=True)))
            plan.append((2, lambda room: self.address(room, product=False) if self.interest else None))
        else:
            plan.append((2, lambda room: self.address(room, product=product)))
        plan.append((4, self.offer_line))
        if self.sketch.name:
            plan.append((0, lambda room: self.greeting() if room > 20 else None))
        if self.short:
            return plan
        if not by_benefit:
            plan.append((3, self.benefit_line))
        plan.append((1, lambda room: self.stage_line() if room > 48 and not self.sketch.name else None))
        return plan

    def _push(self) -> Fields | None:
        about = self.rng.choice(("product", "audience", "offer"))
        title = self.headline([f"headline.{about}", "headline.product"], self.room["title"]) or ""
        body = self.assemble(self._plan(product="{{product}}" not in title), self.room["body"])
        return {"title": title, "body": body}

    def _sms(self) -> Fields | None:
        end = f"{self.cta()}: {{{{link}}}}" if self.has("link") else f"{self.cta()}."
        limit = self.room["text"] - visible(end, self.sizes) - 1
        both = "product.offer.ends" if self.has("ends") else "product.offer"
        crowd = (
            self.pick([f"audience.{both}"], limit)
            if self.tight and self.interest and self.has("offer")
            else None
        )
        if crowd:
            return {"text": f"{crowd} {end}"}
        if self.has("offer") and self.rng.random() < 0.5:
            plan: Plan = [(3, lambda room: self.pick([self._packed(both)], room) or self.pick([both], room))]
            plan.append((2, lambda room: self.address(room, product=False)))
            if self.sketch.name:
                plan.append((0, lambda room: self.greeting() if room > 25 else None))
        else:
            plan = self._plan(product=True)
        return {"text": f"{self.assemble(plan, limit)} {end}"}

    def _packed(self, kind: str) -> str:
        """Return the kind of line that packs a benefit in as well, when one is given."""
        return kind.replace("product.", "product.benefit.") if self.sketch.benefits() else kind

    def _social(self) -> Fields | None:
        sentence = self.room["sentence"]
        opens = not self.short and self.rng.random() < 0.6
        parts: list[str | None] = [self.pick(["opener"], sentence) if opens else None]
        if self.interest:
            parts.append(self.address(sentence, product=not self.named() and self.rng.random() < 0.6))
        if not self.named() and not self.sketch.benefits():
            parts.append(self.pick(["opener"], sentence, need="{product}"))
        parts.append(self.benefit_line(sentence, product=not self.named()))
        parts.append(self.offer_line(sentence) if self.has("offer") else self.close(sentence))
        parts.append("{{link}}" if self.has("link") else None)
        text = " ".join(part for part in parts if part)
        tags = [self.rng.choice(self.interest.hashtags)] if self.interest else []
        tags.append(self.rng.choice(self.lines["hashtag"]))
        return {"text": text, "hashtags": tags} if visible(text, self.sizes) <= self.room["text"] else None

    def _banner(self) -> Fields | None:
        about = self.rng.choice(("product", "audience"))
        head = self.headline([f"headline.{about}", "headline.product"], self.room["headline"]) or ""
        named = "{{product}}" in head
        addressed = not self.interest or mentions(self.interest, head)
        both = "product.offer.ends" if self.has("ends") else "product.offer"
        plan: Plan
        if self.tight and self.has("offer") and self.interest and not (named and addressed):
            plan = [(0, lambda room: self.pick([f"audience.{both}"], room))]
        elif self.has("offer") and not named:
            plan = [(1, lambda room: self.pick([self._packed(both)], room) or self.pick([both], room))]
        else:
            plan = [(2, self.offer_line)]
            if not named and addressed and self.sketch.benefits():
                plan.append((0, lambda room: self.benefit_line(room, product=True)))
            elif not addressed or not named:
                plan.append((0, lambda room: self.address(room, product=not named)))
            if named:
                plan.append((1, self.benefit_line))
        body = self.assemble(plan, self.room["body"])
        return (
            {"headline": head, "body": body, "cta": self.cta()}
            if addressed or mentions(self.interest, body)
            else None
        )


def mentions(interest: Interest | None, text: str) -> bool:
    """Whether the text holds one of the interest's phrases."""
    low = text.lower()
    return interest is not None and any(phrase in low for phrase in interest.phrases())


def is_complete(sketch: Sketch, fields: Fields, lexicon: Lexicon) -> bool:
    """Whether no field is empty, and product, offer, its end and the audience are all there."""
    texts = texts_of(fields)
    text = " ".join(texts)
    facts = ("product", "offer", "ends", *(("link",) if sketch.channel in LINKED else ()))
    if not all(texts) or any(slot in sketch.lengths and f"{{{{{slot}}}}}" not in text for slot in facts):
        return False
    return sketch.audience == ANYONE or mentions(lexicon.interests[sketch.audience], text)


def is_rich(sketch: Sketch, fields: Fields) -> bool:
    """Whether a benefit is used when one is requested, and a reader is greeted when that is."""
    text = " ".join(texts_of(fields))
    benefit = not sketch.benefits() or "{{benefit" in text
    return benefit and (not sketch.name or "{{first_name}}" in text)


def write_answer(rng: random.Random, sketch: Sketch, *, attempts: int = 12) -> Fields | None:
    """Return a complete answer, a rich one when such a one fits; none when nothing fits."""
    lexicon, spare = load_lexicon(), None
    for attempt in range(attempts + 6):
        if attempt >= attempts and spare is not None:
            break
        fields = Writer(rng, sketch, lexicon, tight=attempt >= attempts).write()
        if fields is None or not is_complete(sketch, fields, lexicon):
            continue
        if is_rich(sketch, fields):
            return fields
        spare = spare or fields
    return spare
