"""The brand on the command line: the README's own file in, the same brand out."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from prompts.brand import Brand, version
from service.cli import invoke
from service.errors import InvalidInput
from service.workspaces.brand_file import as_yaml, load_brand

README = Path(__file__).resolve().parents[2] / "service" / "README.md"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The brand file the README shows."""
    block = re.search(r"### Brand files.*?```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    path = tmp_path / "fernhill.yaml"
    path.write_text(block[1], encoding="utf-8")
    return path


def test_the_readmes_brand_is_imported_shown_and_imported_again(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--data-dir", str(tmp_path / "var"), "brand"]
    assert invoke([*store, "import", str(example), "--json"]) == 0
    stored = msgspec.json.decode(capsys.readouterr().out, type=Brand)
    assert stored == load_brand(example)
    assert stored.claims.superlatives == "forbid"
    assert stored.claims.finance == "forbid"
    assert stored.glossary[0].never == ("pot", "tub")
    assert invoke([*store, "show"]) == 0
    again = tmp_path / "again.yaml"
    again.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_brand(again) == stored
    assert version(load_brand(again)) == version(stored)


def test_a_workspace_without_a_brand_shows_the_defaults(
    tmp_path: Path, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--data-dir", str(tmp_path / "var"), "brand"]
    example.write_text("{}")
    assert invoke([*store, "import", str(example)]) == 0
    capsys.readouterr()
    assert invoke([*store, "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["claims"]["urgency"] == "warn"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "Expected `object`, got `array`"),
        ("voize: warm", "unknown field `voize`"),
        ("claims: {health: maybe}", "'maybe'"),
        ("name: [", "is not YAML"),
        ("allowed_domains: ['https://x.example']", "'https://x.example' is none"),
        ("glossary: [{use: planter, never: []}]", "'planter' needs words"),
    ],
)
def test_a_brand_file_with_a_mistake_is_refused_and_changes_nothing(
    text: str, said: str, example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--data-dir", str(tmp_path / "var"), "brand"]
    assert invoke([*store, "import", str(example)]) == 0
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    assert invoke([*store, "import", str(wrong)]) == 2
    assert said in capsys.readouterr().err
    assert invoke([*store, "show"]) == 0
    assert capsys.readouterr().out == as_yaml(load_brand(example))


def test_a_brand_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml does not exist"):
        load_brand(tmp_path / "nowhere.yaml")
