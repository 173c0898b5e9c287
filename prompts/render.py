"""Template and brief to chat messages: sandboxed, strict, deterministic.

A template sees the variables of `Context` and nothing else. Its own text is trusted; a brief's is not.
Two things keep them apart. Every text of a brief enters as a JSON string on one line, with the brackets of
special tokens escaped, so that it can hold neither a line of its own nor a chat template's special token.
And full-dialect data stands in a fence whose name is derived from a digest of the data itself, so that no
text can name its own fence. Rendering never compiles a brief's text.
"""

import functools
import hashlib
import json
import re
from collections.abc import Mapping

import jinja2
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompts import special_tokens
from prompts.brand import Brand, ClaimsPolicy, Policy, disclaimers
from prompts.brief import Brief, Example, Goal, RewriteRequest, Stage, Tone
from prompts.catalog import Template
from prompts.channels import Channel, Field, find_channel
from prompts.engine import Message
from prompts.errors import TemplateError
from prompts.interests import ANYONE, INTERESTS
from prompts.kinds import KINDS, UNKNOWN, belongs
from prompts.merge_tags import FIRST_NAME
from prompts.output import schema
from prompts.rewriting import KNOWN
from prompts.slots import OPENED, clean, fact_slots, hint, product_name, unfill

LONGEST_DESCRIPTION = 2_000
"""Characters of a product's description a prompt shows; the cut is marked."""

_OPENERS = re.compile(r"\{(?=[{%])")
_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_ ]{0,59}")
_GOALS: Mapping[Goal, str] = {
    "shop": "buy the product",
    "learn": "find out more",
    "join": "sign up",
    "book": "book or reserve",
    "claim": "take up the offer",
}
_STAGES: Mapping[Stage, str] = {
    "new": "has not bought yet",
    "loyal": "buys often",
    "lapsed": "has not bought for a long time",
    "cart": "left something in the basket",
}


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """A pocket prompt's facts as slots with length hints, `{{product}} (23)`, or `none`."""

    product: str
    benefits: str
    offer: str
    ends: str
    link: str


class Rewriting(msgspec.Struct, frozen=True, kw_only=True):
    """The text to rewrite, as the pocket dialect shows it."""

    instruction: str
    draft: str
    """Compact JSON of the draft's fields, its facts turned into slots again."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a template may use. The README lists these variables; a test holds the two together."""

    channel: str
    channel_title: str
    limits: str
    """One line per field: what it is for, how long, how many."""
    answer_schema: str
    """The JSON schema of the answer, on one line, without lengths: those stand in `limits`."""
    merge_tag: str | None
    """The merge tag the copy must greet with; none when it must not use any."""
    link_in_text: bool
    tone: Tone
    goal: Goal
    goal_words: str
    stage: Stage | None
    stage_words: str | None
    personalise: bool
    language: str
    brand: str | None
    """Fenced: name, voice, words, claims, disclaimers of this channel; none for a brand without any."""
    audience: str
    """Fenced: who reads it and what sets them apart."""
    product: str
    """Fenced: the product's facts."""
    offer: str | None
    """Fenced: the offer's facts; none when nothing is offered."""
    rewrite_instruction: str | None
    """What to make of the text, in words of this package only, e.g. `shorter`."""
    rewrite_draft: str | None
    """Fenced: what a person wishes in free text, if anything; the text to rewrite."""
    examples: str | None
    """Fenced, a block each: copy of this brand that was accepted for other briefs; none without any."""
    wishes: str | None
    """Fenced: what the piece must say, must not say, and words to work in; none without any."""
    interest: str
    """One of the embedded engine's interests, or `anyone`."""
    kind: str
    """One of the embedded engine's kinds of products, or `goods`."""
    belongs: bool
    """Whether a product of this kind is a part of the interest, so that copy may show it in use there."""
    slots: Slots
    rewrite: Rewriting | None


def data(text: str) -> str:
    """Write a brief's text as a JSON string on one line that spells no special token.

    Line breaks stay, escaped; every other control character becomes a space.
    """
    return special_tokens.escape(json.dumps(_clean_lines(text), ensure_ascii=False))


def _clean_lines(text: str) -> str:
    return "\n".join(map(clean, text.split("\n"))).strip()


def fence(name: str, facts: Mapping[str, str | tuple[str, ...] | None]) -> str:
    """Facts as a block of `key: "value"` lines between two lines that name a digest of what they enclose."""
    lines: list[str] = []
    for key, value in facts.items():
        named = key if _PLAIN_KEY.fullmatch(key) else data(key)
        if isinstance(value, str) and clean(value):
            lines.append(f"{named}: {data(value)}")
        elif isinstance(value, tuple) and value:
            lines.append(f"{named}: [{', '.join(map(data, value))}]")
    mark = hashlib.sha256("\n".join([name, *lines]).encode()).hexdigest()[:16]
    return "\n".join([f"<<<{name} {mark}", *lines, f">>>{name} {mark}"])


def context(brief: Brief) -> Context:
    """Gather the variables a template sees for a brief."""
    channel = find_channel(brief.channel)
    rewrite, interest = brief.rewrite, brief.audience.interest or ANYONE
    interest = interest if interest in INTERESTS else ANYONE
    kind = brief.product.kind if brief.product.kind in KINDS else UNKNOWN
    return Context(
        channel=channel.name,
        channel_title=channel.title,
        limits="\n".join(map(_limit_line, channel.fields)),
        answer_schema=_shape(channel),
        merge_tag=FIRST_NAME if brief.personalise and channel.personal else None,
        link_in_text=channel.shows_link and brief.product.link is not None,
        tone=brief.tone,
        goal=brief.goal,
        goal_words=_GOALS[brief.goal],
        stage=brief.audience.stage,
        stage_words=_STAGES[brief.audience.stage] if brief.audience.stage else None,
        personalise=brief.personalise and channel.personal,
        language=brief.language,
        brand=_brand(brief),
        audience=fence(
            "audience",
            {
                "who": brief.audience.name,
                "what sets them apart": brief.audience.description,
                "interest": brief.audience.interest,
            },
        ),
        product=_product(brief, channel),
        offer=_offer(brief),
        rewrite_instruction=_change(rewrite) if rewrite else None,
        rewrite_draft=_before(rewrite) if rewrite else None,
        examples="\n".join(map(_example, brief.examples)) or None,
        wishes=_wishes(brief),
        interest=interest,
        kind=kind or UNKNOWN,
        belongs=belongs(kind or UNKNOWN, interest),
        slots=_slots(brief),
        rewrite=_rewriting(brief),
    )


def shows_examples(template: Template) -> bool:
    """Whether a template shows accepted copy of other briefs."""
    return any(each.name == "examples" for each in template.front.inputs)


def render(template: Template, brief: Brief) -> tuple[Message, ...]:
    """Write the messages of a template for a brief. The same input gives the same text.

    Raises `TemplateError` when the template uses a variable that `Context` does not give, prints one that is
    none, or fails to compile.
    """
    values = context(brief)
    variables = {name: getattr(values, name) for name in Context.__struct_fields__}
    partials = tuple(template.partials.items())
    try:
        return tuple(
            Message(role=part.role, content=_compiled(part.source, partials).render(variables).strip())
            for part in template.parts
        )
    except _NothingToPrint as error:
        lacking = [each.name for each in template.front.inputs if variables.get(each.name, 0) is None]
        raise TemplateError(
            f"{template.name} prints an input that is none here, one of {', '.join(lacking)}: "
            "put it between {% if INPUT %} and {% endif %}"
        ) from error
    except (jinja2.TemplateError, TypeError, RecursionError) as error:
        raise TemplateError(f"{template.name} does not render: {error}") from error


class _NothingToPrint(jinja2.TemplateRuntimeError):
    """An engine would read the word None."""


def _printed(value: object) -> object:
    if value is None:
        raise _NothingToPrint
    return value


@functools.lru_cache(maxsize=64)
def environment(partials: tuple[tuple[str, str], ...] = ()) -> ImmutableSandboxedEnvironment:
    """Make the one environment templates are read and rendered in: sandboxed, strict, with these partials."""
    # No autoescape: a prompt is not HTML, and `&amp;` in a product's title would be copied into the copy.
    # What keeps a brief's text inert is data().
    return ImmutableSandboxedEnvironment(
        loader=jinja2.DictLoader(dict(partials)),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.lru_cache(maxsize=256)
def _compiled(source: str, partials: tuple[tuple[str, str], ...]) -> jinja2.Template:
    """Compile a source once: it is a template's own text, of which there are few, never a brief's."""
    return environment(partials).from_string(source)


def _shape(channel: Channel) -> str:
    described = schema(channel.name)
    for entry in described["properties"].values():
        for text in (entry, entry.get("items", {})):
            text.pop("minLength", None)
            text.pop("maxLength", None)
            text.pop("pattern", None)
    return json.dumps(described, separators=(",", ":"))


def _limit_line(field: Field) -> str:
    unit = {"sms": "plain characters in all", "weighted": "characters, where a link counts 23 and an emoji 2"}
    size = f"at most {field.target.value} {unit.get(field.target.counting, 'characters')}"
    if field.items is None:
        return f"- {field.name}: {size}; {field.about}"
    low, high = field.items
    return f"- {field.name}: a list of {low} to {high} different texts, each {size}; {field.about}"


def _brand(brief: Brief) -> str | None:
    brand = brief.brand
    if msgspec.structs.replace(brand, tones=()) == Brand():  # a range of tones is no text for a writer
        return None
    return fence(
        "brand",
        {
            "name": brand.name,
            "voice": brand.voice,
            "the voice is": tuple(trait.adjective for trait in brand.traits),
            "write like this": tuple(f"{t.adjective}: {text}" for t in brand.traits for text in t.do),
            "not like this": tuple(f"{t.adjective}: {text}" for t in brand.traits for text in t.dont),
            "never use": brand.banned_words,
            "always use": brand.required_words,
            "terms": tuple(f"{t.use}, not {' or '.join(t.never)}" for t in brand.glossary),
            "never claim": _topics(brand.claims, "forbid"),
            "may claim": _topics(brand.claims, "allow"),
            "say word for word": disclaimers(brand, brief.channel),
            "addresses may lead to": brand.allowed_domains,
        },
    )


def _topics(claims: ClaimsPolicy, policy: Policy) -> tuple[str, ...]:
    """Name the topics under a policy; none for the house's own, which the prompts' rules already state."""
    if claims == ClaimsPolicy():
        return ()
    return tuple(name for name in claims.__struct_fields__ if getattr(claims, name) == policy)


def _product(brief: Brief, channel: Channel) -> str:
    product = brief.product
    title, name = clean(product.title), product_name(product)
    description = clean(product.description)
    if len(description) > LONGEST_DESCRIPTION:
        description = description[:LONGEST_DESCRIPTION].rsplit(" ", 1)[0] + " [cut here]"
    return fence(
        "product",
        {
            "title": name,
            "title in the catalogue": title if title != name else None,
            "description": description,
            "category": product.category,
            "brand": product.brand,
            "price": product.price,
            "benefits": product.benefits,
            "link": product.link if channel.shows_link else None,
        },
    )


def _offer(brief: Brief) -> str | None:
    if brief.offer is None:
        return None
    return fence("offer", {"offer": brief.offer.text, "code": brief.offer.code, "ends": brief.offer.ends})


def _slots(brief: Brief) -> Slots:
    facts = fact_slots(brief)
    shown = {name: f"{{{{{name}}}}} ({hint(name, value)})" for name, value in facts.items()}
    benefits = [shown[name] for name in ("benefit_1", "benefit_2") if name in shown]
    return Slots(
        product=shown.get("product", "none"),
        benefits=" ".join(benefits) or "none",
        offer=shown.get("offer", "none"),
        ends=shown.get("ends", "none"),
        link=shown.get("link", "none"),
    )


def _wishes(brief: Brief) -> str | None:
    if not (brief.must_say or brief.must_not_say or brief.keywords):
        return None
    return fence(
        "wishes",
        {
            "say word for word": brief.must_say,
            "never say": brief.must_not_say,
            "work in where they fit": brief.keywords,
        },
    )


def _example(example: Example) -> str:
    written = {name: _flat(value) for name, value in example.fields.items()}
    return fence("example", {"about": example.product, "for": example.audience, **written})


def _change(rewrite: RewriteRequest) -> str:
    """Say what to make of a text, `Make this draft ...`; a person's own words stand in a fence only."""
    change = rewrite.instruction or "different in its words"
    if change == rewrite.instruction and change not in KNOWN:
        change = "read as the wish below asks, as far as the rules allow"
    if not rewrite.only:
        return change
    return f"{change}, in {' and '.join(rewrite.only)} alone and word for word as it is elsewhere"


def _before(rewrite: RewriteRequest) -> str:
    draft = fence("draft", {name: _flat(value) for name, value in rewrite.fields.items()})
    if rewrite.instruction in ("", *KNOWN):
        return draft
    return f"{fence('wish', {'wish': rewrite.instruction})}\n{draft}"


def _flat(value: str | list[str]) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)


def _apart(text: str) -> str:
    """Set braces apart that would open a slot, a tag or a statement."""
    return _OPENERS.sub("{ ", text)


def _rewriting(brief: Brief) -> Rewriting | None:
    # Without a word that it knows the embedded engine writes anew.
    if brief.rewrite is None or brief.rewrite.instruction not in KNOWN:
        return None
    facts = {name: _apart(value) for name, value in fact_slots(brief).items()}

    def slotted(text: str) -> str:
        # A clean text holds no NUL, so that only a true merge tag comes out as the slot `first_name`; braces
        # of its own come out apart, or the draft would show slots that the brief does not give.
        kept = _clean_lines(text).replace(FIRST_NAME, "\0").replace(OPENED, "{")
        return unfill(_apart(kept), facts).replace("\0", "{{first_name}}")

    fields = {
        clean(name): slotted(value) if isinstance(value, str) else [slotted(text) for text in value]
        for name, value in brief.rewrite.fields.items()
    }
    draft = json.dumps(fields, ensure_ascii=False)
    return Rewriting(instruction=brief.rewrite.instruction, draft=special_tokens.escape(draft))
