"""A draft in the terminal: copy, room used, checks, scores and why."""

from pathlib import Path
from typing import Any

import pytest

from prompts.channels import find_channel
from prompts.checks.rules import run_checks
from prompts.measure import Length, measure, room_used
from prompts.variant import Fields, Provenance, Score, Variant
from service import console
from service.drafts.printout import heading, rows_of, used
from tests.prompts.briefs import CLEAN, GREETING, brief, changed

MADE_BY = Provenance(prompt="email/full.v2", prompt_digest="d", engine="e", model="m", seed=1, attempts=1)
SCORES = (
    Score(name="checks", value=1.0, reason="all"),
    Score(name="audience", value=0.25, reason="cosine 0.40 with the audience", evidence=("Meet it",)),
    Score(name="self_similarity", value=0.5),
)


def variant(fields: Fields, channel: str = "email", **changes: Any) -> Variant:
    checks = run_checks(brief(channel), fields)
    values: dict[str, Any] = {
        "id": "v",
        "status": "passed" if all(check.passed for check in checks) else "failed",
        "fields": fields,
        "checks": checks,
        "provenance": MADE_BY,
        "scores": SCORES,
    }
    return Variant(**(values | changes))


def test_a_variant_says_its_copy_the_room_it_uses_its_checks_and_why_it_ranks():
    shown = variant(CLEAN["email"])
    assert heading(2, shown) == "2. PASSED, score 1.15"
    rows = rows_of(shown, "email")
    assert rows[0] == ("subject", "31/60", "Meet Fernhill Stoneware Planter")
    assert [row[0] for row in rows[:5]] == ["subject", "preheader", "body", "cta", ""]
    assert rows[2][2] == str(CLEAN["email"]["body"]).replace("\n\n", "\n")
    rules = len(shown.checks)
    assert rows[5:] == [
        ("checks", f"{rules}/{rules}", "passed every rule"),
        ("audience", "0.25", "cosine 0.40 with the audience (weight 1)"),
        ("", "", "“Meet it”"),
        ("sameness", "0.50", "weight -0.2"),
    ]


def test_what_fails_and_what_is_only_a_pity_are_told_apart_with_their_reasons():
    shown = variant(changed("email", subject="Save 70% on Fernhill Stoneware Planter, " + "and more " * 4))
    rows = rows_of(shown, "email")
    assert rows[0][1] == "76/60 too long"
    assert heading(1, shown).startswith("1. FAILED")
    checks = next(row for row in rows if row[0] == "checks")
    assert checks[2] == "fails invented.percent"
    told = {row[0].strip(): row[2] for row in rows if row[0].startswith("  ")}
    assert told["error"].startswith("invented.percent, subject: says '70%'")
    assert told["warning"].startswith("length.soft, subject: 76 characters")


def test_room_is_counted_as_the_medium_counts_and_for_a_long_name():
    push = find_channel("push")
    [(label, text, length), _] = room_used(push, {"title": f"Hi {GREETING}", "body": "b"})
    assert (label, text, length.length) == ("title", f"Hi {GREETING}", 15)
    broken = room_used(push, {"title": "Hi {{ x", "body": "b"})
    assert broken[0][2].length == 7
    [(_, _, sms)] = room_used(find_channel("sms"), {"text": "50 €"})
    assert used(sms) == "5/160 septets"
    search = room_used(find_channel("search"), CLEAN["search"])
    assert [each[0] for each in search][:2] == ["headlines[0]", "headlines[1]"]


def test_every_limit_of_every_text_is_measured():
    lengths = measure(find_channel("email"), CLEAN["email"])
    assert lengths[:2] == (
        Length(field="subject", counting="characters", length=31, limit=60, hard=False),
        Length(field="subject", counting="bytes", length=31, limit=998, hard=True),
    )
    assert not any(length.over for length in lengths)


def test_a_malformed_answer_is_shown_cut():
    shown = variant({}, status="malformed", raw="Certainly!\n" * 100, scores=())
    rows = rows_of(shown, "email")
    assert rows[0][0] == "answer"
    assert rows[0][2].startswith("'Certainly! Certainly!")
    assert rows[0][2].endswith("...'")
    assert len(rows[0][2]) < 320
    assert heading(1, shown) == "1. MALFORMED"


def test_a_grid_reads_no_markup_folds_the_last_column_and_leaves_no_trailing_space(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "40")
    console.print_grid([("subject", "3/60", "[bold]x[/bold]"), ("body", "", "many words " * 8)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "subject  3/60  [bold]x[/bold]"
    assert len(lines) > 3
    assert all(line == line.rstrip() and len(line) <= 40 for line in lines)
    assert all(line.startswith(" " * 15) for line in lines[2:])


def test_the_command_prints_a_draft_and_ends_with_one_when_nothing_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    import asyncio

    from service.catalog.actions import upsert_items
    from service.catalog.model import Item
    from service.cli import invoke
    from service.runtime import open_runtime
    from service.settings import Settings
    from service.workspaces.actions import create_workspace

    async def fill() -> None:
        async with open_runtime(Settings(data_dir=str(tmp_path))) as runtime:
            await create_workspace(runtime, "default")
            items = [
                Item(id="trowel", title="Oak trowel", category="garden"),
                Item(id="long", title="Oak " + "trowel" * 20),
            ]
            await upsert_items(runtime, "default", items)

    asyncio.run(fill())
    command = ["--data-dir", str(tmp_path), "draft", "--channel", "banner", "--audience", "gardeners"]
    assert invoke([*command, "--item", "trowel", "--n", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("banner about Oak trowel for gardeners\n\n1. PASSED, score ")
    for shown in ("headline", "/40", "Oak trowel", "/90", "passed every rule", "audience", "(weight 1)"):
        assert shown in out
    assert invoke([*command, "--item", "long", "--n", "1"]) == 1
    captured = capsys.readouterr()
    assert "1. FAILED" in captured.out
    assert "too long" in captured.out
    assert "no variant passed" in captured.err
