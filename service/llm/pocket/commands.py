"""The embedded model's commands."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from service.llm.pocket.recipe import Optimiser, Recipe

if TYPE_CHECKING:
    from eval.figures import Figures

MODEL_FOLDER = Path(__file__).parent / "model"
DEFAULT = Recipe()
CARD_SEED = 27
"""Of the briefs whose figures stand in the model's card."""
SPEED_ASKS = 256
"""Asked when speed is measured: places that empty while the last answers end are then a small part of it."""
SPEED_TOKENS = 300
"""Room for an answer when speed is measured: the server has 512 positions for prompt and answer together."""

_model = click.option(
    "--model", type=click.Path(path_type=Path), default=MODEL_FOLDER, help="Folder of the model."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")


@click.group()
def main() -> None:
    """Train the embedded pocket model, measure it, and show what it writes."""


@main.command()
@click.option("--tokens", default=DEFAULT.tokens, show_default=True, help="Tokens to see, padding included.")
@click.option(
    "--seed", default=DEFAULT.seed, show_default=True, help="Decides data, tokenizer and first weights."
)
@click.option("--threads", default=2, show_default=True, help="Processor threads.")
@click.option(
    "--width", default=DEFAULT.width, show_default=True, help="Width of the network, of 32 each head."
)
@click.option("--layers", default=DEFAULT.layers, show_default=True, help="Layers of the network.")
@click.option("--vocabulary", default=DEFAULT.vocabulary, show_default=True, help="Tokens of the vocabulary.")
@click.option(
    "--optimiser",
    type=click.Choice(get_args(Optimiser)),
    default=DEFAULT.optimiser,
    show_default=True,
    help="What the hidden matrices learn by.",
)
@click.option(
    "--phrase-weight",
    default=DEFAULT.phrase_weight,
    show_default=True,
    help="Weight of an interest's and a kind's phrases.",
)
@click.option(
    "--peak-rate", default=DEFAULT.peak_rate, show_default=True, help="Learning rate before it decays."
)
@click.option(
    "--decay-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=DEFAULT.decay_share,
    show_default=True,
    help="Last share of the tokens, over which the rate decays.",
)
@click.option("--curriculum", is_flag=True, help="Begin with short channels only.")
@click.option(
    "--from",
    "base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a model to go on from, with its size and tokenizer; another seed is another stream.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in OUT, by the recipe it began with.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoint and model."
)
def train(
    base: Path | None, resume: bool, out: Path, threads: int, **choices: int | float | str | bool
) -> None:
    r"""Train on the generated corpus; an hour or so on two cores, or on a GPU.

    Interrupted, it leaves a checkpoint to go on from with --resume. It writes weights, tokenizer,
    training.json and loss.png into OUT.

    \b
    Examples:
      python -m service.llm.pocket train --tokens 14000000 --seed 1 --out var/pocket
      python -m service.llm.pocket train --from var/pocket --tokens 10000000 --seed 2 --out var/longer
    """
    import msgspec
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from service.llm.pocket import training

    if base is not None and not (base / "training.json").is_file():
        raise click.BadParameter(
            f"{str(base)!r} holds no training.json: name a folder that `train` wrote", param_hint="--from"
        )
    recipe = msgspec.convert(choices, Recipe)
    columns = (
        "{task.description}",
        BarColumn(),
        "{task.percentage:>3.0f}%",
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("training", total=recipe.tokens, state="")

        def show(progress: training.Progress) -> None:
            rate = progress.tokens / max(progress.seconds, 1e-9)
            state = f"step {progress.step}, loss {progress.loss:.4f}, {rate:.0f} tokens/s"
            bar.update(task, completed=progress.tokens, total=progress.recipe.tokens, state=state)
            if not bar.console.is_terminal and progress.step % 100 == 0:
                bar.console.print(f"{progress.tokens} of {progress.recipe.tokens} tokens, {state}")

        try:
            done = training.train(out, recipe, base=base, resume=resume, threads=threads, on_step=show)
        except KeyboardInterrupt:
            bar.stop()
            click.echo(
                f"stopped; go on with: python -m service.llm.pocket train --resume --out {out}", err=True
            )
            raise SystemExit(130) from None
    went = f"{done.step} steps, {done.tokens} tokens, {done.seconds / 60:.1f} minutes, loss {done.loss:.4f}"
    click.echo(f"{went}: {out}")


@main.command()
@click.option("--briefs", default=2000, show_default=True, help="Briefs answered several times each.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="How far the weights go from where they began to where tuning took them.",
)
@click.option("--seed", default=1, show_default=True, help="Decides the briefs and the sampling.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the tuned model.")
@_model
def prefer(briefs: int, share: float, seed: int, out: Path, model: Path) -> None:
    r"""Tune the model by its own answers that pass every check, against those that do not (DPO).

    \b
    Example:
      python -m service.llm.pocket prefer --model var/pocket --out var/pocket-preferred
    """
    from prompts.errors import EngineUnavailable
    from service.llm.pocket import preference

    try:
        pairs = preference.prefer(
            model, out, briefs=briefs, seed=seed, share=share, tell=lambda line: click.echo(line, err=True)
        )
    except EngineUnavailable as error:
        click.echo(str(error), err=True)
        raise SystemExit(3) from None
    click.echo(f"tuned on {pairs} pairs: {out}")


@main.command()
@click.option("--briefs", default=600, show_default=True, help="How many held-out briefs.")
@click.option("--seed", default=CARD_SEED, show_default=True, help="Decides the briefs and the sampling.")
@click.option("--samples", default=0, show_default=True, help="Also show the first answers, unselected.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data"),
    show_default=True,
    help="Folder of the real catalogues; left out, and said so, when it is not there.",
)
@_model
@_json
def evaluate(briefs: int, seed: int, samples: int, data: Path, model: Path, as_json: bool) -> None:
    r"""Measure the model on briefs it never saw, and on real catalogues; ends with 1 when a goal is missed.

    First tries only, greedy and sampled at temperature 0.8. The training stream is drawn again to prove
    that it held nothing of these briefs.

    \b
    Example:
      python -m service.llm.pocket evaluate --json > figures.json
    """
    from eval.errors import DatasetError
    from prompts.errors import EngineUnavailable
    from service.llm.pocket import evaluation

    command = f"python -m service.llm.pocket evaluate --briefs {briefs} --seed {seed}"
    folder = data if data.is_dir() else None
    if folder is None:
        click.echo(f"no data sets in {str(data)!r}: real catalogues are not measured; see --data", err=True)
    try:
        report, shown = evaluation.evaluate(
            model, n=briefs, seed=seed, command=command, data=folder, tell=_progress
        )
    except EngineUnavailable as error:
        click.echo(str(error), err=True)
        raise SystemExit(3) from None
    except DatasetError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    _print(report, as_json)
    from service.llm.pocket.judging import describe

    for judged in shown[:samples]:
        click.echo(describe(judged), err=as_json)
    raise SystemExit(0 if report.met else 1)


@main.command()
@click.option("--repeats", default=3, show_default=True, help="Runs of each, of which the median counts.")
@click.option(
    "--vllm-python",
    type=click.Path(path_type=Path),
    default=Path(".venv-vllm/bin/python"),
    show_default=True,
    help="A Python that has vLLM; left out, and said so, when it is not there.",
)
@_model
@_json
def speed(repeats: int, vllm_python: Path, model: Path, as_json: bool) -> None:
    r"""Measure tokens per second one by one, in batches and by vLLM, the first variant and the load time.

    \b
    Example:
      python -m service.llm.pocket speed --json
    """
    import time

    from eval.figures import figures
    from prompts.errors import EngineUnavailable
    from service.llm.pocket.held_out import draw_briefs
    from service.llm.pocket.measuring import asks_for
    from service.llm.pocket.speed import measure_speed
    from service.llm.transformers_engine import digest

    python = vllm_python if vllm_python.exists() else None
    if python is None:
        click.echo(f"no vLLM at {str(vllm_python)!r}: run `make .venv-vllm/.installed`", err=True)
    started = time.perf_counter()
    try:
        asks = asks_for(
            draw_briefs(SPEED_ASKS, 5), temperature=0.8, seed=5, constrained=False, most_tokens=SPEED_TOKENS
        )
        measured = measure_speed(model, asks, vllm_python=python, repeats=repeats)
    except EngineUnavailable as error:
        click.echo(str(error), err=True)
        raise SystemExit(3) from None
    weights = digest(sorted(model.glob("*.safetensors")))[:16]
    command = f"python -m service.llm.pocket speed --repeats {repeats}"
    report = figures(
        command, measured, seconds=time.perf_counter() - started, seed=5, data={"weights": weights}
    )
    _print(report, as_json)
    raise SystemExit(0 if report.met else 1)


@main.command()
@click.option("--each", default=10, show_default=True, help="Samples per channel.")
@click.option("--seed", default=0, show_default=True, help="Decides the briefs and the sampling.")
@_model
def samples(each: int, seed: int, model: Path) -> None:
    r"""Write unselected samples for a reader: what was asked, what came, which checks failed.

    \b
    Example:
      python -m service.llm.pocket samples > samples.md
    """
    from prompts.errors import EngineUnavailable
    from service.llm.pocket.samples import write_samples

    try:
        click.echo(write_samples(model, each=each, seed=seed), nl=False)
    except EngineUnavailable as error:
        click.echo(str(error), err=True)
        raise SystemExit(3) from None


@main.command()
def phrases() -> None:
    r"""Check the phrase files, line by line; ends with 1 when one is wrong.

    \b
    Example:
      python -m service.llm.pocket phrases
    """
    from service.llm.pocket.lexicon import check_phrases

    problems = list(check_phrases())
    for problem in problems:
        click.echo(problem)
    click.echo(f"{len(problems)} problems", err=True)
    raise SystemExit(1 if problems else 0)


def _print(report: "Figures", as_json: bool) -> None:
    from eval.figures import encode, markdown

    click.echo(encode(report) if as_json else markdown(report))


def _progress(part: str) -> None:
    click.echo(f"measuring: {part}", err=True)
