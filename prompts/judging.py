"""What a judge is asked of copy: whether it keeps to the facts, alone or beside another text.

The prompts are questions (`questions.py`) of `judges/`; facts and copy enter them as data.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from prompts.brand import disclaimers
from prompts.brief import Brief
from prompts.engine import Ask
from prompts.errors import OutputError
from prompts.output import unfenced
from prompts.questions import Question, load_question
from prompts.render import LONGEST_DESCRIPTION, fence
from prompts.slots import clean
from prompts.variant import Fields

TEMPERATURE = 0.7
"""Above 0, so that asking again says something about how sure the judge is."""
MAX_TOKENS = 500
LONGEST_COPY = 6_000
"""Characters of one text a judge is shown; the cut is marked."""

T = TypeVar("T")
JudgeName = Literal["faithfulness.v1", "comparison.v1"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a judge says of one text."""

    unsupported: tuple[str, ...]
    faithful: bool
    reason: str


class Preference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a judge says of two."""

    better: Literal["first", "second", "same"]
    reason: str


_TEXT = {"type": "string", "maxLength": 600}
_VERDICT: Mapping[str, Any] = {
    "unsupported": {"type": "array", "items": _TEXT, "maxItems": 10},
    "faithful": {"type": "boolean"},
    "reason": _TEXT,
}
_PREFERENCE: Mapping[str, Any] = {
    "better": {"type": "string", "enum": ["first", "second", "same"]},
    "reason": _TEXT,
}


def load_judge(name: JudgeName) -> Question:
    """Read a question's file. Raises `TemplateError` for one that is not as it should be."""
    return load_question(f"judges/{name}")


def ask_verdict(brief: Brief, fields: Fields, seed: int) -> Ask:
    """Ask whether a text keeps to the facts."""
    return _ask("faithfulness.v1", brief, {"copy": fields}, _VERDICT, seed)


def ask_preference(brief: Brief, first: Fields, second: Fields, seed: int) -> Ask:
    """Ask which of two texts, in this order, keeps closer to the facts."""
    return _ask("comparison.v1", brief, {"first": first, "second": second}, _PREFERENCE, seed)


def read_verdict(answer: str) -> Verdict:
    """Read a verdict; raises `OutputError` for one that is not the JSON asked for, or contradicts itself."""
    verdict = _read(answer, Verdict)
    if verdict.faithful == bool(verdict.unsupported):
        raise OutputError(
            f"the verdict says faithful={verdict.faithful} and quotes {len(verdict.unsupported)} statements"
        )
    return verdict


def read_preference(answer: str) -> Preference:
    """Read a preference; raises `OutputError` for one that is not the JSON asked for."""
    return _read(answer, Preference)


def _read(answer: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(unfenced(answer), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise OutputError(f"the judge's answer is not the JSON asked for ({error})") from error


def _ask(
    name: JudgeName, brief: Brief, texts: Mapping[str, Fields], properties: Mapping[str, Any], seed: int
) -> Ask:
    schema = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    values = {
        "facts": _facts(brief),
        "answer_schema": json.dumps(schema, separators=(",", ":")),
        **{place: _shown(place, fields) for place, fields in texts.items()},
    }
    messages = load_judge(name).ask(values)
    return Ask(
        messages=messages, json_schema=schema, max_tokens=MAX_TOKENS, temperature=TEMPERATURE, seed=seed
    )


def _facts(brief: Brief) -> str:
    product, offer = brief.product, brief.offer
    return fence(
        "facts",
        {
            "product": product.title,
            "description": _cut(clean(product.description), LONGEST_DESCRIPTION),
            "category": product.category,
            "made by": product.brand,
            "price": product.price,
            "benefits": product.benefits,
            "link": product.link,
            "offer": offer.text if offer else None,
            "code": offer.code if offer else None,
            "ends": offer.ends if offer else None,
            "shop": brief.brand.name,
            "true as well": (*brief.must_say, *disclaimers(brief.brand, brief.channel)),
        },
    )


def _shown(place: str, fields: Fields) -> str:
    return fence(
        place,
        {
            name: _cut(value, LONGEST_COPY) if isinstance(value, str) else tuple(value)
            for name, value in fields.items()
        },
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]} [cut here]"
