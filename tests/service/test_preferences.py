"""Pairs of accepted and rejected copy, as TRL reads them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.checks.rules import run_checks
from prompts.render import render
from prompts.variant import Fields, Provenance, Variant
from service.cli import invoke
from service.drafts.deciding import decide
from service.drafts.decision import Actor, DecisionRequest, Verdict
from service.drafts.model import Draft
from service.drafts.preferences import Pair, PreferenceCounts, gather_preferences
from service.drafts.store import DraftStore
from service.prompts.actions import every_template, put_prompt
from service.prompts.model import NewPrompt
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import Clock
from tests.prompts.briefs import CLEAN, brief, changed

CATALOG = Catalog.load()
ADA = Actor(key_id="k", name="ada")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with open_runtime(Settings(data_dir=str(tmp_path / "var")), clock=Clock()) as opened:
        await create_workspace(opened, "default")
        yield opened


def variant(name: str, asked: Brief, fields: Fields, prompt: str = "push/full.v1", **changes: Any) -> Variant:
    digest = next(each.digest for each in CATALOG.templates if each.name == prompt)
    made = Provenance(prompt=prompt, prompt_digest=digest[:16], engine="e", model="m", seed=1, attempts=1)
    status = "passed" if fields else "malformed"
    written = Variant(
        id=name, status=status, fields=fields, checks=run_checks(asked, fields), provenance=made
    )
    return msgspec.structs.replace(written, **changes)


async def stored(runtime: Runtime, number: int, asked: Brief, *variants: Variant, where: str = "default"):
    draft = Draft(id=f"d{number}", created_at=runtime.now(), brief=asked, variants=variants)
    async with runtime.database.write() as session:
        await DraftStore(session, where).add(draft)


async def say(runtime: Runtime, place: str, verdict: Verdict, *, where: str = "default", **body: Any) -> None:
    draft, name = place.split("/")
    reason = body.pop("reason", "no" if verdict == "rejected" else "")
    request = DecisionRequest(verdict=verdict, reason=reason, **body)
    await decide(runtime, where, draft, name, request, ADA)


async def gathered(runtime: Runtime, where: str = "default") -> tuple[list[Pair], PreferenceCounts]:
    return await gather_preferences(runtime, where, await every_template(runtime, where))


ASKED = brief("push", n=2)
OTHER = changed("push", title="Pots, pots, pots")
THIRD = changed("push", title="A pot with manners")


async def test_accepted_copy_stands_against_what_was_rejected_and_what_was_edited_away(runtime: Runtime):
    await stored(
        runtime,
        1,
        ASKED,
        variant("a", ASKED, CLEAN["push"]),
        variant("b", ASKED, OTHER),
        variant("c", ASKED, THIRD),
        variant("d", ASKED, changed("push", title="Nobody has looked at this")),
    )
    await say(runtime, "d1/a", "edited", fields={"title": "One more pot?"}, reason="too long")
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d1/b", "rejected", reason="says nothing")
    await say(runtime, "d1/c", "accepted")
    pairs, counts = await gathered(runtime)
    edited = changed("push", title="One more pot?")
    told = [
        (json.loads(pair.chosen[0].content), json.loads(pair.rejected[0].content), pair.rejected_because)
        for pair in pairs
    ]
    assert sorted(map(repr, told)) == sorted(
        map(
            repr,
            [
                (edited, CLEAN["push"], "edited"),
                (edited, OTHER, "rejected"),
                (THIRD, CLEAN["push"], "edited"),
                (THIRD, OTHER, "rejected"),
            ],
        )
    )
    assert {pair.reason for pair in pairs} == {"too long", "says nothing"}
    assert {(pair.rejected_from, pair.rejected_because) for pair in pairs} == {
        ("d1/a", "edited"),
        ("d1/b", "rejected"),
    }
    assert counts == PreferenceCounts(pairs=4, drafts=1, accepted=2, rejected=1, edited_away=1, prompt_gone=0)


async def test_the_prompt_is_what_the_engine_was_asked(runtime: Runtime):
    await stored(runtime, 1, ASKED, variant("a", ASKED, CLEAN["push"]), variant("b", ASKED, OTHER))
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d1/b", "rejected")
    [pair] = (await gathered(runtime))[0]
    assert pair.prompt == render(CATALOG.get("push", "full"), ASKED)
    assert [message.role for message in pair.prompt] == ["system", "user"]
    assert [message.role for message in (*pair.chosen, *pair.rejected)] == ["assistant", "assistant"]
    assert (pair.channel, pair.language, pair.template) == ("push", "en", "push/full.v1")


async def test_the_embedded_engine_learns_slots_and_never_facts(runtime: Runtime):
    prompt = CATALOG.get("push", "pocket").name
    await stored(
        runtime, 1, ASKED, variant("a", ASKED, CLEAN["push"], prompt), variant("b", ASKED, OTHER, prompt)
    )
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d1/b", "rejected")
    [pair] = (await gathered(runtime))[0]
    assert "{{product}}" in pair.chosen[0].content
    assert "Fernhill" not in pair.chosen[0].content + pair.rejected[0].content + pair.prompt[0].content


async def test_drafts_of_the_same_brief_are_held_together_and_others_apart(runtime: Runtime):
    seeded = msgspec.structs.replace(ASKED, seed=5)
    elsewhere = brief("push", tone="urgent")
    await stored(runtime, 1, ASKED, variant("a", ASKED, CLEAN["push"]))
    await stored(runtime, 2, seeded, variant("a", seeded, OTHER))
    await stored(runtime, 3, elsewhere, variant("a", elsewhere, THIRD))
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d2/a", "rejected")
    await say(runtime, "d3/a", "rejected")
    [pair] = (await gathered(runtime))[0]
    assert (pair.chosen_from, pair.rejected_from) == ("d1/a", "d2/a")


async def test_what_was_accepted_elsewhere_is_no_bad_example_and_a_text_is_paired_once(runtime: Runtime):
    for number in (1, 2, 3):
        texts = variant("a", ASKED, CLEAN["push"]), variant("b", ASKED, OTHER)
        await stored(runtime, number, ASKED, *texts)
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d2/a", "rejected")
    assert (await gathered(runtime))[0] == []
    for number in (1, 2, 3):
        await say(runtime, f"d{number}/b", "rejected")
    assert len((await gathered(runtime))[0]) == 1


async def test_a_last_word_counts_and_malformed_answers_are_no_examples(runtime: Runtime):
    asked = ASKED
    await stored(runtime, 1, asked, variant("a", asked, CLEAN["push"]), variant("b", asked, {}, raw="Sorry"))
    await say(runtime, "d1/b", "rejected")
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d1/a", "rejected")
    pairs, counts = await gathered(runtime)
    assert pairs == []
    assert (counts.accepted, counts.rejected) == (0, 1)


async def test_a_prompt_that_has_changed_is_counted_not_guessed(runtime: Runtime):
    old = variant("a", ASKED, CLEAN["push"])
    gone = msgspec.structs.replace(old.provenance, prompt_digest="0" * 16)
    await stored(runtime, 1, ASKED, msgspec.structs.replace(old, provenance=gone))
    await say(runtime, "d1/a", "accepted")
    pairs, counts = await gathered(runtime)
    assert (pairs, counts.prompt_gone, counts.accepted) == ([], 1, 0)


async def test_a_prompt_of_the_workspace_that_has_been_replaced_since_is_still_known(runtime: Runtime):
    shipped = CATALOG.get("push", "full")
    version = shipped.front.version

    def changed_to(number: int) -> NewPrompt:
        source = shipped.source.replace(f"version: {version}\n", f"version: {number}\n", 1)
        line = f'changelog:\n  - {{version: {number}, date: "2026-11-26", change: ours}}\n'
        return NewPrompt(source=source.replace("changelog:\n", line, 1))

    await put_prompt(runtime, "default", "push.full", changed_to(version + 1))
    name = f"push/full.v{version + 1}"
    ours = next(each for each in await every_template(runtime, "default") if each.name == name)
    await put_prompt(runtime, "default", "push.full", changed_to(version + 2))
    made = variant("a", ASKED, CLEAN["push"])
    asked = msgspec.structs.replace(made.provenance, prompt=name, prompt_digest=ours.digest[:16])
    both = (msgspec.structs.replace(each, provenance=asked) for each in (made, variant("b", ASKED, OTHER)))
    await stored(runtime, 1, ASKED, *both)
    await say(runtime, "d1/a", "accepted")
    await say(runtime, "d1/b", "rejected")
    [pair] = (await gathered(runtime))[0]
    assert pair.template == name


async def test_another_workspaces_decisions_are_not_in_it(runtime: Runtime):
    await create_workspace(runtime, "other")
    both = variant("a", ASKED, CLEAN["push"]), variant("b", ASKED, OTHER)
    await stored(runtime, 1, ASKED, *both, where="other")
    await say(runtime, "d1/a", "accepted", where="other")
    await say(runtime, "d1/b", "rejected", where="other")
    assert (await gathered(runtime))[0] == []
    assert len((await gathered(runtime, "other"))[0]) == 1


def shop(folder: Path, *, decided: bool) -> None:
    async def fill() -> None:
        async with open_runtime(Settings(data_dir=str(folder))) as runtime:
            await create_workspace(runtime, "default")
            await stored(runtime, 1, ASKED, variant("a", ASKED, CLEAN["push"]), variant("b", ASKED, OTHER))
            if decided:
                await say(runtime, "d1/a", "accepted")
                await say(runtime, "d1/b", "rejected")

    asyncio.run(fill())


def test_the_command_writes_lines_of_the_documented_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shop(tmp_path / "var", decided=True)
    out = tmp_path / "new" / "pairs.jsonl"
    command = ["--data-dir", str(tmp_path / "var"), "export", "preferences", "--out", str(out)]
    assert invoke([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pairs"], told["accepted"], told["rejected"], told["out"]) == (1, 1, 1, str(out))
    [line] = out.read_text().splitlines()
    columns = json.loads(line)
    readme = (Path(__file__).parents[2] / "service" / "README.md").read_text()
    assert [name for name in columns if f"| `{name}` |" not in readme] == []
    assert {"prompt", "chosen", "rejected"} <= set(columns)
    first = out.read_bytes()
    assert invoke(command) == 0
    assert "Pairs: 1, in" in capsys.readouterr().out
    assert out.read_bytes() == first
    assert list(out.parent.iterdir()) == [out]


def test_an_empty_export_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shop(tmp_path / "var", decided=False)
    out = tmp_path / "pairs.jsonl"
    out.write_text("of last week\n")
    assert invoke(["--data-dir", str(tmp_path / "var"), "export", "preferences", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert "Pairs: 0, in" in captured.out
    assert "Nothing to export" in captured.err
    assert out.read_text() == ""
