"""Counts for people who may know how many, and about nobody whether."""

from collections.abc import Mapping
from typing import Any

from indexing.definition import check_references, parse_definition
from indexing.private_counts import check_private, margin, private_count
from service.privacy.budget import exact_epsilon, spend
from service.runtime import Runtime
from service.segments.model import PrivateCount
from service.segments.selection import definitions_of, erased_among, select
from service.segments.store import SegmentStore


async def count_privately(
    runtime: Runtime, workspace: str, key_id: str, definition: Mapping[str, Any], epsilon: float
) -> PrivateCount:
    """Count whom a definition selects in the newest snapshot with epsilon-differential privacy.

    The epsilon is spent before anything is looked at. Raises InvalidInput (epsilon), BudgetSpent, and
    `IndexingError`, for a rule by which one profile moves another as well.
    """
    exact = exact_epsilon(epsilon)
    parsed = parse_definition(dict(definition))
    async with runtime.database.read() as session:
        segments = definitions_of(await SegmentStore(session, workspace).all())
    check_references(parsed, segments)
    check_private(parsed, segments)
    snapshot = await runtime.snapshot(workspace)
    left = await spend(runtime, workspace, key_id, exact)
    selection = await select(runtime, workspace, snapshot, parsed, segments)
    erased = await erased_among(runtime, workspace, selection)
    return PrivateCount(
        count=private_count(selection.members.size - len(erased), exact),
        epsilon=float(exact),
        margin=margin(exact),
        epsilon_left=float(left),
        as_of=selection.members.as_of,
        snapshot=snapshot.version,
    )
