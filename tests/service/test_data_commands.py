"""`pitchwright eval data`: what there is, what is in it, and whether a folder holds it."""

import json
from pathlib import Path

import pytest

from eval.datasets.description import names
from service.cli import invoke
from tests.eval.damaged_files import FILE, NAME, as_csv, row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of data sets with one file of another version."""
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / FILE).write_bytes(as_csv([row(place) for place in range(5)]))
    return tmp_path


def test_ls_says_what_is_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["eval", "data", "ls", "--json", "--folder", str(folder)]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert tuple(listed) == names()
    assert (listed["upworthy"]["present"], listed["upworthy"]["files"]) == (1, 1)
    assert (listed["open_bandit"]["present"], listed["open_bandit"]["files"]) == (0, 12)
    assert listed["upworthy"]["licence"] == "CC BY 4.0"
    assert listed["upworthy"]["bytes"] == 1_595_783


def test_ls_works_without_any_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["eval", "data", "ls", "--folder", str(tmp_path / "none")]) == 0
    shown = capsys.readouterr()
    assert "0 of 12" in shown.out
    assert "give the one with the data sets as --folder" in shown.err


def test_check_passes_the_listed_version(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["eval", "data", "check", "marketing_mix", "--folder", str(shared_data), "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert [(one["state"], one["rows"]) for one in checked] == [("as listed", 208), ("as listed", 200)]


def test_check_fails_on_another_version(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITCHWRIGHT_SHARED_DATA", str(folder))
    assert invoke(["eval", "data", "check"]) == 1
    shown = capsys.readouterr()
    assert "upworthy/headline_tests.csv.gz is another version" in shown.err
    assert "upworthy/headline_tests.csv.gz: 5 rows where the listed version has 18,037" in shown.err
    assert "absent" in shown.out
    assert invoke(["eval", "data", "check", "--any-version"]) == 0


def test_check_fails_on_rows_that_cannot_be_whatever_the_version(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [row(0), [*row(1)[:4], "NaN", *row(1)[5:]]]
    (folder / NAME / FILE).write_bytes(as_csv(broken))
    assert invoke(["eval", "data", "check", NAME, "--any-version", "--folder", str(folder), "--json"]) == 1
    (checked,) = json.loads(capsys.readouterr().out)
    assert (checked["rows"], checked["set_aside"], checked["passed"]) == (1, 1, False)
    assert checked["notes"][-1] == "1 of 2 rows set aside: impressions is no whole number (1: line 3)"


def test_a_set_asked_for_by_name_must_be_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "data", "check", "--any-version", "--folder", str(folder)]
    assert invoke([*command, "upworthy", "cdnow"]) == 1
    assert "cdnow/transactions.csv.gz is absent" in capsys.readouterr().err
    assert invoke([*command, "cdnow"]) == 2
    assert invoke([*command, "cdnoww"]) == 2
    assert "no data set 'cdnoww': use one of" in capsys.readouterr().err


def test_show_tells_columns_and_traps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["eval", "data", "show", "bank_marketing", "--folder", str(folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "`duration` is known only after the call" in shown
    assert "pdays integer, -1.. days since a contact" in shown
    assert "bank_full.csv.gz (not here): 45,211 rows" in shown
    assert invoke(["eval", "data", "show", "open_bandit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["columns"]["click"]["values"] == [0, 1]
