from pathlib import Path
from typing import Any

import msgspec
import pytest

from eval.asking import expand, key
from eval.errors import SuiteError
from eval.figures import figure
from eval.harness import judged
from eval.suite import digest, load_suite, parse_suite

GRID: dict[str, Any] = {
    "products": [{"id": "a", "title": "Trowel"}, {"id": "b", "title": "Kettle"}],
    "audiences": [{"name": "gardeners", "interest": "gardening"}, {"name": "cooks", "interest": "cooking"}],
    "channels": ["email", "push"],
    "offers": [{"text": "20% off"}, {"text": "a free gift"}],
}
SUITE: dict[str, Any] = {"name": "small", "version": 1, "n": 2, "seed": 5, "grid": GRID}


def test_a_grid_meets_every_product_with_every_audience_on_every_channel() -> None:
    briefs = expand(parse_suite(SUITE))
    asked = {(b.product.id, b.audience.name, b.channel) for b in briefs}
    assert len(briefs) == len(asked) == 8
    assert len({brief.seed for brief in briefs}) == 8
    assert {brief.n for brief in briefs} == {2}


def test_briefs_of_one_product_differ_in_audience_alone() -> None:
    briefs = expand(parse_suite(SUITE))
    assert {(b.product.id, b.offer.text if b.offer else "") for b in briefs} == {
        ("a", "20% off"),
        ("b", "a free gift"),
    }


def test_a_brief_keeps_its_key_under_another_seed_and_number_of_variants() -> None:
    several = expand(parse_suite(SUITE | {"seed": [5, 6], "n": 3}))
    assert [key(brief) for brief in expand(parse_suite(SUITE))] * 2 == [key(brief) for brief in several]
    assert len({key(brief) for brief in several}) == 8
    assert len({brief.seed for brief in several}) == 16


def test_the_digest_follows_the_content() -> None:
    suite = parse_suite(SUITE)
    assert digest(suite) == digest(parse_suite(dict(SUITE)))
    assert digest(suite) != digest(msgspec.structs.replace(suite, seed=6))


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"thresholdz": {}}, "thresholdz"),
        ({"grid": {**GRID, "channels": ["fax"]}}, "fax"),
        ({"grid": {**GRID, "products": []}}, "products"),
        ({"n": 0}, "n"),
        ({"n": 21}, "n"),
        ({"n": "two"}, "n"),
        ({"grid": None}, "exactly one"),
        ({"briefs": [{"channel": "sms"}]}, "product"),
        ({"thresholds": {"checks.passed": {"at_least": 0.9, "at_most": 1}}}, "at_least or at_most"),
        ({"thresholds": {"checks.passed": {}}}, "at_least or at_most"),
        ({"scorers": {"niceness": {}}}, "unknown scorer 'niceness'; known are checks"),
        ({"scorers": {"checks": {"at_least": 1, "at_most": 2}}}, "at_least or at_most"),
        ({"scorers": {"checks": {"better": "lower", "at_least": 1}}}, "better lower has at_most"),
        ({"thresholds": {"checks.passed": {"at_least": float("nan")}}}, "finite"),
        ({"scorers": {"checks": {"at_most": float("inf")}}}, "finite"),
        ({"limits": {"seconds": float("nan")}}, "seconds"),
        ({"engine": ["pocket", "pocket"]}, "engine 'pocket' is given twice"),
        ({"engine": []}, "engine"),
        ({"engine": "gpt"}, "gpt"),
        ({"engine": {"name": "mine"}}, "url"),
        ({"engine": {"name": "mine", "url": "http://x", "api_key_variable": "AWS_SECRET"}}, "_EVAL_KEY"),
        ({"seed": [1, 1]}, "seed '1' is given twice"),
        ({"seed": []}, "seed"),
        ({"repeats": 0}, "repeats"),
        ({"limits": {"tokens": 0}}, "tokens"),
        ({"limits": {"euros": 5}}, "euros"),
        ({"prompts": [{"name": "a"}, {"name": "a"}]}, "set of prompts 'a' is given twice"),
        ({"data": {"folder": ".", "mapping": "m.yaml", "items": 3}}, "audiences"),
        ({"grid": {**GRID, "tones": []}}, "tones"),
    ],
)
def test_a_wrong_suite_is_refused_with_the_place(change: dict[str, Any], quoted: str) -> None:
    with pytest.raises(SuiteError, match=quoted):
        parse_suite(SUITE | change)


def test_files_that_are_no_suite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="does not exist"):
        load_suite(tmp_path / "missing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [unclosed", encoding="utf-8")
    with pytest.raises(SuiteError, match="not YAML"):
        load_suite(broken)
    broken.write_bytes(b"name: \xff\xfe")
    with pytest.raises(SuiteError, match="cannot be read"):
        load_suite(broken)


def test_a_threshold_on_what_is_not_measured_is_refused() -> None:
    suite = parse_suite(SUITE | {"thresholds": {"checks.pased": {"at_least": 0.9}}})
    with pytest.raises(SuiteError, match=r"'checks.pased'.*measured were checks.passed"):
        judged([figure("checks.passed", 1.0)], suite)


def test_thresholds_are_held_in_both_directions() -> None:
    thresholds = {"up": {"at_least": 0.5}, "down": {"at_most": 0.5}}
    suite = parse_suite(SUITE | {"thresholds": thresholds})
    up, down, free = judged([figure("up", 0.4), figure("down", 0.4), figure("free", 0.1)], suite)
    assert (up.met, up.goal) == (False, ">= 0.5")
    assert (down.met, down.goal) == (True, "<= 0.5")
    assert free.met is None
