"""Copy written back as the answer an engine would give: the inverse of parsing and filling."""

import json

from prompts.brief import Brief
from prompts.engine import Dialect
from prompts.merge_tags import FIRST_NAME
from prompts.slots import fact_slots, unescape, unfill
from prompts.variant import Fields


def slotted(brief: Brief, fields: Fields) -> Fields:
    """Turn the brief's facts in copy into slots again, and the greeting into its own."""
    facts = fact_slots(brief)
    return {
        name: _slotted(value, facts) if isinstance(value, str) else [_slotted(text, facts) for text in value]
        for name, value in fields.items()
    }


def as_answer(brief: Brief, fields: Fields, dialect: Dialect) -> str:
    """Write copy as the JSON that an engine of a dialect answers, on one line, in the order of the fields."""
    if dialect == "pocket":
        return json.dumps(slotted(brief, fields), ensure_ascii=False)
    plain = {
        name: unescape(value) if isinstance(value, str) else [unescape(text) for text in value]
        for name, value in fields.items()
    }
    return json.dumps(plain, ensure_ascii=False)


def _slotted(text: str, facts: dict[str, str]) -> str:
    return unfill(text.replace(FIRST_NAME, "{{first_name}}"), facts)
