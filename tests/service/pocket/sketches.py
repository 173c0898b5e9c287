"""What the corpus would hold of a brief."""

from prompts.brief import Brief
from prompts.kinds import UNKNOWN
from prompts.slots import fact_slots
from service.llm.pocket.sketch import PERSONAL, PUBLIC, Sketch


def sketch_of(brief: Brief) -> Sketch:
    return Sketch(
        channel=brief.channel,
        tone=brief.tone,
        goal=brief.goal,
        kind=brief.product.kind or UNKNOWN,
        audience=brief.audience.interest or "anyone",
        stage=None if brief.channel in PUBLIC else brief.audience.stage,
        name=brief.personalise and brief.channel in PERSONAL,
        lengths={name: len(value) for name, value in fact_slots(brief).items()},
    )
