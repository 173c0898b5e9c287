import pytest

from prompts.errors import BriefError, OutputError
from prompts.revision import recheck, revise
from prompts.variant import Fields
from tests.prompts.briefs import CLEAN, brief


def test_fields_that_do_not_change_stay_byte_for_byte() -> None:
    before: Fields = {"title": " kept, odd space and all ", "body": "old"}
    assert revise("push", before, {"body": " new "}) == {"title": before["title"], "body": "new"}
    assert before["body"] == "old"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cta": "x"}, "unknown field 'cta'"),
        ({"body": 3}, "body must be a text"),
        ({"body": "a\x00b"}, "control character"),
        ({"title": "x" * 50_001}, "at most 50000"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(OutputError, match=told):
        revise("push", {"title": "a", "body": "b"}, changes)


def test_copy_that_lacks_a_field_is_not_made_whole() -> None:
    with pytest.raises(OutputError, match="lacks 'body'"):
        revise("push", {}, {"title": "a"})
    with pytest.raises(BriefError, match="fax"):
        revise("fax", {}, {"title": "a"})


def test_edited_copy_meets_the_rules_and_its_neighbours() -> None:
    copy = CLEAN["push"]
    fine = recheck(brief("push"), copy, [])
    assert all(check.passed for check in fine)
    shouted: Fields = {name: f"{str(text).upper()}!" for name, text in copy.items()}
    repeated = recheck(brief("push"), copy, [shouted])
    assert [check.rule for check in repeated if not check.passed] == ["duplicates.variants"]
