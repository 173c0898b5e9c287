import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from indexing.errors import SnapshotCorrupt, SnapshotError, SnapshotMissing
from prompts.errors import EngineUnavailable, LanguageError
from service import cli, console
from service.cli import VERBS, invoke
from service.errors import DatabaseUnavailable, NotFound

HEAVY = ("torch", "transformers", "sentence_transformers", "faiss", "polars", "sklearn", "scipy", "numpy")
HEAVY += ("litestar", "sqlalchemy", "granian", "pyarrow")
PROBE = """
import os, sys
from service.cli import invoke
code = invoke(sys.argv[1:])
loaded = sorted(set(sys.modules) & set(%r))
spent = os.times()
print(loaded, spent.user + spent.system, code, file=sys.stderr)
"""


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def help_of(*path: str) -> str:
    result = CliRunner().invoke(cli.cli, [*path, "--help"])
    assert result.exit_code == 0, result.output
    return result.output


def leaves() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def visit(command: click.Command | None, path: tuple[str, ...]) -> None:
        assert command is not None
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                visit(inner, (*path, name))
        else:
            found.append(path)

    context = click.Context(cli.cli)
    for name in VERBS:
        visit(cli.cli.get_command(context, name), (name,))
    return found


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["nonsense"]])
def test_help_loads_nothing_heavy_and_answers_at_once(arguments: list[str], tmp_path: Path) -> None:
    probe = [sys.executable, "-c", PROBE % (HEAVY,), *arguments]
    done = subprocess.run(probe, capture_output=True, text=True, check=True, cwd=tmp_path, env=_environment())
    report = done.stderr.splitlines()[-1]
    assert report.startswith("[]") or arguments == ["--version"], report
    assert float(report.split()[-2]) < 0.5, f"CPU seconds: {report}"


def _environment() -> dict[str, str]:
    import os

    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root}


@pytest.mark.parametrize("path", leaves(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(path: tuple[str, ...]) -> None:
    text = help_of(*path)
    assert "Example: pitchwright " + path[0] in " ".join(text.split())
    assert "--json" in text or path in {("serve",), ("worker",), ("campaign", "schema")}


def test_the_top_help_names_every_verb_and_exit_code() -> None:
    text = help_of()
    for name in VERBS:
        assert f"  {name} " in text
    for code in console.EXIT_CODES:
        assert f"  {code} " in text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (console.NotMet("x"), 1),
        (NotFound("x"), 2),
        (SnapshotMissing("x"), 2),
        (SnapshotCorrupt("x"), 3),
        (SnapshotError("no space left"), 3),
        (LanguageError("x"), 2),
        (console.Usage("x"), 2),
        (EngineUnavailable("x"), 3),
        (DatabaseUnavailable("x"), 3),
        (OSError(28, "No space left on device"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), None),
    ],
)
def test_errors_have_exit_codes(error: BaseException, code: int | None) -> None:
    assert console.exit_code(error) == code


@pytest.mark.parametrize(
    ("raised", "code", "shown"),
    [
        (NotFound("no item 'x':\n add it"), 2, "Error: no item 'x': add it"),
        (EngineUnavailable("nothing answers at http://x"), 3, "Error: nothing answers at http://x"),
        (KeyError("oops"), 70, "unforeseen KeyError"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (console.NotMet("checks.passed is 0.5"), 1, "Not met: checks.passed is 0.5"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_never_a_traceback(
    raised: BaseException,
    code: int,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def broken() -> None:
        raise raised

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: broken)
    assert invoke(["broken"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert shown in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise NotFound("gone")

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: broken)
    with pytest.raises(NotFound):
        invoke(["--debug", "broken"])


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        (["fly"], "fly"),
        (["segment", "fly"], "fly"),
        (["segment", "create", "x"], "--like TEXT, --where RULES or --definition FILE"),
        (["segment", "create", "x", "--like", "a", "--definition", "b.json"], "not several"),
        (["segment", "create", "x", "--definition", "missing.json"], "missing.json"),
        (["segment", "preview"], "NAME"),
        (["draft", "--item", "1", "--channel", "fax"], "fax"),
        (["draft", "--item", "1", "--channel", "sms", "--n", "1000000000"], "1000000000"),
        (["draft", "--item", "1", "--channel", "sms", "--code", "X"], "--offer"),
        (["draft", "--item", "1", "--channel", "sms", "--segment", "a", "--audience", "b"], "at most one"),
        (["import", "nowhere", "--mapping", "x.yaml"], "nowhere"),
        (["campaign", "run", "none.yaml", "--out", "o"], "none.yaml"),
        (["eval", "run", "none.yaml"], "none.yaml"),
        (["keys", "create", "x", "--scope", "root"], "root"),
        (["keys", "revoke", "nothing"], "nothing"),
    ],
)
def test_wrong_usage_ends_with_two_and_quotes_it(
    arguments: list[str], quoted: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(arguments) == 2
    captured = capsys.readouterr()
    assert quoted in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("content", [b"[1, 2]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_definition_file_that_is_no_object_is_refused(
    content: bytes, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "d.json").write_bytes(content)
    assert invoke(["segment", "create", "x", "--definition", "d.json"]) == 2
    assert "d.json" in capsys.readouterr().err


def test_keys_on_the_command_line_make_list_and_revoke(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["--data-dir", "here", "keys", "create", "studio", "--scope", "copy", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key"]["scopes"] == ["copy"]
    assert (workdir / "here").is_dir()
    assert invoke(["--data-dir", "here", "keys", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert made["text"] not in listed
    assert [key["name"] for key in json.loads(listed)] == ["studio"]
    assert invoke(["--data-dir", "here", "keys", "revoke", made["key"]["prefix"]]) == 0
    capsys.readouterr()
    assert invoke(["--data-dir", "here", "keys", "list"]) == 0
    assert made["key"]["prefix"] in capsys.readouterr().out


def test_unknown_settings_are_refused_by_name(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_DATADIR", "x")
    assert invoke(["keys", "list"]) == 2
    assert "PITCHWRIGHT_DATA_DIR" in capsys.readouterr().err


def test_json_holds_dates_paths_and_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    console.print_json({"path": Path("a/b"), "row": np.array([1.5, 2.0], dtype=np.float32), "n": np.int64(3)})
    assert json.loads(capsys.readouterr().out) == {"path": "a/b", "row": [1.5, 2.0], "n": 3}


def test_tables_never_read_text_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(("a", "b"), [("[bold]x[/bold]", "[red]")])
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_progress_is_plain_lines_when_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Progress() as progress:
        progress("encode", 1, 2)
        progress("encode", 2, 2)
        progress("encode", 2, 2)
        progress("unknown", 5, None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["encode: 2 done"]


@pytest.mark.parametrize(
    "command",
    [
        ("index", "build", "--wait"),
        ("recommend", "p-1", "--max-price"),
        ("recommend", "p-1", "--diversity"),
    ],
)
def test_a_number_that_is_none_is_refused_with_what_was_given(
    command: tuple[str, ...], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*command, "nan"]) == 2
    assert "'nan' is no finite number" in capsys.readouterr().err
