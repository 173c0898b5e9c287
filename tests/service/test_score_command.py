"""`pitchwright score`: what a copywriter reads, and what is refused before anything is loaded."""

import io
from pathlib import Path

import pytest

from prompts.variant import CONTROL, Score, Unscored
from service.cli import invoke
from service.console import Usage
from service.drafts.copy_options import fields_of, text_or_fields, texts_of_file
from service.drafts.printout import control_heading, rows_of
from tests.service.test_printout import variant


def test_fields_and_texts_are_read_as_they_are_given(tmp_path: Path):
    assert fields_of("email", ["subject=a = b", "cta=Go"]) == {"subject": "a = b", "cta": "Go"}
    assert fields_of("search", ["headlines=a", "headlines=b"]) == {"headlines": ["a", "b"]}
    assert text_or_fields(None, ["Save 20% = gone"]) == "Save 20% = gone"
    assert text_or_fields("push", ["title=New in"]) == {"title": "New in"}
    assert text_or_fields("push", []) is None
    listed = tmp_path / "texts.yaml"
    listed.write_text("- Plain text\n- {subject: A subject}\n- {headlines: [a, b]}\n")
    assert texts_of_file(listed) == ["Plain text", {"subject": "A subject"}, {"headlines": ["a", "b"]}]
    one = tmp_path / "one.json"
    one.write_text('{"title": "a", "body": "b"}')
    assert texts_of_file(one) == [{"title": "a", "body": "b"}]
    plain = tmp_path / "copy.txt"
    plain.write_text("Note: this is one text.\n- so is this")
    assert texts_of_file(plain) == ["Note: this is one text.\n- so is this"]


def test_a_text_may_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("From a pipe"))
    assert texts_of_file(Path("-")) == ["From a pipe"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"- [1, 2]", "write a list of texts"),
        (b"{", "write a list"),
        (b"\xff\xfe", "cannot be read"),
        (b"3", "list"),
    ],
)
def test_a_file_that_holds_no_texts_is_refused(tmp_path: Path, content: bytes, told: str):
    path = tmp_path / "texts.yaml"
    path.write_bytes(content)
    with pytest.raises(Usage, match=told):
        texts_of_file(path)


def test_a_field_that_is_none_or_given_twice_is_refused():
    with pytest.raises(Usage, match="push has title, body"):
        fields_of("push", ["subject=a"])
    with pytest.raises(Usage, match="given twice"):
        fields_of("push", ["title=a", "title=b"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a TEXT"),
        (["a", "--code", "X1"], "--code and --ends belong to an offer"),
        (["--field", "subject=a"], "--field needs a --channel"),
        (["a", "--file", "nowhere.txt"], "cannot be read"),
        (["a", "--channel", "fax"], "'fax' is not one of"),
        (["a", "--judge", "9"], "--judge"),
    ],
)
def test_wrong_usage_is_told_at_once(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    assert invoke(["score", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_copywriter_reads_scores_beside_the_text_in_use_and_why_one_is_missing():
    now = variant({"title": "New in", "body": "Shop now."}, "push", id=CONTROL)
    rated = Score(
        name="audience", value=0.31, reason="cosine 0.44", evidence=("Sow the beans.",), low=0.2, high=0.4
    )
    missing = (
        Unscored(name="readability", reason="the scorer failed: KeyError", failed=True),
        Unscored(name="voice", reason="the brand has no lines of its own"),
        Unscored(name="judge", reason="it cannot judge"),
    )
    shown = variant({"title": "Sow the beans."}, "push", scores=(rated,), unscored=missing)
    rows = rows_of(shown, "push", now)
    assert rows[-4:] == [
        ("audience", "0.31", "in use today 0.25; 0.20 to 0.40; cosine 0.44 (weight 1)"),
        ("", "", "“Sow the beans.”"),
        ("ease", "none", "the scorer failed: KeyError"),
        ("judge", "none", "it cannot judge"),
    ]
    good = variant({"title": "x", "body": "y"}, "push", id="1", status="passed")
    assert control_heading(now, [good]) == "In use today: FAILED, score 1.15, would stand 2 of 2"


def test_plain_text_has_no_limit_to_be_counted_against():
    plain = variant({"text": "Seven"}, "push")
    assert rows_of(plain, "text")[0] == ("text", "5", "Seven")


def test_the_command_prints_texts_in_their_order_and_what_was_not_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = [
        "--data-dir",
        str(tmp_path),
        "score",
        "--audience",
        "gardening",
        "--control",
        "New in the shop.",
    ]
    assert invoke([*command, "Level up!! Grab it, damn.", "Sow your beans in the garden."]) == 0
    captured = capsys.readouterr()
    first, _, rest = captured.out.partition("2. FAILED")
    second, _, control = rest.partition("In use today: ")
    assert first.startswith("1. PASSED, score ")
    assert "(text 2)" in first
    assert "in use today" in first
    assert "others on average" in first
    assert "words.profane" in second
    assert "would stand 2 of 3" in control
    assert "Not looked at: facts.product, facts.benefits, facts.link, invented.*" in captured.err
    assert "No score for voice: the brand has no lines of its own." in captured.err
    assert captured.err.count("No score for voice") == 1
