"""The attacks of `attacks.yaml`, and the fields of a brief they are put into."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import yaml

from prompts.brand import Disclaimer, Term, Trait
from prompts.brief import Audience, Brand, Brief, Example, Offer, Product, RewriteRequest
from prompts.brief_limits import (
    LONGEST,
    LONGEST_BENEFIT,
    LONGEST_DISCLAIMER,
    LONGEST_DRAFTED,
    LONGEST_EXAMPLE,
    LONGEST_WISH,
    LONGEST_WORD,
)
from prompts.channels import CHANNELS
from prompts.rewriting import LONGEST_INSTRUCTION
from tests.prompts.briefs import CLEAN, brief


class Attack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One hostile text."""

    name: str
    kind: str = msgspec.field(name="class")
    payload: str
    repeat: int = 1

    @property
    def text(self) -> str:
        return self.payload * self.repeat


ATTACKS = msgspec.convert(
    cast("object", yaml.safe_load((Path(__file__).parent / "attacks.yaml").read_text(encoding="utf-8"))),
    tuple[Attack, ...],
)


class Target(msgspec.Struct, frozen=True):
    """One text field: how a text gets into it, how long it may be there, and whether a prompt shows it."""

    put: Callable[[Brief, str], Brief]
    longest: int
    shown: bool = True


def _part(part: str, name: str, *, many: bool = False) -> Callable[[Brief, str], Brief]:
    def put(written: Brief, text: str) -> Brief:
        holder = getattr(written, part)
        changed = msgspec.structs.replace(holder, **{name: (text,) if many else text})
        return msgspec.structs.replace(written, **{part: changed})

    return put


def _drafted(written: Brief, text: str) -> Brief:
    fields: dict[str, str | list[str]] = {
        field.name: text if field.items is None else [text, text]
        for field in CHANNELS[written.channel].fields
    }
    return msgspec.structs.replace(written, rewrite=RewriteRequest(instruction="bolder", fields=fields))


def _wish(name: str) -> Callable[[Brief, str], Brief]:
    return lambda written, text: msgspec.structs.replace(written, **{name: (text,)})


def _shown(written: Brief, text: str) -> Brief:
    fields: dict[str, str | list[str]] = {field.name: text for field in CHANNELS[written.channel].fields}
    accepted = Example(source=text, product=text, audience=text, fields=fields)
    return msgspec.structs.replace(written, examples=(accepted,))


def _branded(written: Brief, **changes: Any) -> Brief:
    return msgspec.structs.replace(written, brand=msgspec.structs.replace(written.brand, **changes))


def _trait(written: Brief, text: str) -> Brief:
    return _branded(written, traits=(Trait(adjective=text, do=(text,), dont=(text,)),))


def _term(written: Brief, text: str) -> Brief:
    return _branded(written, glossary=(Term(use=text, never=("x",)), Term(use="y", never=(text,))))


def _disclaimer(written: Brief, text: str) -> Brief:
    return _branded(written, disclaimers=(Disclaimer(text=text),))


_ONE = ("product.title", "product.description", "product.category", "product.brand", "product.price")
_ONE += ("offer.text", "offer.code", "offer.ends")
_ONE += ("audience.name", "audience.description", "audience.interest", "brand.name", "brand.voice")

TARGETS: Mapping[str, Target] = {
    **{path: Target(_part(*path.split(".")), LONGEST[path]) for path in _ONE},
    "product.id": Target(_part("product", "id"), LONGEST["product.id"], shown=False),
    "product.benefits": Target(_part("product", "benefits", many=True), LONGEST_BENEFIT),
    "brand.banned_words": Target(_part("brand", "banned_words", many=True), LONGEST_WORD),
    "brand.required_words": Target(_part("brand", "required_words", many=True), LONGEST_WORD),
    "brand.traits": Target(_trait, LONGEST_WORD),
    "brand.glossary": Target(_term, LONGEST_WORD, shown=False),
    "brand.disclaimers": Target(_disclaimer, LONGEST_DISCLAIMER),
    "rewrite.fields": Target(_drafted, LONGEST_DRAFTED),
    "rewrite.instruction": Target(_part("rewrite", "instruction"), LONGEST_INSTRUCTION),
    **{name: Target(_wish(name), LONGEST_WISH) for name in ("must_say", "must_not_say", "keywords")},
    "examples": Target(_shown, LONGEST_EXAMPLE),
}
"""Every field of a brief that takes any text; the others take words of ours, a link or a language tag."""


def everywhere(attack: Attack, channel: str) -> Brief:
    """A brief with the attack in every field at once, cut to what each may hold."""
    hostile = plain(channel)
    for target in TARGETS.values():
        hostile = target.put(hostile, attack.text[: target.longest])
    return hostile


def plain(channel: str, **changes: Any) -> Brief:
    """A brief of which every text is harmless, and everything that may be absent is there."""
    values: dict[str, Any] = {
        "product": Product(
            id="1",
            title="Stoneware Planter",
            description="A glazed planter.",
            category="Garden",
            brand="Fernhill",
            price="£24.00",
            benefits=("a drainage hole",),
            link="https://fernhill.example/planter",
        ),
        "offer": Offer(text="15% off", code="GROW15", ends="30 April"),
        "audience": Audience(name="Gardeners", description="They order twice.", interest="gardening"),
        "brand": Brand(
            name="Fernhill",
            voice="Plain",
            banned_words=("cheap",),
            required_words=("frost",),
            traits=(Trait(adjective="warm", do=("Come in.",), dont=("Buy!",)),),
            glossary=(Term(use="planter", never=("pot",)), Term(use="y", never=("x",))),
            disclaimers=(Disclaimer(text="Plants vary."),),
        ),
        "rewrite": RewriteRequest(instruction="bolder", fields=CLEAN[channel]),
        "examples": (Example(source="d/v", product="Trowel", audience="Gardeners", fields=CLEAN[channel]),),
        "must_say": ("Sown by hand.",),
        "must_not_say": ("plastic",),
        "keywords": ("garden",),
        "personalise": True,
    }
    return brief(channel, **(values | changes))
