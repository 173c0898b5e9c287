"""Trains the pocket model by a schedule in tokens, from where a checkpoint left off; on a GPU."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.nn.functional as functional
import transformers
from safetensors import torch as safetensors_torch

from service.llm.pocket.batches import Batch, Position, read_batches
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.muon import Muon
from service.llm.pocket.network import build_network, save_model
from service.llm.pocket.recipe import Recipe
from service.llm.pocket.vocabulary import build_tokenizer

_torch: Any = torch
_transformers: Any = transformers
_safetensors: Any = safetensors_torch
_functional: Any = functional
_optim: Any = torch.optim

WARM_UP_STEPS = 100
CHECKPOINT_STEPS = 200
CURVE_STEPS = 25
"""Steps between two points of the loss curve."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a training is; a checkpoint holds this beside its tensors."""

    recipe: Recipe
    step: int = 0
    tokens: int = 0
    """Tokens seen, padding included."""
    answer_tokens: int = 0
    loss: float | None = None
    """Moving average of the plain loss per answer token, in nats."""
    seconds: float = 0.0
    position: Position = Position()
    curve: tuple[tuple[int, float], ...] = ()
    """Tokens seen and the loss's moving average, every `CURVE_STEPS` steps."""
    lexicon: str = ""
    """sha256 of the phrase files it was taught from, hex."""
    before: "Progress | None" = None
    """The training it went on from."""


def learning_rate(progress: Progress) -> float:
    """Return the rate of the next step: linear warm-up by steps, flat, then linear decay by tokens."""
    warm = min(1.0, (progress.step + 1) / WARM_UP_STEPS)
    total = progress.recipe.tokens
    left = (total - progress.tokens) / (progress.recipe.decay_share * total)
    return progress.recipe.peak_rate * warm * min(1.0, max(0.02, left))


def device() -> Any:
    """Return where to train: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_optimisers(network: Any, recipe: Recipe) -> dict[str, Any]:
    """Return Muon for the hidden matrices and AdamW for embeddings and norms, or AdamW for all."""
    if recipe.optimiser == "adamw":
        every = list(network.parameters())
        return {
            "adamw": _optim.AdamW(
                every, lr=recipe.peak_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
            )
        }
    named = list(network.named_parameters())
    hidden = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    other = [weight for name, weight in named if weight.ndim != 2 or "embed" in name]
    return {
        "muon": Muon(hidden, lr=recipe.peak_rate),
        "adamw": _optim.AdamW(other, lr=recipe.peak_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    }


def _losses(network: Any, batch: Batch) -> tuple[Any, float]:
    """Return the weighted loss over answer tokens to learn from, and the plain mean one to report."""
    place: Any = network.device
    # A processor without bfloat16 emulates it, many times slower: there, everything is float32.
    with torch.autocast(place.type, torch.bfloat16, enabled=place.type == "cuda"):
        states = network.model(input_ids=batch.ids.to(place), use_cache=False).last_hidden_state
        logits = network.lm_head(states.reshape(-1, states.shape[-1])[batch.places.to(place)])
    each = _functional.cross_entropy(logits.float(), batch.targets.to(place), reduction="none")
    weights = batch.weights.to(place)
    return (each * weights).sum() / weights.sum(), float(each.detach().mean())


def save_checkpoint(folder: Path, network: Any, optimisers: dict[str, Any], progress: Progress) -> None:
    """Write weights, optimiser state and place in the data; the old one stands until this is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"network/{name}": value for name, value in network.state_dict().items() if name != "lm_head.weight"
    }
    for kind, optimiser in optimisers.items():
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{kind}/{number}/{name}": value for name, value in state.items()}
    name = f"step-{progress.step}.safetensors"
    _safetensors.save_file(
        {key: value.detach().cpu().contiguous() for key, value in tensors.items()}, folder / name
    )
    fresh = folder / "progress.json.new"
    fresh.write_bytes(msgspec.json.encode(progress))
    fresh.replace(folder / "progress.json")
    for old in folder.glob("step-*.safetensors"):
        if old.name != name:
            old.unlink()


def load_checkpoint(folder: Path, network: Any, optimisers: dict[str, Any]) -> Progress:
    """Read a checkpoint into network and optimisers; return its progress."""
    progress = msgspec.json.decode((folder / "progress.json").read_bytes(), type=Progress)
    tensors = _safetensors.load_file(folder / f"step-{progress.step}.safetensors")
    weights = {
        key.removeprefix("network/"): value for key, value in tensors.items() if key.startswith("network/")
    }
    network.load_state_dict(weights, strict=False)
    network.tie_weights()
    for kind, optimiser in optimisers.items():
        states: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            owner, _, rest = key.partition("/")
            if owner == kind:
                number, _, name = rest.partition("/")
                states.setdefault(int(number), {})[name] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
    return progress


def _start(
    folder: Path, recipe: Recipe, base: Path | None, *, resume: bool
) -> tuple[Any, Any, dict[str, Any], Progress]:
    checkpoint = folder / "checkpoint"
    going_on = resume and (checkpoint / "progress.json").is_file()
    before: Progress | None = None
    if going_on:
        progress = msgspec.json.decode((checkpoint / "progress.json").read_bytes(), type=Progress)
        recipe = progress.recipe
        tokenizer = _transformers.PreTrainedTokenizerFast.from_pretrained(checkpoint)
    elif base:
        before = read_progress(base)
        recipe = msgspec.structs.replace(
            recipe,
            width=before.recipe.width,
            layers=before.recipe.layers,
            vocabulary=before.recipe.vocabulary,
            base=hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest(),
        )
        tokenizer = _transformers.PreTrainedTokenizerFast.from_pretrained(base)
        tokenizer.save_pretrained(checkpoint)
    else:
        tokenizer = build_tokenizer(recipe.seed, recipe.vocabulary)
        checkpoint.mkdir(parents=True, exist_ok=True)
        tokenizer.save_pretrained(checkpoint)
    network = build_network(tokenizer, recipe)
    if base and not going_on:
        network.load_state_dict(_safetensors.load_file(base / "model.safetensors"), strict=False)
        network.tie_weights()
    network = network.to(device())
    optimisers = build_optimisers(network, recipe)
    if going_on:
        return tokenizer, network, optimisers, load_checkpoint(checkpoint, network, optimisers)
    return (
        tokenizer,
        network,
        optimisers,
        Progress(recipe=recipe, lexicon=load_lexicon().digest, before=before),
    )


def read_progress(folder: Path) -> Progress:
    """Read how the model in a folder was trained."""
    return msgspec.json.decode((folder / "training.json").read_bytes(), type=Progress)


def train(
    folder: Path,
    recipe: Recipe,
    *,
    base: Path | None = None,
    resume: bool = False,
    threads: int = 2,
    stop_after_steps: int | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Progress:
    """Train until the recipe's tokens are seen and write the model into `folder`; return how it went.

    With `base`, go on from the model in that folder, with its size and tokenizer; optimisers begin anew.
    With `resume`, go on from the folder's checkpoint by the recipe it was started with. Ending early, by
    `stop_after_steps` or an interrupt, leaves a checkpoint. Same recipe and threads: same losses and weights,
    up to the machine's arithmetic.
    """
    _torch.manual_seed(recipe.seed)
    torch.set_num_threads(threads)
    tokenizer, network, optimisers, progress = _start(folder, recipe, base, resume=resume)
    started, before = time.perf_counter(), progress.seconds
    batches = read_batches(tokenizer, progress.recipe, progress.position)
    last_step = None if stop_after_steps is None else progress.step + stop_after_steps
    try:
        while progress.tokens < progress.recipe.tokens and progress.step != last_step:
            loss = learn(network, optimisers, next_batch := next(batches), learning_rate(progress))
            average = loss if progress.loss is None else 0.97 * progress.loss + 0.03 * loss
            tokens = progress.tokens + next_batch.ids.numel()
            point = ((tokens, round(average, 4)),) if progress.step % CURVE_STEPS == 0 else ()
            progress = msgspec.structs.replace(
                progress,
                step=progress.step + 1,
                tokens=tokens,
                answer_tokens=progress.answer_tokens + len(next_batch.targets),
                loss=average,
                seconds=before + time.perf_counter() - started,
                position=next_batch.after,
                curve=progress.curve + point,
            )
            if on_step:
                on_step(progress)
            if progress.step % CHECKPOINT_STEPS == 0:
                save_checkpoint(folder / "checkpoint", network, optimisers, progress)
    finally:
        save_checkpoint(folder / "checkpoint", network, optimisers, progress)
    if progress.tokens >= progress.recipe.tokens:
        save_model(network, tokenizer, folder)
        (folder / "training.json").write_bytes(msgspec.json.format(msgspec.json.encode(progress), indent=1))
        plot_curve(progress, folder / "loss.png")
    return progress


def plot_curve(progress: Progress, path: Path) -> None:
    """Draw the loss over the tokens seen as a PNG, trainings it went on from included."""
    from matplotlib.figure import Figure

    parts = [progress]
    while (before := parts[0].before) is not None:
        parts.insert(0, before)
    points: list[tuple[float, float]] = []
    seen = 0
    for part in parts:
        points += [((seen + tokens) / 1e6, loss) for tokens, loss in part.curve]
        seen += part.tokens
    drawn: Any = Figure(figsize=(6.4, 3.2), dpi=80, layout="constrained")
    axes = drawn.subplots()
    axes.plot([tokens for tokens, _ in points], [loss for _, loss in points])
    axes.set(xlabel="million tokens seen", ylabel="loss, nats per answer token", yscale="log")
    axes.grid(alpha=0.3)
    drawn.savefig(path)


def learn(network: Any, optimisers: dict[str, Any], batch: Batch, rate: float) -> float:
    """Take one step on a batch at a learning rate; return the plain loss."""
    loss, plain = _losses(network, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return plain
