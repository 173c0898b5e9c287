"""How each channel's answer is built of lines: which fields, in which order, and what gives way first."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from prompts.variant import Fields
from service.llm.pocket.sketch import visible
from service.llm.pocket.writer import SHORT_HEAD, Maker, Writer, join

ROOM: Mapping[str, Mapping[str, int]] = {
    "search": {"headlines": SHORT_HEAD, "descriptions": 86},
    "email": {"subject": 56, "preheader": 92, "sentence": 160, "body": 660},
    "push": {"title": 47, "body": 168},
    "sms": {"text": 157},
    "social": {"text": 266, "sentence": 150},
    "banner": {"headline": 38, "body": 87},
}
"""Characters the grammar allows itself: a little under each real limit, so that small errors stay inside."""

HEADLINES = 5
"""Headlines of a search ad, room permitting."""

Plan = Sequence[tuple[int, Maker]]
"""Sentences in order of importance: place in the text, and how to make one of at most n characters."""


def assemble(writer: Writer, plan: Plan, limit: int) -> str:
    """Make sentences in order of importance while they fit; return them in reading order."""
    made: dict[int, str] = {}
    left = limit
    for place, make in plan:
        text = make(left - 1)
        if text:
            made[place] = text
            left -= visible(text, writer.sizes) + 1
    return join([made[place] for place in sorted(made)])


def _angles(writer: Writer, channel: str) -> list[str]:
    """List what a headline of this sketch may be about, likelier ones more often."""
    angles = ["product", "ware", "plain"]
    if writer.link != "product":
        angles += ["people", writer.link, writer.link]
    if writer.has("offer"):
        angles += ["offer", "offer"]
    if "benefit" in writer.facts and channel != "banner":
        angles.append("benefit")
    if writer.sketch.stage == "cart":
        angles = [angle for angle in angles if angle != "product"]
    return angles


def title(writer: Writer, channel: str, limit: int) -> str:
    """Return a headline about one thing, for a stage often about that."""
    if writer.sketch.stage and not writer.staged and writer.rng.random() < 0.55:
        line = writer.stage_head(limit)
        if line:
            return line
    angle = writer.rng.choice(_angles(writer, channel))
    return writer.headline([f"head.{angle}", "head.ware"], limit) or ""


def email(writer: Writer) -> Fields:
    """Subject and preheader on two different matters; greeting, why you, what it is, the offer, the step."""
    room, sentence = ROOM["email"], ROOM["email"]["sentence"]
    subject = title(writer, "email", room["subject"])
    preheader = _preheader(writer, subject, room["preheader"])
    opening: list[str | None] = [writer.stage_line(sentence)] if writer.sketch.stage != "cart" else []
    if not writer.short:
        opening.append(writer.mood(sentence))
    cart = writer.sketch.stage == "cart"
    middle = [writer.intro(sentence, after_mood=bool(opening) and not cart), writer.benefit(sentence)]
    if cart and writer.rng.random() < 0.7:
        opening.insert(0, writer.stage_line(sentence))
    if not writer.short and writer.link != "product" and not writer.spoken():
        middle.append(writer.address(sentence))
    last = [writer.offer(sentence)]
    if not writer.short or not writer.has("offer"):
        last.append(writer.step(sentence))
    paragraphs = [writer.greeting(), join(opening), join(middle), join(last)]
    if not writer.short and writer.rng.random() < 0.6:
        paragraphs.append(writer.pick(["close"], sentence))
    body = "\n\n".join(text for text in paragraphs if text)
    return {"subject": subject, "preheader": preheader, "body": body, "cta": writer.call()}


def _preheader(writer: Writer, subject: str, limit: int) -> str:
    """Return a sentence that adds to the subject: what it does not speak of yet."""
    makers: list[Maker] = [lambda n: writer.pick(["hook"], n), lambda n: writer.whole("truth", n)]
    if writer.has("offer") and "{{offer}}" not in subject:
        makers += [writer.offer] * 3
    if "benefit" in writer.facts and "{{benefit" not in subject:
        makers += [partial(writer.pick, ["benefit"])] * 2
    if writer.link != "product":
        makers.append(lambda n: writer.pick([writer.link], n, ban="do"))
    writer.rng.shuffle(makers)
    return next((line for make in makers if (line := make(limit))), "")


def push(writer: Writer) -> Fields:
    """Say what it is about in a glance; then product, benefit, offer."""
    room = ROOM["push"]
    head = title(writer, "push", room["title"])
    return {"title": head, "body": assemble(writer, _plan(writer), room["body"])}


def _plan(writer: Writer) -> Plan:
    """Order by weight: product, offer, benefits, the audience, the customer's stage, a greeting."""
    plan: list[tuple[int, Maker]] = []
    named = writer.named()
    alone = named and writer.rng.random() < 0.7
    if writer.rng.random() < 0.4 and not named and "benefit" in writer.facts:
        plan.append((3, lambda n: writer.benefit(n, product=True)))
    else:
        if not alone:
            plan.append((2, writer.intro))
        plan.append((3, writer.benefit))
    plan.append((4, writer.offer))
    if writer.sketch.name:
        plan.append((0, lambda n: writer.greeting() if n > 18 else None))
    if writer.sketch.stage and not writer.staged:
        plan.append((1, writer.stage_line))
    if not writer.short and not writer.spoken():
        plan.append((1 if writer.staged else 2, writer.mood))
    return plan


def sms(writer: Writer) -> Fields:
    """One message part: who and what, the offer, and the call with its link last."""
    call = writer.call()
    end = f"{call}: {{{{link}}}}" if writer.has("link") else f"{call}."
    limit = ROOM["sms"]["text"] - visible(end, writer.sizes) - 1
    plan: list[tuple[int, Maker]] = []
    drawn = writer.rng.random()
    asked = writer.sketch.name or writer.sketch.stage
    crowd = writer.link != "product" and (writer.tight or (drawn < 0.3 and not asked))
    if writer.has("offer") and crowd:
        plan.append((3, lambda n: writer.packed(n, people=True) or writer.packed(n)))
        plan.append((4, lambda n: writer.benefit(n) if not _benefits_told(writer) else None))
    elif writer.has("offer") and drawn < 0.65:
        plan.append((3, writer.packed))
        plan.append((4, lambda n: writer.benefit(n) if not _benefits_told(writer) else None))
    else:
        plan += [entry for entry in _plan(writer) if entry[0] >= 2]
    if writer.sketch.name:
        plan.append((0, lambda n: writer.greeting() if n > 14 and not (writer.tight and crowd) else None))
    plan.append((2, writer.address))
    plan.append((1, writer.stage_line))
    return {"text": join([assemble(writer, plan, limit), end])}


def _benefits_told(writer: Writer) -> bool:
    return any("{benefit}" in line for line in writer.used)


def search(writer: Writer) -> Fields:
    """Headlines on different matters that pair with one another; descriptions with one reason each."""
    room, wide = ROOM["search"]["headlines"], ROOM["search"]["descriptions"]
    heads = [line for make in _heads(writer) if (line := make(room))][:HEADLINES]
    while len(heads) < 3:
        heads.append(writer.pick(["head.plain"], room) or "")
    lines: list[str | None] = []
    named = any("{{product}}" in head for head in heads)
    whole = writer.rng.random() < 0.75 or not named
    lines.append(writer.intro(wide) if whole else writer.mood(wide))
    lines.append(writer.benefit(wide))
    if "other" in writer.facts and lines[-1] is None:
        lines.append(_one(writer, "benefit", wide))
        writer.facts["benefit"], writer.facts["other"] = writer.facts["other"], writer.facts["benefit"]
        lines.append(_one(writer, "benefit", wide))
    lines.append(writer.offer(wide))
    kept = [line for line in lines if line]
    if len(kept) < 3 and (len(kept) < 2 or writer.rng.random() < 0.5):
        kept.append(writer.close(wide) or "")
    return {"headlines": heads, "descriptions": kept}


def _one(writer: Writer, kind: str, limit: int) -> str | None:
    return writer.pick([kind], limit)


def _heads(writer: Writer) -> list[Maker]:
    """List the makers of headlines in the order in which they stand."""
    makers: list[Maker] = []
    if writer.sketch.stage != "cart":
        makers.append(lambda n: writer.pick(["head.product"], n))
    if writer.sketch.stage:
        makers.append(writer.stage_head)
    if writer.link != "product":
        kinds = ["head.people", f"head.{writer.link}"]
        makers.append(lambda n: writer.headline([writer.rng.choice(kinds), "head.people"], n))
    if writer.has("offer"):
        makers.append(lambda n: writer.pick(["head.offer"], n))
    makers.append(lambda n: writer.pick(["head.ware"], n))
    if "benefit" in writer.facts:
        makers.append(lambda n: writer.pick(["head.benefit"], n))
    makers.append(lambda n: writer.pick(["head.plain"], n, half=0))
    makers.append(lambda n: writer.pick(["head.plain"], n, half=1))
    return makers


def social(writer: Writer) -> Fields:
    """Open with something worth stopping for, then product, benefit, offer, link; few hashtags."""
    sentence = ROOM["social"]["sentence"]
    mood = None if writer.short else writer.mood(sentence)
    parts = [mood, writer.intro(sentence, after_mood=mood is not None), writer.benefit(sentence)]
    parts.append(writer.offer(sentence) if writer.has("offer") else writer.close(sentence))
    parts.append("{{link}}" if writer.has("link") else None)
    tags = [writer.rng.choice(writer.lines["hashtag"]).text]
    if writer.interest:
        own = writer.interest.hashtags
        halves = (own[::2], own[1::2])[: writer.rng.choice((1, 1, 2))]
        tags = [*map(writer.rng.choice, halves), *tags]
    return {"text": join(parts), "hashtags": tags}


def banner(writer: Writer) -> Fields:
    """Make a headline legible in a second, one line that earns the click, and the button."""
    room, wide = ROOM["banner"]["headline"], ROOM["banner"]["body"]
    roomy = sum(writer.sizes.get(name, 0) for name in ("product", "offer", "ends")) <= 60
    if writer.has("offer") and not roomy and writer.rng.random() < 0.5:
        head = writer.pick(["head.offer"], room) or title(writer, "banner", room)
    else:
        head = title(writer, "banner", room)
    offered, named = "{{offer}}" in head, "{{product}}" in head
    ended = not writer.has("ends")
    plan: list[tuple[int, Maker]] = []
    if writer.has("offer") and (not offered or not ended):
        if named and not offered:
            plan.append((3, writer.offer))
        elif writer.link != "product" and not writer.spoken() and writer.rng.random() < 0.6:
            plan.append((3, lambda n: writer.packed(n, people=True) or writer.packed(n)))
        else:
            plan.append((3, writer.packed))
        plan.append((4, lambda n: writer.benefit(n) if not _benefits_told(writer) else None))
    elif not named and "benefit" in writer.facts and writer.rng.random() < 0.7:
        plan.append((2, lambda n: writer.benefit(n, product=True)))
    else:
        if not named or "benefit" not in writer.facts:
            plan.append((2, writer.intro))
        plan.append((3, writer.benefit))
    plan.append((1, writer.stage_line))
    plan.append((1, writer.address))
    return {"headline": head, "body": assemble(writer, plan, wide), "cta": writer.call()}


FORMS: Mapping[str, Callable[[Writer], Fields]] = {
    "search": search,
    "email": email,
    "push": push,
    "sms": sms,
    "social": social,
    "banner": banner,
}
"""How to write each channel."""
