"""A definition out of words: read as text where it is that already, else made by an instruct model.

Whatever the model says is checked as every definition is, and shown with a preview; nothing is saved.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from indexing.definition import (
    RULES,
    Definition,
    check_references,
    definition_schema,
    parse_definition,
    to_json,
)
from indexing.definition_parser import read_text
from indexing.definition_text import to_text
from indexing.errors import DefinitionError, DefinitionTextError
from indexing.snapshot import Snapshot
from indexing.vocabulary import vocabulary
from prompts.audience_words import QUESTION, Known, Refused, ask_definition, read_wording
from prompts.engine import Engine
from prompts.errors import EngineTooSmall, OutputError
from service.errors import InvalidInput, NotUnderstood
from service.runtime import Runtime
from service.segments.model import Preview, Segment
from service.segments.previews import preview
from service.segments.selection import all_segments, definitions_of

LONGEST_WORDS = 2_000
ATTEMPTS = 2
"""So often an engine is asked; the second time with what was wrong with its first answer."""
MOST_SEGMENTS = 100
"""So many segments an engine is told of, by name."""
OFFERED = tuple(key for key in RULES if key != "nearest")
"""The rules an engine may use; what is nearest to which items no words can say."""


class WrittenBy(msgspec.Struct, frozen=True, kw_only=True):
    """The model that made rules of words."""

    engine: str
    model: str
    prompt: str
    """The question's file, with its version."""
    prompt_digest: str
    attempts: int
    """How often it was asked: 2 when its first answer was no definition."""


class ParsedDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says about an audience, to be confirmed by a person. Nothing is stored."""

    definition: dict[str, Any]
    text: str
    """The definition as people write it."""
    not_understood: tuple[str, ...]
    """Parts of the text that no rule was made of."""
    preview: Preview
    """Whom it selects; its `warnings` name what the snapshot does not hold."""
    written_by: WrittenBy | None = None
    """None for a text that was a definition already."""


async def parse_words(runtime: Runtime, workspace: str, words: str) -> ParsedDefinition:
    """Make a definition of a text, and say whom it would select in the newest snapshot.

    A text that is a definition as people write it is read as such and needs no engine. Raises `InvalidInput`
    for an empty or too long one, `NotUnderstood` for one that says nothing a rule could say,
    `prompts.errors.EngineTooSmall` for an engine that only writes copy, `prompts.errors.OutputError` for one
    whose answers are no definition, `EngineError`, `Overloaded`, `NotFound` and `IndexingError`.
    """
    if not words.strip() or len(words) > LONGEST_WORDS:
        raise InvalidInput(f"text has {len(words):,} characters: describe the audience in 1 to 2,000")
    try:
        definition = read_text(words)
    except DefinitionTextError as error:
        return await _asked(runtime, workspace, words, error)
    return await _parsed(runtime, workspace, definition)


async def _asked(
    runtime: Runtime, workspace: str, words: str, unread: DefinitionTextError
) -> ParsedDefinition:
    runtime.admission.ask(workspace, 1)
    segments = await all_segments(runtime, workspace)
    engine = await runtime.engine()
    if engine.info.dialect == "pocket":
        raise EngineTooSmall(
            f"the embedded engine {engine.info.model!r} writes copy and cannot make rules of words, and as "
            f"rules the text cannot be read: {str(unread).splitlines()[0]}"
        )
    known = await runtime.run(_known, await runtime.snapshot(workspace), segments)
    async with runtime.admission.turn(workspace, 1):
        definition, left, attempts = await _understood(runtime, engine, words, known, segments)
    written_by = WrittenBy(
        engine=engine.info.name,
        model=engine.info.model,
        prompt=QUESTION.name,
        prompt_digest=QUESTION.digest,
        attempts=attempts,
    )
    return await _parsed(runtime, workspace, definition, left, written_by)


async def _understood(
    runtime: Runtime, engine: Engine, words: str, known: Known, segments: tuple[Segment, ...]
) -> tuple[Definition, tuple[str, ...], int]:
    """Ask until an answer is a definition: that, what was not understood, and how often it was asked."""
    others, refused = definitions_of(segments), None
    for attempt in range(1, ATTEMPTS + 1):
        asking = partial(
            ask_definition, words, known, definition_schema(OFFERED), seed=attempt, refused=refused
        )
        [answer] = await engine.generate([await runtime.run(asking)])
        try:
            wording = read_wording(answer.text)
            if wording.definition is None:
                said = "; ".join(wording.not_understood) or words
                raise NotUnderstood(f"not understood: {said[:500]!r}. Say it otherwise, or write rules")
            definition = parse_definition(wording.definition)
            check_references(definition, others)
        except (OutputError, DefinitionError) as error:
            refused = Refused(answer=answer.text, fault=str(error))
        else:
            return definition, wording.not_understood, attempt
    raise OutputError(
        f"the engine {engine.info.model!r} was asked {ATTEMPTS} times and gave no definition: "
        f"{refused.fault[:500] if refused else ''}"
    )


async def _parsed(
    runtime: Runtime,
    workspace: str,
    definition: Definition,
    left: tuple[str, ...] = (),
    written_by: WrittenBy | None = None,
) -> ParsedDefinition:
    tree = to_json(definition)
    return ParsedDefinition(
        definition=tree,
        text=to_text(definition),
        not_understood=left,
        preview=await preview(runtime, workspace, tree),
        written_by=written_by,
    )


def _known(snapshot: Snapshot, segments: tuple[Segment, ...]) -> Known:
    words, manifest = vocabulary(snapshot), snapshot.manifest
    return Known(
        calendar=calendar(manifest.as_of, manifest.timezone),
        traits=words.traits,
        events=words.event_types,
        categories=words.categories,
        segments=tuple(segment.name for segment in segments[:MOST_SEGMENTS]),
    )


def calendar(as_of: datetime, timezone: str) -> Mapping[str, str]:
    """Say what day it is, and how many days of its week, month, quarter and year it has been, in words."""
    now = as_of.astimezone(ZoneInfo(timezone))
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)
    begun: dict[str, Any] = {
        "week": day - timedelta(days=day.weekday()),
        "month": month,
        "quarter": month.replace(month=(month.month - 1) // 3 * 3 + 1),
        "year": month.replace(month=1),
    }
    so_far = {name: max(math.ceil((now - start) / timedelta(days=1)), 1) for name, start in begun.items()}
    return {"today": f"{now:%A, %Y-%m-%d}"} | {
        f"this {name} so far": f"{days} day{'s' if days > 1 else ''}" for name, days in so_far.items()
    }
