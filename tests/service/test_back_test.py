"""`pitchwright eval proxies` and `eval history`: event files, what they refuse, and what is printed."""

import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eval.proxies.history.history import Place
from eval.proxies.outcomes import Copy
from eval.scorers import headline
from service.cli import invoke
from service.console import Usage
from service.evaluations.outcome_files import copies_in, frame_of, read_events

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SHOWN = {
    "id": "e1",
    "profile_id": "p1",
    "type": "impression",
    "occurred_at": "2026-05-01T10:00:00Z",
    "variant_id": "a",
    "properties": {"channel": "email", "text": "Dig in, with love", "segment": "s1", "campaign": "may"},
}
CLICKED = {**SHOWN, "id": "e2", "type": "click", "properties": {}}
BAD = {**SHOWN, "id": "e3", "occurred_at": "2027-05-01T10:00:00Z"}
CSV = """\ufeffprofile_id,type,occurred_at,variant_id,value,channel,text,segment,campaign,properties
p1,impression,2026-05-01T10:00:00Z,a,,email,"Dig in, with love",s1,may,
p1,click,2026-05-01T10:00:00Z,a,2.5,,,,,"{""where"": ""button""}"
p1,impression,2027-05-01T10:00:00Z,a,,email,x,,,
p1,impression,yesterday,a,,email,x,,,
p1,impression
"""


def as_lines(*rows: object) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def write(folder: Path, name: str) -> Path:
    made: dict[str, Callable[[], bytes]] = {
        ".json": lambda: json.dumps([SHOWN, CLICKED, BAD, {"id": 1}, CLICKED]).encode(),
        ".jsonl": lambda: as_lines(SHOWN, CLICKED, BAD, CLICKED) + b"\n{",
        ".csv": CSV.encode,
    }
    path = folder / name
    body = made[path.with_suffix("").suffix if name.endswith(".gz") else path.suffix]()
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    return path


@pytest.mark.parametrize("name", ["e.json", "e.jsonl", "e.csv", "e.jsonl.gz"])
def test_events_are_read_in_every_form_and_bad_rows_are_told(tmp_path: Path, name: str) -> None:
    read = read_events(write(tmp_path, name), NOW)
    assert [(event.type, event.variant_id) for event in read.events] == [("impression", "a"), ("click", "a")]
    assert copies_in(read.events) == {
        "a": Copy(text="Dig in, with love", place=Place("email", segment="s1"), campaign="may")
    }
    assert frame_of(read.events).height == 2
    assert len(read.refused) == 3 if ".csv" in name else len(read.refused) == 2
    assert any("more than a day after now" in reason for reason in read.refused)
    assert read.repeated == (0 if ".csv" in name else 1)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("e.txt", b"", "of a kind that is not read"),
        ("e.json", b"{", "cannot be read|no event"),
        ("e.csv", b"who,what\n", "no column occurred_at, profile_id, type"),
        ("e.csv", b"\xff\xfe", "cannot be read"),
        ("e.jsonl", b"", "it is empty"),
        ("e.jsonl.gz", b"not a gzip", "cannot be read"),
        ("e.jsonl", as_lines(BAD), "no event that can be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(Usage, match=said):
        read_events(path, NOW)


def test_too_little_is_said_to_be_too_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data-dir", str(tmp_path / "var"), "eval", "proxies", "--json"]
    assert invoke([*arguments, "--outcomes", str(write(tmp_path, "e.jsonl"))]) == 1
    captured = capsys.readouterr()
    figures = json.loads(captured.out)["figures"]
    assert {entry["name"]: entry["goal"] for entry in figures if entry["met"] is False} == {
        "proxies.outcomes.groups": ">= 20",
        "proxies.outcomes.contrasts": ">= 200",
    }
    assert "nothing is concluded of 0 groups" in captured.err
    assert "row 3: occurred_at" in captured.err
    assert invoke(["--data-dir", str(tmp_path / "var"), "eval", "proxies"]) == 1
    assert invoke([*arguments, "--outcomes", str(tmp_path / "none.csv")]) == 2


def test_a_proxy_that_cannot_be_loaded_is_told_of_and_not_left_out_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headline, "shipped", lambda: "the artefact was made for another encoder")
    assert invoke(["--data-dir", str(tmp_path / "var"), "eval", "proxies", "--json"]) == 1
    assert "headline is not put to the test: the artefact was made for" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_log_that_says_enough_is_concluded_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty-four items' copy, four texts each, of which people click one in five, ten, twenty and thirty."""
    draw = random.Random(3)
    lines = ["profile_id,type,occurred_at,variant_id,item_id,channel,text"]
    for item in range(24):
        for place, odds in enumerate((5, 10, 20, 30)):
            for person in range(430):
                when = (NOW - timedelta(days=9) + timedelta(minutes=30 * person)).isoformat()
                who = f"p{item}-{place}-{person},{{}},{when},v{item}-{place},i{item},push,Line {item} {place}"
                lines.append(who.format("impression"))
                if draw.random() * odds < 1:
                    lines.append(who.format("click"))
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines))
    arguments = ["--data-dir", str(tmp_path / "var"), "eval", "proxies", "--json", "--outcomes", str(path)]
    assert invoke(arguments) == 0
    captured = capsys.readouterr()
    figures = {entry["name"]: entry for entry in json.loads(captured.out)["figures"]}
    assert figures["proxies.history.rank_correlation"]["low"] > 0.5
    assert figures["proxies.history.lift.1"]["value"] > 1.5
    assert figures["proxies.history.seen"]["value"] == 1
    assert "history agrees with people's clicks" in captured.err


@pytest.mark.slow
def test_history_is_measured_where_the_truth_is_known_and_on_real_clicks(
    tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upworthy = shared_data / "upworthy" / "headline_tests.csv.gz"
    bandit = shared_data / "open_bandit"
    arguments = ["eval", "history", "--json", "--upworthy", str(upworthy), "--open-bandit", str(bandit)]
    assert invoke(arguments) == 0
    figures = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["figures"]}
    for size in (100, 300, 1000):
        for source in (f"simulated.n{size}.regret", f"upworthy.n{size}.log_loss"):
            for other in ("raw", "channel"):
                assert figures[f"history.{source}.gain_on_{other}"]["low"] > 0
        assert 0.87 < figures[f"history.upworthy.n{size}.coverage"]["value"] < 0.98
    assert figures["history.upworthy.mixed.winner.gain_on_raw"]["low"] > 0
    assert figures["history.open_bandit.log_loss.gain_on_raw"]["low"] > 0
    assert invoke(["eval", "history", "--upworthy", str(bandit / "random_all.csv.gz")]) == 2
