import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.channels import CHANNELS
from prompts.errors import OutputError
from prompts.output import ONE_LINE, parse, schema
from tests.prompts.briefs import CLEAN, answer, changed

LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
JSON = st.recursive(LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(max_size=5), x), max_leaves=8)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_clean_answer_is_read_as_it_was_written(channel: str) -> None:
    assert parse(channel, answer(CLEAN[channel])) == CLEAN[channel]


@pytest.mark.parametrize("wrap", ["{}", " \n{}\n ", "```json\n{}\n```", "```\n{}\n```\n"])
def test_what_is_harmless_is_tolerated(wrap: str) -> None:
    assert parse("push", wrap.replace("{}", answer(CLEAN["push"]))) == CLEAN["push"]


def test_fields_come_back_in_the_channels_order_and_without_outer_space() -> None:
    assert parse("push", '{"body": " b ", "title": "t\\n"}') == {"title": "t", "body": "b"}
    assert list(parse("push", '{"body": "b", "title": "t"}')) == ["title", "body"]


@pytest.mark.parametrize(
    ("channel", "text", "place"),
    [
        ("push", "", "character 0"),
        ("push", "Here you go: {}", "Here you go"),
        ("push", '{"title": "t", "body": "b"} Enjoy!', "Enjoy!"),
        ("push", '{"title": "t", "body": "b"', "character 26"),
        ("push", "{'title': 't', 'body': 'b'}", "character 1"),
        ("push", '["t", "b"]', "not a JSON object"),
        ("push", '{"title": "t"}', "lacks 'body'"),
        ("push", '{"title": "t", "body": "b", "cta": "c"}', "unknown field 'cta'"),
        ("push", '{"title": "t", "title": "u", "body": "b"}', "repeats the key 'title'"),
        ("push", '{"title": 7, "body": "b"}', "title must be a text, not 7"),
        ("push", '{"title": null, "body": "b"}', "not None"),
        ("push", '{"title": NaN, "body": "b"}', "NaN is not JSON"),
        ("push", '{"title": " ", "body": "b"}', "title is empty"),
        ("push", '{"title": "a\\nb", "body": "b"}', "title must be one line"),
        ("push", '{"title": "a\\u0000b", "body": "b"}', "control character"),
        ("push", '{"title": "a\\ud800b", "body": "b"}', "control character"),
        (
            "email",
            '{"subject": "a\\r\\nBcc: x", "preheader": "p", "body": "b", "cta": "c"}',
            "control character",
        ),
        ("search", answer(changed("search", headlines=["a", "b"])), "headlines has 2 entries: 3 to 15"),
        ("search", answer(changed("search", headlines="a")), "headlines must be a list"),
        ("search", answer(changed("search", headlines=["a", "b", ""])), "headlines[2] is empty"),
        ("social", answer(changed("social", hashtags=["#a"] * 6)), "6 entries: 0 to 5"),
        ("push", "[" * 5000, "deep"),
        ("push", "x" * 60_000, "60000 characters"),
    ],
)
def test_the_rest_is_refused_with_its_place(channel: str, text: str, place: str) -> None:
    with pytest.raises(OutputError) as refused:
        parse(channel, text)
    assert place in str(refused.value)
    assert len(str(refused.value)) < 400


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        fields = parse("sms", text)
    except OutputError:
        return
    assert list(fields) == ["text"]


@given(JSON)
def test_no_json_breaks_the_parser(value: object) -> None:
    with pytest.raises(OutputError):
        parse("email", json.dumps(value))


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_schema_is_closed_and_leaves_room_for_tags(channel: str) -> None:
    described = schema(channel)
    assert described["additionalProperties"] is False
    assert described["required"] == list(described["properties"])
    assert described["required"] == [field.name for field in CHANNELS[channel].fields]
    for field in CHANNELS[channel].fields:
        entry = described["properties"][field.name]
        text = entry["items"] if field.items else entry
        assert text["maxLength"] == field.target.value + 120
        assert (entry.get("minItems"), entry.get("maxItems")) == (field.items or (None, None))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Meet {{product}}, with {{offer}}.", True),
        ("No fact at all; a brace } alone", True),
        ("{{product}}{{product}}", True),
        ("Now with {{benefit_1}}", False),
        ("Hi {{first_name}}", False),
        ("{{ product }}", False),
        ("{{product", False),
        ("{product}", False),
        ("{% raw %}", False),
        ("two\nlines", False),
        ("", True),
    ],
)
def test_a_schema_with_slots_holds_a_text_to_them(text: str, held: bool) -> None:
    described = schema("push", ["product", "offer"])
    assert (re.fullmatch(described["properties"]["title"]["pattern"], text) is not None) == held
    assert described["properties"]["title"]["minLength"] == 1
    lines = schema("email", ["product", "offer"])["properties"]["body"]["pattern"]
    assert (re.fullmatch(lines, text) is not None) == (held or text == "two\nlines")


@pytest.mark.parametrize("channel", CHANNELS)
def test_without_slots_a_schema_says_nothing_of_braces(channel: str) -> None:
    patterns = {
        text.get("pattern")
        for entry in schema(channel)["properties"].values()
        for text in [entry.get("items", entry)]
    }
    assert patterns <= {None, ONE_LINE}
