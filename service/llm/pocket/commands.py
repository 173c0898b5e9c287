"""The embedded model's commands."""

from pathlib import Path

import click

MODEL_FOLDER = Path(__file__).parent / "model"


@click.group()
def main() -> None:
    """Train the embedded pocket model, and measure it."""


@main.command()
@click.option("--tokens", default=8_000_000, show_default=True, help="Tokens to see, padding included.")
@click.option("--seed", default=1, show_default=True, help="Decides data, tokenizer and first weights.")
@click.option("--threads", default=2, show_default=True, help="Processor threads.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in OUT.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoint and model."
)
def train(tokens: int, seed: int, threads: int, resume: bool, out: Path) -> None:
    r"""Train from scratch on the generated corpus; about half an hour on two cores.

    Interrupted, it leaves a checkpoint to go on from with --resume.

    \b
    Example:
      python -m service.llm.pocket train --tokens 8000000 --seed 1 --out var/pocket
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from service.llm.pocket import training

    columns = (
        "{task.description}",
        BarColumn(),
        "{task.percentage:>3.0f}%",
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("training", total=tokens, state="")

        def show(progress: training.Progress) -> None:
            rate = progress.tokens / max(progress.seconds, 1e-9)
            state = f"step {progress.step}, loss {progress.loss:.4f}, {rate:.0f} tokens/s"
            bar.update(task, completed=progress.tokens, total=progress.total_tokens, state=state)
            if not bar.console.is_terminal and progress.step % 50 == 0:
                bar.console.print(f"{progress.tokens} of {progress.total_tokens} tokens, {state}")

        try:
            done = training.train(out, tokens=tokens, seed=seed, resume=resume, threads=threads, on_step=show)
        except KeyboardInterrupt:
            bar.stop()
            click.echo(
                f"stopped; go on with: python -m service.llm.pocket train --resume --out {out}", err=True
            )
            raise SystemExit(130) from None
    went = f"{done.step} steps, {done.tokens} tokens, {done.seconds / 60:.1f} minutes, loss {done.loss:.4f}"
    click.echo(f"{went}: {out}")


@main.command()
@click.option("--briefs", default=300, show_default=True, help="How many held-out briefs.")
@click.option("--seed", default=7, show_default=True, help="Decides the briefs and the sampling.")
@click.option("--samples", default=0, show_default=True, help="Also show the first answers, unselected.")
@click.option("--model", type=click.Path(path_type=Path), default=MODEL_FOLDER, help="Folder of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def evaluate(briefs: int, seed: int, samples: int, model: Path, as_json: bool) -> None:
    r"""Measure the model on briefs it never saw; ends with 1 when a goal is missed.

    \b
    Example:
      python -m service.llm.pocket evaluate --briefs 300 --samples 10
    """
    import sys

    from eval.figures import encode, markdown
    from prompts.errors import EngineUnavailable
    from service.llm.pocket import evaluation

    command = f"python -m service.llm.pocket evaluate --briefs {briefs} --seed {seed}"
    try:
        report, shown = evaluation.evaluate(model, n=briefs, seed=seed, command=command)
    except EngineUnavailable as error:
        click.echo(str(error), err=True)
        raise SystemExit(3) from None
    click.echo(encode(report) if as_json else markdown(report))
    for judged in shown[:samples]:
        click.echo(evaluation.describe(judged), err=as_json)
    sys.exit(0 if report.met else 1)
