"""What uses a segment: asked before it is changed or deleted."""

from indexing.definition import parse_definition, references
from service.drafts.store import DraftStore
from service.runtime import Runtime
from service.segments.model import Dependent, Impact, Segment
from service.segments.store import SegmentStore


async def impacted(runtime: Runtime, workspace: str, segment: str) -> Impact:
    """Say what a segment's change would touch: segments that refer to it, also over others, and drafts.

    Raises `NotFound`.
    """
    async with runtime.database.read() as session:
        store = SegmentStore(session, workspace)
        found = await store.get(segment)
        segments = await store.all()
        drafts = await DraftStore(session, workspace).count(found.id)
    dependents = _dependents(found, segments)
    return Impact(
        segment=found.id,
        definition_version=found.version,
        segments=tuple(sorted(dependents, key=lambda each: (len(each.through), each.name))),
        drafts=drafts,
        deletable=not dependents,
    )


def _dependents(changed: Segment, segments: tuple[Segment, ...]) -> list[Dependent]:
    """Walk references backwards, nearest first, so that each dependent is told by its shortest way."""
    refers = {segment.id: set(references(parse_definition(segment.definition))) for segment in segments}
    found: dict[str, Dependent] = {}
    reached: list[tuple[Segment, tuple[str, ...]]] = [(changed, ())]
    for target, through in reached:
        for segment in segments:
            if segment.id in found or segment.id == changed.id:
                continue
            if refers[segment.id] & {target.id, target.name}:
                found[segment.id] = Dependent(id=segment.id, name=segment.name, through=through)
                reached.append((segment, (segment.name, *through)))
    return list(found.values())
