import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from eval.answers import Answers
from eval.asking import expand
from eval.errors import ResultError
from eval.harness import Candidate, run_candidate
from eval.html.page import render
from eval.junit import as_junit
from eval.report import as_markdown, extremes, report
from eval.result import SuiteResult, SuiteRun, encode_result, origin, read_result, read_samples
from eval.suite import digest
from eval.suite_page import run_page
from prompts.catalog import Catalog
from prompts.engine import Ask
from tests.eval.scripted import GRID, ScriptedEngine, good, suite
from tests.indexing.plain_embedder import PlainEmbedder

EVIL = "<script>alert(1)</script>"


def reply(ask: Ask) -> str:
    """Good copy, hostile copy, and an answer of 100 kB that is no JSON."""
    if "Copper Can 1" in str(ask.messages):
        return json.dumps({"title": f"Copper Can 1 {EVIL}", "body": f"Copper Can 1 \u0007 {ask.seed}"})
    return "lorem " * 17_000 if "Copper Can 2" in str(ask.messages) else good(ask)


async def written() -> SuiteRun:
    products = [*GRID["products"], {"id": "long", "title": "\x0b<b>" * 100}]
    audiences = [GRID["audiences"][0], {"name": EVIL, "interest": "cooking"}]
    asked = suite(
        grid=GRID | {"products": products, "audiences": audiences},
        scorers={"checks": {"at_least": 0.99}, "audience": {}},
    )
    candidate = Candidate(name="scripted", engine=ScriptedEngine(reply), catalog=Catalog.load())
    result, samples = await run_candidate(asked, expand(asked), candidate, PlainEmbedder(), Answers(None))
    made = origin("2026-11-26T09:00:00+00:00", 1.0, "plain@1", {"items.csv": "d1"}, ("5 of 9 drawn",))
    return SuiteRun(
        result=SuiteResult(suite=asked, suite_digest=digest(asked), origin=made, candidates=(result,)),
        samples=samples,
    )


@pytest.fixture(scope="module")
def done() -> SuiteRun:
    return asyncio.run(written())


def test_a_result_reads_back_and_says_where_it_comes_from(done: SuiteRun, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(encode_result(done.result))
    assert read_result(tmp_path) == read_result(tmp_path / "result.json") == done.result
    assert read_samples(tmp_path) == ()
    assert done.result.origin.data == {"items.csv": "d1"}
    summary = report(done, command="eval run small.yaml", seconds=1.0)
    assert summary.data["suite"].startswith("small.v1@")
    assert summary.data["data items.csv"] == "d1"
    for damage in (b"{}", b"[", b"\xff"):
        (tmp_path / "result.json").write_bytes(damage)
        with pytest.raises(ResultError, match="is no result of format 1"):
            read_result(tmp_path)
    with pytest.raises(ResultError, match="no result at"):
        read_result(tmp_path / "elsewhere")


def test_ci_sees_the_missed_goals_and_what_was_set_aside(done: SuiteRun) -> None:
    root = ElementTree.fromstring(as_junit(done.result))  # noqa: S314 -- written here
    (cases,) = root
    assert (cases.get("tests"), cases.get("failures"), cases.get("skipped")) == ("5", "2", "2")
    failures = {case.get("name"): case.find("failure") for case in cases if case.find("failure") is not None}
    assert failures.keys() == {"scores.checks", "samples.set_aside"}
    missed = failures["samples.set_aside"]
    assert missed is not None
    assert missed.get("message") == "samples.set_aside is 2, goal <= 0"
    assert "\ufffd<b>" in str([case.get("name") for case in cases])


def test_the_page_shows_hostile_copy_as_text_and_everything_that_was_set_aside(done: SuiteRun) -> None:
    drawn = render(run_page(done))
    assert EVIL not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn
    assert "2 of 3 goals missed" in drawn
    assert "product.title has 400 characters" in drawn
    assert "more characters)" in drawn
    assert "Do the odds of the headline score hold?" not in drawn  # this suite names its scorers
    for group in ("gardeners", "&lt;script&gt;alert(1)&lt;/script&gt;", "push"):
        assert f'title="{group}"' in drawn


def test_markdown_says_what_was_set_aside_and_shows_the_worst(done: SuiteRun) -> None:
    text = as_markdown(done, report(done, command="eval run", seconds=1.0))
    assert "## Set aside" in text
    assert text.index("product.title has 400") < text.index("## Best")
    best, worst = extremes(done.samples, 3)
    assert {variant.status for _, variant in best} == {"passed"}
    assert {variant.status for _, variant in worst} == {"malformed"}
    assert not {id(variant) for _, variant in best} & {id(variant) for _, variant in worst}
