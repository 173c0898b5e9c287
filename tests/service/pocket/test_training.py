"""Training: batches that go on from anywhere, orthogonal updates, a schedule that can be resumed."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import transformers
from safetensors.torch import load_file

from service.llm.load import POCKET_FOLDER
from service.llm.pocket.batches import Position, read_batches
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.muon import Muon, orthogonalise
from service.llm.pocket.recipe import Recipe
from service.llm.pocket.training import Progress, learning_rate, read_progress, train
from service.llm.pocket.vocabulary import CHAT_TEMPLATE, fixed_pieces

SMALL = Recipe(tokens=4000, seed=2, width=32, layers=1, vocabulary=900, batch_tokens=256)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return transformers.PreTrainedTokenizerFast.from_pretrained(POCKET_FOLDER)


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train tokenizers on little: these tests are about the training."""
    monkeypatch.setattr("service.llm.pocket.vocabulary.SAMPLES", 300)


def test_every_fixed_piece_is_one_token_and_text_survives_the_tokenizer(tokenizer: Any) -> None:
    assert len(tokenizer) <= Recipe().vocabulary
    for piece in fixed_pieces():
        assert len(tokenizer(piece)["input_ids"]) == 1, piece
    for text in (
        "Grünwald & Co. {{product}}",
        '{"title": "a\\n\\nb", "body": "Né 24-hour £"}',
        "日本 emoji 🙂",
    ):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.chat_template == CHAT_TEMPLATE


def test_batches_go_on_from_any_place_in_the_data(tokenizer: Any) -> None:
    recipe = msgspec.structs.replace(SMALL, seed=3, batch_tokens=400)
    whole = read_batches(tokenizer, recipe, Position())
    first = [next(whole) for _ in range(5)]
    again = read_batches(tokenizer, recipe, first[2].after)
    assert torch.equal(next(again).ids, first[3].ids)
    assert torch.equal(next(again).targets, first[4].targets)


def test_a_batch_learns_from_the_answers_alone(tokenizer: Any) -> None:
    batch = next(read_batches(tokenizer, msgspec.structs.replace(SMALL, seed=4), Position()))
    flat = batch.ids.flatten()
    assert torch.equal(flat[batch.places + 1], batch.targets)
    learnt = tokenizer.decode(batch.targets.tolist())
    assert "channel:" not in learnt
    assert "{{product}}" in learnt
    assert set(batch.weights.tolist()) == {1.0, SMALL.phrase_weight}


def test_a_curriculum_begins_with_short_channels(tokenizer: Any) -> None:
    recipe = msgspec.structs.replace(SMALL, tokens=3_000_000, curriculum=True)
    first = next(read_batches(tokenizer, recipe, Position()))
    text = "".join(tokenizer.batch_decode(first.ids))
    assert "channel: email" not in text
    assert "channel: search" not in text


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 20), (2, 20, 6)])
def test_updates_are_made_orthogonal(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    made = orthogonalise(torch.randn(shape))
    assert made.shape == shape
    singular = torch.linalg.svdvals(made)
    assert bool((singular > 0.3).all())
    assert bool((singular < 1.3).all())


def test_the_optimiser_finds_a_matrix() -> None:
    torch.manual_seed(1)
    wanted, weight = torch.randn(8, 12), torch.nn.Parameter(torch.zeros(8, 12))
    optimiser = Muon([weight], lr=0.1, weight_decay=0.0)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimiser.zero_grad()
        loss: Any = ((weight - wanted) ** 2).mean()
        loss.backward()
        optimiser.step()
    found = weight.detach()
    assert float(((found - wanted) ** 2).mean()) < 0.05 * float((wanted**2).mean())


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize("optimiser", ["muon", pytest.param("adamw", marks=pytest.mark.slow)])
def test_training_resumed_equals_training_in_one_go(optimiser: Any, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(SMALL, optimiser=optimiser)
    steps: list[Progress] = []
    whole = train(tmp_path / "whole", recipe, threads=1, on_step=steps.append)
    assert whole.step > 2
    train(tmp_path / "parts", recipe, threads=1, stop_after_steps=2)
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    parts = train(tmp_path / "parts", recipe, threads=1, resume=True)
    assert (parts.step, parts.tokens, parts.position) == (whole.step, whole.tokens, whole.position)
    assert parts.loss == whole.loss
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not list(tmp_path.rglob("*.p*kl"))
    assert (tmp_path / "whole" / "loss.png").read_bytes().startswith(b"\x89PNG")
    kept = msgspec.json.decode((tmp_path / "whole" / "training.json").read_bytes(), type=Progress)
    assert kept.recipe == recipe
    assert kept.curve


@pytest.mark.usefixtures("few_samples")
def test_the_same_seed_and_steps_give_the_same_losses(tmp_path: Path) -> None:
    seen: dict[str, list[float | None]] = {"one": [], "two": []}
    for name, losses in seen.items():
        train(tmp_path / name, SMALL, threads=1, on_step=lambda done, kept=losses: kept.append(done.loss))
    assert seen["one"] == seen["two"]
    assert len(seen["one"]) > 2


@pytest.mark.slow
@pytest.mark.usefixtures("few_samples")
def test_training_goes_on_from_a_model_with_another_stream(tmp_path: Path) -> None:
    first = train(tmp_path / "first", msgspec.structs.replace(SMALL, tokens=8000), threads=1)
    steps: list[Progress] = []
    more = msgspec.structs.replace(SMALL, seed=3, width=64, vocabulary=800)
    train(tmp_path / "more", more, base=tmp_path / "first", threads=1, on_step=steps.append)
    began, done = steps[0], steps[-1]
    assert began.loss is not None
    assert first.loss is not None
    assert began.loss < first.loss + 0.3  # from nothing it is log(900), 6.8 nats
    assert done.position.chunk == 0  # a stream of its own, from its beginning
    kept = read_progress(tmp_path / "more")
    assert kept.before == read_progress(tmp_path / "first")
    assert (kept.recipe.width, kept.recipe.vocabulary) == (SMALL.width, SMALL.vocabulary)
    weights = (tmp_path / "first" / "model.safetensors").read_bytes()
    assert kept.recipe.base == hashlib.sha256(weights).hexdigest()
    assert kept.lexicon == load_lexicon().digest


def test_the_learning_rate_warms_up_holds_and_falls() -> None:
    def rate(step: int, tokens: int) -> float:
        return learning_rate(Progress(recipe=Recipe(tokens=1_000_000), step=step, tokens=tokens))

    assert rate(0, 0) < rate(50, 100_000) < rate(200, 500_000)
    assert rate(200, 500_000) == rate(300, 550_000)
    assert rate(900, 999_000) < 0.05 * rate(300, 550_000)
    longer = Recipe(tokens=1_000_000, peak_rate=1e-3, decay_share=0.8)
    assert learning_rate(Progress(recipe=longer, step=200, tokens=200_000)) == 1e-3
    assert learning_rate(Progress(recipe=longer, step=200, tokens=600_000)) == pytest.approx(0.5e-3)
