"""An audience in words, for an instruct model to make rules of: the question, and the reading of answers.

What a rule is belongs to whoever asks: the schema comes as a value, and an answer is read as far as its
outer object; nothing here says that its definition is one.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from prompts.engine import Ask
from prompts.errors import OutputError
from prompts.output import unfenced
from prompts.questions import load_question
from prompts.render import fence

QUESTION = load_question("audiences/definition.v1")
MAX_TOKENS = 1_200
LONGEST_ANSWER = 3_000
"""Characters of a refused answer that are shown again."""
MOST_LEFT, LONGEST_LEFT = 20, 300

_NEEDLESS = frozenset(
    {
        "title",
        "default",
        "examples",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
    }
)
"""Keywords left out of the schema: bounds are checked afterwards, and slow a constrained decoder down."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What rules may name, in words for a prompt; each bounded by whoever gathers it."""

    calendar: Mapping[str, str]
    traits: Mapping[str, str | tuple[str, ...]]
    """What a trait holds: some values, or their kind."""
    events: tuple[str, ...]
    categories: tuple[str, ...]
    segments: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was no definition, and why."""

    answer: str
    fault: str


class Wording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model made of a description; the definition is not checked yet."""

    definition: dict[str, Any] | None
    not_understood: tuple[str, ...]


def answer_schema(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer's JSON schema; `definition` is that of a definition, with `$defs` and `$ref`."""
    needed: dict[str, Any] = _needed(definition)
    left = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "properties": {
            "definition": {"anyOf": [{"$ref": needed["$ref"]}, {"type": "null"}]},
            "not_understood": left,
        },
        "required": ["definition", "not_understood"],
        "additionalProperties": False,
        "$defs": needed["$defs"],
    }


def ask_definition(
    words: str, known: Known, definition: Mapping[str, Any], *, seed: int = 0, refused: Refused | None = None
) -> Ask:
    """Ask for the definition that words describe, greedily; after a refused answer with what was wrong."""
    schema = answer_schema(definition)
    request = fence("request", {"description": words})
    if refused is not None:
        last = fence("refused", {"answer": refused.answer[:LONGEST_ANSWER], "fault": refused.fault})
        request += f"\n\n# Your last answer was refused\n{last}\nPut the fault right."
    examples = (f"{each.request}\n{json.dumps(each.answer)}" for each in QUESTION.examples)
    messages = QUESTION.ask(
        {
            "answer_schema": json.dumps(schema, separators=(",", ":")),
            "examples": "\n\n".join(examples),
            "calendar": fence("calendar", known.calendar),
            "traits": fence("traits", known.traits),
            "events": fence("events", {"known event types": known.events}),
            "categories": fence("categories", {"known categories": known.categories}),
            "segments": fence("segments", {"known segments": known.segments}),
            "request": request,
        }
    )
    return Ask(messages=messages, json_schema=schema, max_tokens=MAX_TOKENS, temperature=0.0, seed=seed)


def read_wording(answer: str) -> Wording:
    """Read an answer; raises `OutputError` for one that is not the JSON asked for."""
    try:
        wording = msgspec.json.decode(unfenced(answer), type=Wording)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise OutputError(f"the answer is not the JSON asked for ({error})") from error
    left = tuple(each.strip()[:LONGEST_LEFT] for each in wording.not_understood if each.strip())
    return Wording(definition=wording.definition, not_understood=left[:MOST_LEFT])


def _needed(value: Any) -> Any:
    """Leave needless keywords out of a schema, and ask for one of several as decoders know it."""
    if isinstance(value, list):
        return [_needed(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, each in cast("dict[str, Any]", value).items():
        if key in ("properties", "$defs"):  # names, not keywords
            kept[key] = {name: _needed(inner) for name, inner in each.items()}
        elif key not in _NEEDLESS:
            kept["anyOf" if key == "oneOf" else key] = _needed(each)
    return kept
