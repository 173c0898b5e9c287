"""vLLM's own offline batch, run by the Python of a venv that has vLLM: `python -P offline.py JOB RESULT`.

The job is JSON: `engine`, what `vllm.LLM` takes, and `batches`, each a list of asks that are given all at
once. The result says of each batch the `seconds`, the `tokens` that were written, and of the tokens of its
prompts (`queries`) how many the prefix cache knew (`hits`); it is emptied before each. This file imports
nothing of this project.
"""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def run(job: dict[str, Any]) -> list[dict[str, float]]:
    """Load the model, and answer batch after batch."""
    vllm: Any = import_module("vllm")
    sampling: Any = import_module("vllm.sampling_params")
    llm = vllm.LLM(**job["engine"], disable_log_stats=False)

    def params(ask: dict[str, Any]) -> Any:
        # What an ask leaves open the model's own settings decide, as in vLLM's server.
        chosen = llm.get_default_sampling_params()
        chosen.max_tokens, chosen.temperature, chosen.seed = (
            ask["max_tokens"],
            ask["temperature"],
            ask["seed"],
        )
        if ask["schema"]:
            chosen.structured_outputs = sampling.StructuredOutputsParams(json=ask["schema"])
        return chosen

    def count(name: str) -> float:
        return sum(each.value for each in llm.get_metrics() if each.name == f"vllm:prefix_cache_{name}")

    done: list[dict[str, float]] = []
    for asks in job["batches"]:
        llm.reset_prefix_cache()
        before = {name: count(name) for name in ("hits", "queries")}
        wanted = [params(ask) for ask in asks]
        begun = time.perf_counter()
        answers = llm.chat([ask["messages"] for ask in asks], wanted, use_tqdm=False)
        seconds = time.perf_counter() - begun
        tokens = sum(len(answer.outputs[0].token_ids) for answer in answers)
        known = {name: count(name) - value for name, value in before.items()}
        done.append({"seconds": seconds, "tokens": tokens, **known})
    return done


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run(json.loads(Path(sys.argv[1]).read_text()))))
