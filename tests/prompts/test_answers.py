import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.answers import as_answer, slotted
from prompts.brief import Product
from prompts.channels import CHANNELS
from prompts.merge_tags import FIRST_NAME
from prompts.output import parse
from prompts.slots import escape, escape_facts, fact_slots, fill, unescape
from tests.prompts.briefs import CLEAN, brief


@pytest.mark.parametrize("channel", CHANNELS)
def test_copy_written_back_is_read_as_the_same_copy(channel: str) -> None:
    asked = brief(channel)
    assert parse(channel, as_answer(asked, CLEAN[channel], "full")) == CLEAN[channel]
    again = parse(channel, as_answer(asked, CLEAN[channel], "pocket"))
    slots = fact_slots(asked)
    assert {
        name: fill(value, slots) if isinstance(value, str) else [fill(text, slots) for text in value]
        for name, value in again.items()
    } == CLEAN[channel]


def test_a_greeting_and_braces_are_as_the_engine_wrote_them() -> None:
    asked = brief("push", product=Product(id="1", title="Mug {{ 7*7 }}"))
    said = {"title": f"Hi {FIRST_NAME}", "body": "Mug {{ 7*7 }} is here"}
    stored = {name: escape_facts(text, fact_slots(asked).values()) for name, text in said.items()}
    assert stored["body"] != said["body"]
    assert json.loads(as_answer(asked, dict(stored), "full")) == said
    assert slotted(asked, {"title": said["title"]})["title"] == "Hi {{first_name}}"


@given(st.text(alphabet="{}% a"))
def test_unescaping_undoes_escaping(text: str) -> None:
    assert unescape(escape(text)) == text
