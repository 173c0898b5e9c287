"""What the embedded model writes today, held against what it wrote when the result was committed.

Briefs and seeds are the same, so only what changed in weights, decoding, prompts, checks or scorers shows. A
figure fails when its whole paired interval lies below zero: other briefs would not explain the drop.
"""

from pathlib import Path

from eval.comparison import compare
from eval.result import read_result
from service.evaluations.suite_runs import evaluate_suite
from service.runtime import open_runtime
from service.settings import Settings

EVAL = Path(__file__).resolve().parents[2] / "eval"
ANEW = "if that is meant, `make eval-baseline` writes the committed result anew"


async def test_what_the_embedded_model_writes_has_not_become_worse(tmp_path: Path) -> None:
    committed = read_result(EVAL / "results" / "regression.json")
    async with open_runtime(Settings(data_dir=str(tmp_path))) as runtime:
        run = await evaluate_suite(runtime, EVAL / "suites" / "regression.yaml", keep_answers=False)
    now = run.result
    assert now.suite_digest == committed.suite_digest, f"the suite was changed: {ANEW}"
    assert now.met, [entry for entry in now.figures if entry.met is False]
    comparison = compare((committed, committed.candidates[0]), (now, now.candidates[0]))
    assert comparison.worse == (), ANEW
    assert (comparison.only_before, comparison.only_after) == (0, 0)
    assert comparison.not_compared == (), f"other figures are measured now: {ANEW}"
    assert {entry.pairs for entry in comparison.differences} >= {24}
