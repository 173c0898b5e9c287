"""The text in use today, beside which a draft is checked, scored and shown. No prompt is told of it."""

from collections.abc import Sequence
from typing import NamedTuple

from eval.scorers.registry import score_drafts
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.errors import OutputError
from prompts.revision import by_hand
from prompts.variant import CONTROL, Fields, Variant
from service.errors import InvalidInput
from service.runtime import Runtime


async def control_of(runtime: Runtime, brief: Brief, fields: Fields | None) -> Variant | None:
    """Hold the text in use against the rules; none without one.

    Some of the channel's fields are enough. Raises InvalidInput for what they cannot hold.
    """
    if fields is None:
        return None
    try:
        return await runtime.run(by_hand, brief, fields, CONTROL)
    except OutputError as error:
        raise InvalidInput(f"control: {error}") from error


async def score_beside(
    runtime: Runtime,
    brief: Brief,
    variants: Sequence[Variant],
    control: Variant | None,
    pause_seconds: float = 0.0,
) -> tuple[list[Variant], Variant | None]:
    """Score variants, and with them the control, by the same scorers as one of their number.

    What drafts say that are scored at the same time is encoded together; copy that nobody waits for may wait
    a moment for more of it.
    """
    together = [*variants, *([control] if control is not None else [])]
    asked = _Asked(await runtime.embedder(), brief, together)
    scored = await runtime.run_together(_score, asked, pause_seconds)
    return scored[: len(variants)], scored[-1] if control is not None else None


class _Asked(NamedTuple):
    embedder: Embedder
    brief: Brief
    variants: Sequence[Variant]


def _score(asked: Sequence[_Asked]) -> list[list[Variant]]:
    return score_drafts([(each.brief, each.variants) for each in asked], asked[0].embedder)
