"""The labelled suite holds the checks to their figures, and itself to its size and breadth."""

import json
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from eval.errors import SuiteError
from eval.guardrails import Judged, judge, load_labelled, measure_guardrails, mistakes
from prompts.channels import CHANNELS
from prompts.checks.rules import RULES
from service.cli import invoke

SUITE = Path(__file__).resolve().parents[1] / "guardrails"
FEWEST_PER_RULE = 5


@pytest.fixture(scope="module")
def judged() -> tuple[Judged, ...]:
    return judge(load_labelled(SUITE))


def test_hard_rules_miss_nothing_and_are_precise(judged: tuple[Judged, ...]) -> None:
    figures = {figure.name: figure for figure in measure_guardrails(judged)}
    assert [figure.name for figure in figures.values() if figure.met is False] == []
    assert figures["guardrails.hard.recall"].value == 1
    assert figures["guardrails.hard.precision"].value >= 0.98
    assert figures["guardrails.clean.passed"].value >= 0.98


def test_no_soft_rule_misses_its_copies(judged: tuple[Judged, ...]) -> None:
    missed = [text for text in mistakes(judged) if text.endswith("missed")]
    assert missed == []


def test_the_suite_is_large_and_covers_every_rule_and_channel(judged: tuple[Judged, ...]) -> None:
    violating = [entry.copy for entry in judged if entry.copy.breaks]
    clean = [entry.copy for entry in judged if not entry.copy.breaks]
    assert len(violating) >= 300
    assert len(clean) >= 300
    for side in (violating, clean):
        assert {copy.brief.channel for copy in side} == set(CHANNELS)
    per_rule = Counter(rule for copy in violating for rule in copy.breaks)
    assert [rule.id for rule in RULES if per_rule[rule.id] < FEWEST_PER_RULE] == []


def test_no_copy_stands_in_the_suite_twice(judged: tuple[Judged, ...]) -> None:
    seen = Counter(msgspec.json.encode((entry.copy.brief, entry.copy.fields)) for entry in judged)
    assert [
        entry.copy.name
        for entry in judged
        if seen[msgspec.json.encode((entry.copy.brief, entry.copy.fields))] > 1
    ] == []


def test_every_finding_has_a_reason_and_a_span_in_its_text(judged: tuple[Judged, ...]) -> None:
    for entry in judged:
        for finding in (finding for check in entry.checks for finding in check.findings):
            assert finding.reason
            if finding.field is not None and finding.span is not None:
                name, _, place = finding.field.partition("[")
                value = entry.copy.fields[name]
                text = value if isinstance(value, str) else value[int(place.rstrip("]"))]
                assert 0 <= finding.span[0] <= finding.span[1] <= len(text)


def test_the_command_prints_figures_and_ends_with_1_when_a_goal_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["eval", "guardrails", str(SUITE), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {figure["name"] for figure in printed["figures"]} >= {
        f"guardrails.{rule.id}.recall" for rule in RULES
    }
    worse = tmp_path / "worse"
    shutil.copytree(SUITE, worse)
    (worse / "violating" / "wrong.yaml").write_text(
        '- {breaks: [invented.price], cases: [[kettle/push, {title: "No price here"}]]}\n'
    )
    assert invoke(["eval", "guardrails", str(worse)]) == 1
    told = capsys.readouterr().err
    assert "violating/wrong 1.1: invented.price missed" in told


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "violating/x.yaml",
            "- {breaks: [no.rule], cases: [[kettle/push, {title: Hello}]]}",
            "no rule 'no.rule'",
        ),
        ("violating/x.yaml", "- {cases: [[kettle/push, {title: Hello}]]}", "violating copy breaks a rule"),
        ("clean/x.yaml", "- {breaks: [claims.proof], cases: [[kettle/push, {title: A}]]}", "clean copy none"),
        ("clean/x.yaml", "- {cases: [[kettle/fax, {title: Hello}]]}", "no copy 'kettle/fax'"),
        ("clean/x.yaml", "- {cases: [[kettle/push, {headline: Hello}]]}", "changes 'headline'"),
        ("clean/x.yaml", "- {cases: [[kettle/search, {headlines.9: Hello}]]}", "texts 0 to 3"),
        ("clean/x.yaml", "- {cases: [[kettle/push, {title: [a]}]]}", "changes 'title'"),
        ("clean/x.yaml", "- {case: []}", "unknown field"),
        ("clean/x.yaml", "- [", "is not YAML"),
        ("copy.yaml", "urn: {push: {title: a, body: b}}", "no brief 'urn'"),
        ("copy.yaml", "kettle: {fax: {title: a, body: b}}", "unknown channel 'fax'"),
        ("briefs.yaml", "kettle: {product: {id: 1}}", "briefs.yaml: kettle"),
    ],
)
def test_a_suite_with_a_mistake_is_refused_by_name(tmp_path: Path, file: str, text: str, said: str) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(SUITE, suite)
    (suite / file).write_text(text)
    with pytest.raises(SuiteError, match=said.replace("[", r"\[")):
        load_labelled(suite)


def test_a_folder_that_is_no_suite_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["eval", "guardrails", str(tmp_path)]) == 2
    assert "briefs.yaml does not exist" in capsys.readouterr().err
