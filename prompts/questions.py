"""Questions to an engine that are no copy: versioned files beside the catalogue of prompts that write.

A question is one file, `<folder>/<name>.v<N>.md.j2`: front matter, then messages. A brand's own prompts do
not change it. What it is asked about enters as every brief's text does: JSON strings on lines of their own,
in a fence that no text can close.
"""

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec
import yaml

from prompts.catalog import Part, parts, split
from prompts.engine import Message
from prompts.errors import TemplateError
from prompts.render import environment


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request with the answer that is wanted, as the engine is shown it."""

    request: str
    answer: dict[str, Any]


class _Front(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    version: int
    purpose: str
    inputs: tuple[str, ...]
    changelog: tuple[dict[str, Any], ...]
    examples: tuple[Example, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one question."""

    name: str
    """Its file, such as `judges/faithfulness.v1`."""
    inputs: tuple[str, ...]
    parts: tuple[Part, ...]
    examples: tuple[Example, ...]
    digest: str
    """sha256 of the file, hex, first 16 digits."""

    def ask(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """Render its messages; `values` are its inputs. Raises `TemplateError` where one is missing."""
        missing = set(self.inputs) - values.keys()
        if missing:
            raise TemplateError(f"{self.name}: no value for {', '.join(sorted(missing))}")
        return tuple(
            Message(role=part.role, content=environment().from_string(part.source).render(values).strip())
            for part in self.parts
        )


@functools.cache
def load_question(name: str) -> Question:
    """Read a question's file. Raises `TemplateError` for one that is not as it should be."""
    text = resources.files("prompts").joinpath(f"{name}.md.j2").read_text(encoding="utf-8")
    matter, body = split(name, text)
    try:
        front = msgspec.convert(yaml.safe_load(matter), _Front)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise TemplateError(f"{name}: front matter: {error}") from error
    if f"{front.name}.v{front.version}" != name.rpartition("/")[2]:
        raise TemplateError(f"{name}: front matter says {front.name}.v{front.version}")
    return Question(
        name=name,
        inputs=front.inputs,
        parts=parts(name, body),
        examples=front.examples,
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
    )
