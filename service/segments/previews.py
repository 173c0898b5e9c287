"""Segments looked at: whom a definition selects, and what sets them apart."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from indexing.audience import Members
from indexing.definition import parse_definition
from indexing.leaf_reasons import Reason
from prompts.brief import Audience
from service.runtime import Runtime
from service.segments.model import Preview, SampleMember, SegmentDescription
from service.segments.selection import (
    Selection,
    all_segments,
    definitions_of,
    erased_among,
    select,
    selected,
)

SAMPLE = 10


async def preview(runtime: Runtime, workspace: str, definition: Mapping[str, Any]) -> Preview:
    """Say what a definition would select, in the newest snapshot. Raises `IndexingError`."""
    parsed = parse_definition(dict(definition))
    segments = definitions_of(await all_segments(runtime, workspace))
    snapshot = await runtime.snapshot(workspace)
    return await _preview(runtime, workspace, await select(runtime, workspace, snapshot, parsed, segments))


async def preview_segment(runtime: Runtime, workspace: str, segment: str) -> Preview:
    """Say what a stored segment selects, in the newest snapshot. Raises `NotFound` and `IndexingError`."""
    found, selection = await selected(runtime, workspace, segment)
    return await _preview(runtime, workspace, selection, found.version)


async def describe_segment(runtime: Runtime, workspace: str, segment: str) -> SegmentDescription:
    """Say what sets a segment's members apart from everyone else. Raises `NotFound` and `IndexingError`."""
    found, selection = await selected(runtime, workspace, segment)
    erased = await erased_among(runtime, workspace, selection)
    return SegmentDescription(
        segment=found,
        description=await runtime.run(selection.describe, erased),
        as_of=selection.members.as_of,
        snapshot=selection.members.snapshot_version,
    )


async def resolve_audience(runtime: Runtime, workspace: str, segment: str) -> Audience:
    """Turn a segment into the audience of a brief: name, two sentences, interest, stage."""
    return audience_of(await describe_segment(runtime, workspace, segment))


def audience_of(described: SegmentDescription) -> Audience:
    """Say of a segment what a brief says of its audience."""
    description = described.description
    return Audience(
        name=described.segment.name,
        description=" ".join(description.sentences),
        interest=description.interest,
        stage=description.stage,
    )


async def _preview(
    runtime: Runtime, workspace: str, selection: Selection, version: int | None = None
) -> Preview:
    erased = await erased_among(runtime, workspace, selection)

    def previewed() -> Preview:
        members = selection.without(erased)
        return Preview(
            size=members.size,
            population=members.population,
            share=round(members.size / members.population, 6) if members.population else 0.0,
            as_of=members.as_of,
            snapshot=members.snapshot_version,
            definition_version=version,
            description=selection.describe(erased),
            sample=tuple(_sampled(selection, members)),
            curve=selection.curve(erased),
            warnings=selection.warnings(),
        )

    return await runtime.run(previewed)


def _sampled(selection: Selection, members: Members) -> Iterator[SampleMember]:
    """Yield the members most worth looking at: the most similar, or some spread evenly."""
    if members.scores is not None:
        places = np.argsort(-np.nan_to_num(members.scores, nan=-2.0), kind="stable")[:SAMPLE]
    else:
        places = np.unique(np.linspace(0, members.size - 1, min(members.size, SAMPLE)).astype(np.int64))
    for place in places:
        row = int(members.rows[place])
        explanation = selection.explain(row=row)
        yield SampleMember(
            profile_id=str(selection.snapshot.profiles["id"][row]),
            score=explanation.score,
            why=tuple(_matching(explanation.reasons)),
        )


def _matching(reasons: Iterable[Reason]) -> Iterator[str]:
    """Yield the words of the leaves that speak for membership, those of other segments in their place."""
    for reason in reasons:
        if reason.reasons and not reason.negated:
            yield from _matching(reason.reasons)
        elif reason.matched != reason.negated:
            yield reason.words
