"""What is a word of the list and what a slip, in answers as models write them."""

import json
from pathlib import Path

import pytest

from prompts.errors import EngineUnavailable
from service.llm.known_words import FILE, KnownWords


@pytest.fixture
def known() -> KnownWords:
    return KnownWords(["calm", "word", "don't", "fromthekitchen", "a", "..."])


@pytest.mark.parametrize(
    ("fields", "slips"),
    [
        ({"title": "A calm word.", "body": "Don't: {{product}}, a word"}, ()),
        ({"title": "A disapp word", "body": "A wordcalm, a disapp"}, ("disapp", "wordcalm")),
        ({"text": "Calm", "hashtags": ["#fromthekitchen", "#fromthe"]}, ("fromthe",)),
        ({"body": "A word\n\nCalm {{first_name}}"}, ()),
        ({"title": "Don''t"}, ("don", "t")),
        ({"title": "A word... calm", "body": "{{product}}, {{offer}}. Calm!"}, ()),
        ({"title": "A word..", "body": "Calm,, a {{product}}.,"}, ("..", ",,", ".,")),
    ],
)
def test_slips_are_words_of_texts_that_the_list_lacks(
    known: KnownWords, fields: dict[str, object], slips: tuple[str, ...]
) -> None:
    assert known.slips(json.dumps(fields)) == slips


def test_what_is_no_json_has_no_slips(known: KnownWords) -> None:
    assert known.slips('{"title": "disapp') == ()


def test_a_folder_without_a_list_knows_no_slips(tmp_path: Path) -> None:
    assert KnownWords.read(tmp_path) is None
    (tmp_path / FILE).write_text("calm\nword\n", encoding="utf-8")
    listed = KnownWords.read(tmp_path)
    assert listed is not None
    assert listed.slips('{"title": "calm words"}') == ("words",)


def test_a_list_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"calm\xff")
    with pytest.raises(EngineUnavailable, match=FILE):
        KnownWords.read(tmp_path)
