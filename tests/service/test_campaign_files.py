import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest

from prompts.brief import Offer
from service.campaigns.model import (
    Campaign,
    check_campaign,
    load_campaign,
    targets,
    unit_digest,
)
from service.campaigns.results import Results, whole_units
from service.demo.actions import demo_campaign
from service.errors import Conflict, DependencyError, InvalidInput
from tests.service.units import unit

GOOD = {"name": "spring", "segments": ["gardeners"], "channels": ["email", "push"]}


def write_file(path: Path, document: dict[str, Any]) -> Path:
    path.write_bytes(msgspec.json.encode(document))  # JSON is YAML
    return path


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"chanels": ["email"]}, "chanels"),
        ({"channels": ["fax"]}, "fax"),
        ({"channels": []}, "channels"),
        ({"segments": []}, "segments"),
        ({"segments": ["a", "a"]}, "named twice"),
        ({"segments": [{"segment": "a", "itemz": ["1"]}]}, "itemz"),
        ({"n": 0}, "n"),
        ({"n": 10**9}, "n"),
        ({"tone": "angry"}, "angry"),
        ({"items": ["a", "a"]}, "named twice"),
        ({"name": "../../etc"}, "name"),
    ],
)
def test_a_wrong_campaign_file_is_refused_with_what_is_wrong(
    change: dict[str, Any], quoted: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=quoted):
        load_campaign(write_file(tmp_path / "c.yaml", GOOD | change))


def test_more_units_than_one_file_should_hold_are_refused() -> None:
    many = msgspec.convert(GOOD | {"items": [str(place) for place in range(60_000)]}, Campaign)
    with pytest.raises(InvalidInput, match="120,000 units are more than 100,000"):
        check_campaign(many)


def test_a_thousand_million_units_are_refused_before_any_is_listed() -> None:
    thousand = tuple(f"a{number}" for number in range(1_000))
    huge = Campaign(name="huge", segments=thousand, items=thousand, channels=("push",), languages=thousand)
    with pytest.raises(InvalidInput, match="1,000,000,000 units are more than 100,000"):
        check_campaign(huge)


def test_unreadable_campaign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        load_campaign(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(InvalidInput, match="not YAML"):
        load_campaign(tmp_path / "bad.yaml")


def test_audiences_take_from_the_campaign_what_they_leave_out() -> None:
    document = GOOD | {
        "items": ["i1"],
        "offer": "20% off",
        "tone": "luxury",
        "segments": [
            "a",
            {"segment": "b", "items": ["i2"], "tone": "urgent", "offer": {"text": "a gift", "code": "G"}},
        ],
    }
    first, second = targets(msgspec.convert(document, Campaign))
    assert (first.items, first.offer, first.tone) == (("i1",), "20% off", "luxury")
    assert (second.items, second.offer, second.tone) == (("i2",), Offer(text="a gift", code="G"), "urgent")


def test_the_shipped_demo_campaign_is_three_by_three_by_three() -> None:
    campaign = demo_campaign()
    check_campaign(campaign)
    assert (len(campaign.segments), len(campaign.channels), campaign.n) == (3, 3, 3)
    assert all(target.offer is not None for target in targets(campaign))


def test_a_units_digest_follows_brief_prompt_and_model() -> None:
    brief = unit(1)[0].brief
    digests = {
        unit_digest(brief, "p", "m"),
        unit_digest(brief, "p2", "m"),
        unit_digest(brief, "p", "m2"),
        unit_digest(msgspec.structs.replace(brief, seed=1), "p", "m"),
    }
    assert len(digests) == 4


def test_finished_units_are_found_again_and_the_rest_is_cut_off(tmp_path: Path) -> None:
    (one, rows_one), (two, rows_two) = unit(1), unit(2)
    with Results(tmp_path) as results:
        assert results.resume([one.digest, two.digest]) == ({}, 0)
        results.add(rows_one)
        results.add(rows_two)
    whole = (tmp_path / "variants.jsonl").read_bytes()
    for cut in [0, 1, *range(100, len(whole), 373), len(whole) - 1]:
        (tmp_path / "variants.jsonl").write_bytes(whole[:cut])
        with Results(tmp_path) as results:
            kept, moved = results.resume([one.digest, two.digest])
            assert moved == 0
            for made, rows in ((one, rows_one), (two, rows_two)):
                if made.digest not in kept:
                    results.add(rows)
        assert (tmp_path / "variants.jsonl").read_bytes() == whole, f"cut at byte {cut}"


def test_units_nobody_wants_any_more_are_set_aside_and_not_lost(tmp_path: Path) -> None:
    (one, rows_one), (two, rows_two) = unit(1), unit(2)
    with Results(tmp_path) as results:
        results.resume([one.digest, two.digest])
        results.add(rows_one)
        results.add(rows_two)
    with Results(tmp_path) as results:
        kept, moved = results.resume([two.digest])
    assert (list(kept), moved) == ([two.digest], 2)
    assert list(whole_units((tmp_path / "variants.jsonl").read_bytes())) == [two.digest]
    assert list(whole_units((tmp_path / "superseded.jsonl").read_bytes())) == [one.digest]


def test_foreign_lines_are_left_out(tmp_path: Path) -> None:
    _, rows = unit(1)
    line = msgspec.json.encode(rows[0])
    assert whole_units(b"\n\xff\xfe\n{}\n" + line + b"\n") == {}
    assert list(whole_units(b"garbage\n" + line + b"\n" + msgspec.json.encode(rows[1]))) == [rows[0].unit]


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with Results(tmp_path), pytest.raises(Conflict, match="another run"), Results(tmp_path):
        pass
    with Results(tmp_path):
        pass


def test_a_folder_that_fills_up_keeps_what_is_finished_and_says_so(tmp_path: Path) -> None:
    (one, rows_one), (two, rows_two) = unit(1), unit(2)
    size = len(b"".join(msgspec.json.encode(row) + b"\n" for row in rows_one))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, unlimited[1]))
    try:
        with Results(tmp_path) as results:
            results.resume([])
            results.add(rows_one)
            with pytest.raises(DependencyError, match=r"File too large.*make room, and run it again"):
                results.add(rows_two)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    with Results(tmp_path) as results:
        kept, _ = results.resume([one.digest, two.digest])
        assert list(kept) == [one.digest]
        results.add(rows_two)
    assert list(whole_units((tmp_path / "variants.jsonl").read_bytes())) == [one.digest, two.digest]


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(InvalidInput, match="is a file"), Results(tmp_path / "out"):
        pass


def test_a_killed_run_leaves_whole_units_and_no_lock(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from tests.service.units import unit
        from service.campaigns.results import Results
        with Results(Path(sys.argv[1])) as results:
            results.resume([])
            results.add(unit(1)[1])
            results._file.write(b'{"custom_id": "all/i2/sms", "unit": "half')
            results._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == -9
    (one, rows_one), (two, rows_two) = unit(1), unit(2)
    with Results(tmp_path) as results:
        kept, _ = results.resume([one.digest, two.digest])
        assert list(kept) == [one.digest]
        results.add(rows_two)
    assert list(whole_units((tmp_path / "variants.jsonl").read_bytes())) == [one.digest, two.digest]
    assert rows_one[0].custom_id == "all/i1/sms"
