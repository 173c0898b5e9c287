"""What of an item is embedded."""

import pytest

from indexing.text import MAX_CHARACTERS, item_text, item_texts
from tests.indexing.small_world import make_world


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("Trowel", "Digs holes.", "Garden", "Spear"), "Trowel. Garden. Spear. Digs holes"),
        (("Trowel", None, None, None), "Trowel"),
        ((" Two\n words ", "", " ", None), "Two words"),
        (("{{ 7*7 }}", None, None, None), "{{ 7*7 }}"),
        ((None, None, None, None), ""),
        (("", " . ", None, None), ""),
    ],
)
def test_known_parts_are_joined_the_telling_ones_first(parts: tuple[str | None, ...], text: str) -> None:
    assert item_text(*parts) == text


def test_a_runaway_description_is_cut_and_the_title_kept() -> None:
    text = item_text("Trowel", "word " * 10_000, "Garden")
    assert len(text) == MAX_CHARACTERS
    assert text.startswith("Trowel. Garden. word")


def test_a_frame_gives_the_same_texts() -> None:
    items = make_world().items
    texts = item_texts(items)
    assert texts[0] == "garden trowel. garden"
    assert texts[-1] == ""
    assert len(texts) == items.height
