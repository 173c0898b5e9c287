"""`pitchwright eval voice`: whether the voice score knows who wrote a text."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, note, run

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.runtime import Runtime


@click.command()
@click.option(
    "--reviews",
    "file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="musical_instruments_5core.csv.gz (see `pitchwright eval data show amazon_reviews`).",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the authors' lines."
)
@json_option
def voice(file: Path, seed: int, as_json: bool) -> None:
    """Measure whether the voice score tells an author's texts from another's about the same item.

    Five texts of each author stand for a brand's own lines; the others are held out. Figures are those of the
    second half of the authors, on whom nothing was chosen. Beside the score stand sentence vectors, surface,
    length and character n-grams, and pairs about different items, where the topic gives authors away; texts
    cut short, and voices of two to ten lines.

    Example: pitchwright eval voice --reviews musical_instruments_5core.csv.gz
    """
    from service.evaluations.commands import show_figures

    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await measure(runtime, file, seed, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


async def measure(runtime: "Runtime", file: Path, seed: int, progress: Progress) -> "Figures":
    """Read the reviews and measure. Raises `DatasetError` for a file that is none of theirs."""
    from eval.datasets.public import read_file
    from eval.figures import figures
    from eval.voice_match import measure_voice, texts_of

    started = time.perf_counter()
    reading = await runtime.run(
        read_file, "amazon_reviews", "musical_instruments_5core.csv.gz", file, verify=False
    )
    for text in reading.notes:
        note(text)
    texts = await runtime.run(texts_of, reading.frame, seed=seed)
    note(f"{len(texts.lines):,} authors, {len(texts.texts):,} texts held out.")
    embedder = await runtime.embedder()
    measured = await runtime.run(measure_voice, texts, embedder, seed=seed, progress=progress)
    return figures(
        "pitchwright eval voice",
        measured,
        seconds=time.perf_counter() - started,
        seed=seed,
        data={"reviews": reading.sha256[:16], "embedder": f"{embedder.name}@{embedder.digest[:8]}"},
    )
