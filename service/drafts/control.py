"""The text in use today, beside which a draft is checked, scored and shown. No prompt is told of it."""

from collections.abc import Sequence

from eval.scorers.registry import score_variants
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
    runtime: Runtime, brief: Brief, variants: Sequence[Variant], control: Variant | None
) -> tuple[list[Variant], Variant | None]:
    """Score variants, and with them the control, by the same scorers as one of their number."""
    embedder = await runtime.embedder()
    together = [*variants, *([control] if control is not None else [])]
    scored = await runtime.run(score_variants, brief, together, embedder)
    return scored[: len(variants)], scored[-1] if control is not None else None
