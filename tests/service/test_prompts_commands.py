"""`pitchwright prompts`: what it prints, and how it ends."""

import json
import os
import re
from pathlib import Path

import pytest

from prompts.catalog import Catalog
from prompts.inputs import BOTH, FULL, INPUTS, POCKET
from prompts.render import render
from service.cli import invoke
from service.console import run_with
from service.prompts.actions import put_prompt
from service.prompts.model import NewPrompt, PromptText
from service.runtime import Runtime
from service.settings import Settings
from service.workspaces.actions import ensure_workspace

SHIPPED = Path(__file__).resolve().parents[2] / "prompts" / "templates"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one prompt, the shipped one under the next version."""
    monkeypatch.chdir(tmp_path)
    source = (SHIPPED / "push" / "full.v2.md.j2").read_text()
    changed = source.replace("version: 2", "version: 3").replace("one glance", "half a glance")
    (tmp_path / "mine" / "push").mkdir(parents=True)
    (tmp_path / "mine" / "push" / "full.v3.md.j2").write_text(changed)
    return tmp_path / "mine"


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_list_names_every_version_and_the_one_in_use(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert invoke(["prompts", "list", "--json"]) == 0
    listed = json.loads(out(capsys))
    assert [each["name"] for each in listed] == [t.name for t in Catalog.load().templates]
    pocket = {each["version"]: each for each in listed if each["name"].startswith("email/pocket")}
    assert (pocket[1]["current"], pocket[2]["current"]) == (False, True)
    assert pocket[2]["digest"] == Catalog.load().get("email", "pocket").digest[:16]
    assert invoke(["prompts", "list", "--dir", str(folder), "--channel", "push"]) == 0
    rows = [line.split() for line in out(capsys).splitlines() if line.strip().startswith("push/full")]
    assert rows[0][:4] == ["push/full.v1", "1", "push", "full"]
    assert "current" not in rows[0]
    assert rows[-1][4] == "current"
    assert invoke(["prompts", "list", "--channel", "fax"]) == 2


def test_check_ends_with_0_when_nothing_is_wrong(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert invoke(["prompts", "check"]) == 0
    assert out(capsys) == f"{len(Catalog.load().templates)} prompts: nothing is wrong.\n"
    assert invoke(["prompts", "check", str(folder), "--json"]) == 0
    assert json.loads(out(capsys)) == {"prompts": 1, "problems": []}


def test_check_ends_with_1_and_names_file_line_and_problem(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    path = folder / "push" / "full.v3.md.j2"
    path.write_text(path.read_text().replace("user:\n", "user:\n{{ prodct }}{{ tone.x }}\n"))
    line = path.read_text().split("{{ prodct")[0].count("\n") + 1
    assert invoke(["prompts", "check", str(folder)]) == 1
    printed = capsys.readouterr()
    assert f"push/full.v3.md.j2:{line}" in printed.out
    assert "did you mean" in printed.out
    assert printed.err == "Not met: 2 problems in 1 file\n"
    assert invoke(["prompts", "check", str(folder), "--json"]) == 1
    problems = json.loads(out(capsys))["problems"]
    assert {(each["file"], each["line"], each["rule"]) for each in problems} == {
        ("push/full.v3.md.j2", line, "inputs")
    }


def test_check_refuses_a_folder_without_prompts(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert invoke(["prompts", "check", str(folder / "push")]) == 2
    assert "holds no prompt: put <name>.v<N>.md.j2 into a folder of its channel" in capsys.readouterr().err
    assert invoke(["prompts", "check", str(folder / "none")]) == 2


def test_render_shows_what_is_sent_for_an_example(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    template = Catalog.load().get("push", "full")
    messages = render(template, template.front.example)
    assert invoke(["prompts", "render", "push/full"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "".join(f"=== {m.role} ===\n{m.content}\n\n" for m in messages)
    assert f"digest {template.digest[:16]}" in printed.err
    assert invoke(["prompts", "render", "push/full", "--dir", str(folder), "--json"]) == 0
    rendered = json.loads(out(capsys))
    assert rendered["prompt"] == "push/full.v3"
    assert "half a glance" in rendered["messages"][0]["content"]


def test_render_gives_the_file_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["prompts", "render", "push/full", "--source"]) == 0
    assert out(capsys) == Catalog.load().get("push", "full").source
    assert invoke(["prompts", "render", "push/full", "--source", "--brief", "brief.yaml"]) == 2


def test_render_takes_a_brief_in_yaml_or_json(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    Path("brief.yaml").write_text("product: {id: a, title: Tea}\naudience: {name: Everyone}\ntone: luxury\n")
    assert invoke(["prompts", "render", "push/full", "--brief", "brief.yaml"]) == 0
    assert 'title: "Tea"' in out(capsys)
    Path("brief.json").write_text(
        '{"channel": "push", "product": {"id": "a", "title": "Tea"}, "audience": {}}'
    )
    assert invoke(["prompts", "render", "push/full", "--brief", "brief.json"]) == 2
    assert "`audience`: Object missing required field `name`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("brief", "complaint"),
    [
        ("[1]", "holds a list: it must be an object"),
        ("a: [", "neither YAML nor JSON"),
        ("{channel: email, product: {id: a, title: Tea}, audience: {name: x}}", "is for channel 'email'"),
        ("{product: {id: a, title: ''}, audience: {name: x}}", "has no title"),
    ],
)
def test_render_refuses_what_is_no_brief(
    capsys: pytest.CaptureFixture[str], folder: Path, brief: str, complaint: str
) -> None:
    Path("brief.yaml").write_text(brief)
    assert invoke(["prompts", "render", "push/full", "--brief", "brief.yaml"]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["render", "push/full", "--example", "bare"], "has no example 'bare': there are example"),
        (["render", "push/full.v9"], "has no version 9: there are 1"),
        (["render", "push"], "'push' names no prompt"),
        (["render", "push/full", "--example", "example", "--brief", "x"], "not both"),
        (["diff", "push/full", "email/full"], "for different channels"),
        (["render", "push/full", "--brief", "none.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(
    capsys: pytest.CaptureFixture[str], folder: Path, arguments: list[str], complaint: str
) -> None:
    assert invoke(["prompts", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_diff_compares_the_files_and_what_they_render(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert invoke(["prompts", "diff", "email/pocket.v1", "email/pocket.v2", "--json"]) == 0
    compared = json.loads(out(capsys))
    assert '+{% include "partials/pocket.v2.j2" %}' in compared["source"]
    assert "+kind: outdoor" in compared["rendered"]
    assert invoke(["prompts", "diff", "push/full.v2", "push/full.v3", "--dir", str(folder)]) == 0
    printed = out(capsys)
    assert "-version: 2\n+version: 3" in printed
    assert "half a glance" in printed
    assert invoke(["prompts", "diff", "push/full", "push/full"]) == 0
    assert "The files: the same" in out(capsys)


def test_own_shows_what_the_workspace_writes_with(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = folder.parent / "prompts" / "default"
    mine.parent.mkdir()
    folder.rename(mine)
    monkeypatch.setenv("PITCHWRIGHT_PROMPTS_DIR", str(mine.parent))
    source = (mine / "push" / "full.v3.md.j2").read_text().replace("version: 3", "version: 4")

    async def changes(runtime: Runtime) -> PromptText:
        await ensure_workspace(runtime, "shop")
        return await put_prompt(runtime, "shop", "push.full", NewPrompt(source=source))

    shipped = Catalog.load().get("push", "full").name
    put = run_with(Settings(data_dir="var", prompts_dir=str(mine.parent)), changes)
    for workspace, used in (("default", "push/full.v3"), ("shop", "push/full.v4"), ("new", shipped)):
        assert invoke(["--workspace", workspace, "prompts", "list", "--own", "--json"]) == 0
        listed = [each for each in json.loads(out(capsys)) if each["name"].startswith("push/full")]
        assert [each["name"] for each in listed if each["current"]] == [used]
    assert invoke(["--workspace", "shop", "prompts", "render", "push/full", "--own", "--json"]) == 0
    assert json.loads(out(capsys))["digest"] == put.digest
    assert invoke(["prompts", "list", "--own", "--dir", str(mine)]) == 2


README = Path(__file__).resolve().parents[2] / "prompts" / "README.md"


def test_the_readme_shows_what_the_commands_print(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    shown = [re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:] for block in blocks]
    pairs = [(block[place], block[place + 1]) for block in shown for place in range(0, len(block), 2)]
    source = (SHIPPED / "push" / "full.v2.md.j2").read_text()
    line = '  - {version: 3, date: "2026-11-26", change: no emoji for those who left}\n'
    source = source.replace("version: 2\n", "version: 3\n").replace("changelog:\n", f"changelog:\n{line}")
    source = source.replace("\nuser:\n", "\nuser:\n{% if stage_word %}\nLeave emoji out.\n{% endif %}\n")
    file = tmp_path / "my-prompts" / "push" / "full.v3.md.j2"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    ran: list[str] = []
    for command, printed in pairs:
        if command.startswith("cat "):
            Path(command.removeprefix("cat ")).write_text(printed)
            continue
        if command in ran:  # the same check again, once it is mended
            file.write_text(source.replace("stage_word %}", "stage_words %}"))
        ran.append(command)
        verb, _, tail = command.removeprefix("pitchwright ").partition(" | tail -")
        invoke(verb.split())
        lines = [each.rstrip() for each in out(capsys).splitlines()]
        wanted = "\n".join(lines[-int(tail) :] if tail else lines).strip("\n")
        if os.environ.get("UPDATE_GOLDEN"):
            README.write_text(
                README.read_text().replace(f"$ {command}\n{printed}", f"$ {command}\n{wanted}\n", 1)
            )
        else:
            assert printed.strip("\n") == wanted, command
    assert len(ran) == 3


def test_the_readme_says_the_kind_and_dialect_of_every_input() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| \S.* \|$", README.read_text(), re.MULTILINE)
    dialects = {BOTH: "both", FULL: "full", POCKET: "pocket"}
    assert rows == [(name, each.kind, dialects[each.dialects]) for name, each in INPUTS.items()]
