"""Preference tuning: the model's own answers that nothing is wrong with, against those that fail a check."""

import asyncio
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.nn.functional as functional
import transformers

from prompts.brief import Brief, RewriteRequest
from prompts.catalog import Catalog
from prompts.channels import find_channel
from prompts.engine import Ask
from prompts.interests import ANYONE
from prompts.render import render
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.judging import judge, read_fields, shortened
from service.llm.pocket.network import save_model
from service.llm.pocket.sketch import Sketch, draw_sketch, dump_fields, sketch_of
from service.llm.transformers_engine import TransformersEngine

_functional: Any = functional
_torch: Any = torch
_transformers: Any = transformers

SHORTENED = 0.15
"""The share of briefs that ask for a draft to be made shorter."""
SAMPLES = 6
"""Answers drawn per brief."""
TEMPERATURE = 1.0
BETA = 0.1
"""How strongly the tuned model is held to the one it began as."""
LIKELIHOOD = 0.2
"""Weight of the chosen answers' own likelihood, lest both of a pair become unlikely."""
RATE = 1e-4
PASSES = 2
"""How often each pair is learnt from."""
PAIRS_A_STEP = 16
SHARE = 0.5
"""How far the weights go from where they began to where tuning took them."""


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers to one prompt."""

    prompt: str
    chosen: str
    rejected: str


def brief_of_lengths(sketch: Sketch) -> Brief:
    """Ask what a sketch asks, with facts that are nothing but as long as it says.

    A benefit that no brief asks for (`prompts.slots.fact_slots`) is not asked for here.
    """

    def fact(slot: str) -> str | None:
        return ("Xx" * sketch.lengths[slot])[: sketch.lengths[slot]] if slot in sketch.lengths else None

    link = sketch.lengths.get("link")
    values: dict[str, Any] = {
        "channel": sketch.channel,
        "product": {
            "id": "1",
            "title": fact("product"),
            "kind": sketch.kind,
            "benefits": [fact(slot) for slot in sketch.benefits()],
            "link": "https://" + "x" * (link - 10) + ".y" if link else None,
        },
        "audience": {
            "name": sketch.audience,
            "interest": None if sketch.audience == ANYONE else sketch.audience,
            "stage": sketch.stage,
        },
        "offer": {"text": fact("offer"), "ends": fact("ends")} if "offer" in sketch.lengths else None,
        "tone": sketch.tone,
        "goal": sketch.goal,
        "personalise": sketch.name,
    }
    return msgspec.convert(values, Brief)


def draw_brief(rng: random.Random) -> Brief:
    """Draw what could be asked in training: a text, or now and then a draft of the grammar made shorter."""
    sketch = draw_sketch(rng)
    brief = brief_of_lengths(sketch)
    if rng.random() >= SHORTENED or (draft := write_answer(rng, sketch_of(brief))) is None:
        return brief
    _, fields = read_fields(brief, dump_fields(draft))
    assert fields is not None  # noqa: S101 -- the grammar writes the channel's JSON and given slots alone
    return msgspec.structs.replace(brief, rewrite=RewriteRequest(instruction="shorter", fields=fields))


def passes(brief: Brief, text: str) -> bool:
    """Whether nothing is wrong with an answer, and one that was to be shorter is."""
    judged = judge(brief, text)
    obeys = brief.rewrite is None or shortened(brief.rewrite.fields, judged.fields)
    return obeys and all(judged.found.values())


async def draw_preferences(engine: TransformersEngine, briefs: int, seed: int) -> list[Preference]:
    """Let the model answer briefs of trained combinations several times; pair what passes with what fails.

    A pair a brief at most; briefs of which all answers pass, or none, give no pair. Held-out facts and
    combinations play no part.
    """
    rng = random.Random(f"preferences:{seed}")  # noqa: S311  a seeded stream, nothing secret
    asked = [draw_brief(rng) for _ in range(briefs)]
    catalog = Catalog.load()
    messages = [render(catalog.get(brief.channel, "pocket"), brief) for brief in asked]
    asks = [
        Ask(
            messages=messages[place],
            max_tokens=find_channel(brief.channel).max_tokens,
            temperature=TEMPERATURE,
            top_p=1.0,
            min_p=0.0,
            seed=seed + place * SAMPLES + number,
        )
        for place, brief in enumerate(asked)
        for number in range(SAMPLES)
    ]
    answers = await engine.generate(asks)
    pairs: list[Preference] = []
    for place, brief in enumerate(asked):
        texts = [answer.text for answer in answers[place * SAMPLES : (place + 1) * SAMPLES]]
        good = [text for text in texts if passes(brief, text)]
        bad = [text for text in texts if text not in good]
        if good and bad:
            prompt = messages[place][0].content
            pairs.append(Preference(prompt=prompt, chosen=rng.choice(good), rejected=rng.choice(bad)))
    return pairs


def prefer(
    folder: Path,
    out: Path,
    *,
    briefs: int,
    seed: int,
    share: float = SHARE,
    tell: Callable[[str], None] = lambda _line: None,
) -> int:
    """Tune the model in a folder by direct preference optimisation and write it into `out`; return the pairs.

    With p the tuned model, r the one it began as, c and w the chosen and the rejected answer to a prompt, the
    loss is -log sigmoid(b · (log p(c)/r(c) - log p(w)/r(w))) - a · mean log p(c) per token. Assumes that
    preferences follow Bradley and Terry in one reward. Of the way the weights went, `share` is kept: halfway
    most of what was gained stays, and what tuning spoilt elsewhere comes back (Wortsman et al., "Robust
    fine-tuning of zero-shot models", 2022). Rafailov et al., "Direct preference optimization:
    your language model is secretly a reward model", 2023; the likelihood term of Pang et al., "Iterative
    reasoning preference optimization", 2024. Raises `EngineUnavailable` when there is no model.
    """
    engine = TransformersEngine.open(folder, dialect="pocket", timeout_seconds=3600, queue_limit=1_000_000)

    async def draw() -> list[Preference]:
        try:
            return await draw_preferences(engine, briefs, seed)
        finally:
            await engine.close()

    pairs = asyncio.run(draw())
    tell(f"{len(pairs)} pairs of {briefs} briefs")
    tokenizer = _transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    model = _transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    start = _transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    _torch.manual_seed(seed)
    optimiser: Any = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.0)
    learnt = pairs * PASSES
    for first in range(0, len(learnt) - PAIRS_A_STEP + 1, PAIRS_A_STEP):
        step = learnt[first : first + PAIRS_A_STEP]
        texts = [(one.prompt, one.chosen) for one in step] + [(one.prompt, one.rejected) for one in step]
        ids, places = encode(tokenizer, texts)
        now = log_likelihoods(model, ids, places)
        with torch.inference_mode():
            before = log_likelihoods(start, ids, places)
        gains = (now - before.clone()).view(2, -1)
        lengths = torch.tensor([last - begin for begin, last in places[:PAIRS_A_STEP]])
        likely = (now[:PAIRS_A_STEP] / lengths).mean()
        loss = -_functional.logsigmoid(BETA * (gains[0] - gains[1])).mean() - LIKELIHOOD * likely
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        tell(f"{first + PAIRS_A_STEP} of {len(learnt)}, loss {float(loss.detach()):.4f}")
    begun = start.state_dict()
    model.load_state_dict(
        {name: torch.lerp(begun[name], tuned, share) for name, tuned in model.state_dict().items()}
    )
    save_model(model, tokenizer, out)
    shutil.copy(folder / "training.json", out / "training.json")
    return len(pairs)


def encode(tokenizer: Any, texts: Sequence[tuple[str, str]]) -> tuple[Any, list[tuple[int, int]]]:
    """Return int64[n, longest] right-padded, and where each answer begins and ends, end token included."""
    rows: list[list[int]] = []
    places: list[tuple[int, int]] = []
    for prompt, answer in texts:
        chat = [{"role": "user", "content": prompt}]
        before = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        head = tokenizer(before, add_special_tokens=False)["input_ids"]
        row = [*head, *tokenizer(answer)["input_ids"], tokenizer.eos_token_id]
        rows.append(row)
        places.append((len(head), len(row)))
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids, places


def log_likelihoods(model: Any, ids: Any, places: Sequence[tuple[int, int]]) -> Any:
    """Return float32[n]: the sum of each answer's log-probabilities."""
    scores = torch.log_softmax(model(input_ids=ids, use_cache=False).logits[:, :-1], dim=-1)
    taken = scores.gather(-1, ids[:, 1:, None]).squeeze(-1)
    return torch.stack([taken[row, first - 1 : last - 1].sum() for row, (first, last) in enumerate(places)])
