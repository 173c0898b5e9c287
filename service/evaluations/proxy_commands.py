"""`pitchwright eval proxy`: how well the headline proxy predicts clicks, making one, and asking it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, Usage, json_option, note, print_json, print_text

if TYPE_CHECKING:
    from eval.datasets.upworthy import HeadlineTests
    from eval.proxies.headline.model import Opinion
    from eval.proxies.headline.similar import Tested

_DATA_HELP = "Headline tests of the Upworthy Research Archive (see `pitchwright eval data show upworthy`)."

data_option = click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=_DATA_HELP
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Deals the stories into folds."
)


@click.group(invoke_without_command=True)
@data_option
@click.option(
    "--test",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Learn from DATA and score this file, less any story DATA has; without it, five folds of DATA.",
)
@seed_option
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write figures and reliability diagram as a page.",
)
@json_option
@click.pass_context
def proxy(
    ctx: click.Context, data: Path | None, test: Path | None, seed: int, html: Path | None, as_json: bool
) -> None:
    """Measure how well the headline proxy tells which of two headlines is clicked more, by story.

    Tests that share a headline or an image are one story, and no story is both learnt from and scored. Beside
    it stand length, TF-IDF and the sentence encoder's own vector, and what a perfect oracle would score.

    Example: pitchwright eval proxy --data headline_tests.csv.gz --json
    """
    if ctx.invoked_subcommand is not None:
        return
    if data is None:
        raise Usage("name what to learn from: --data FILE (see `pitchwright eval data show upworthy`)")
    from eval.datasets.upworthy import read_headline_tests
    from eval.figures import figures
    from eval.proxies.headline.learning import Recipe
    from eval.proxies.headline.measure import measure
    from eval.proxies.headline.trial import on_test, out_of_fold, prepare
    from service.evaluations.commands import show_figures

    started = time.perf_counter()
    tests = read_headline_tests([data] if test is None else [data, test])
    _tell(tests)
    recipe = Recipe()
    with Progress() as progress:
        material = prepare(tests, recipe, progress)
        learn = out_of_fold if test is None else on_test
        held = learn(material, recipe, seed=seed, progress=progress)
        measured = measure(held, tests, seed=seed)
    summary = figures(
        "pitchwright eval proxy",
        measured,
        seconds=time.perf_counter() - started,
        seed=seed,
        data=_digests(tests, material.encoder.digest),
    )
    if html is not None:
        from eval.html.page import render
        from eval.proxies.headline.page import proxy_page

        html.write_text(render(proxy_page(summary, held, tests)), encoding="utf-8")
        note(f"Page in {html}.")
    show_figures(summary, as_json=as_json)


@proxy.command("train")
@data_option
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder the artefact is written into: head.safetensors and manifest.json.",
)
@seed_option
@json_option
def train(data: Path | None, out: Path, seed: int, as_json: bool) -> None:
    """Make a headline proxy: measured out of fold, then learnt from all of DATA.

    Example: pitchwright eval proxy train --data headline_tests.csv.gz --out var/headline
    """
    if data is None:
        raise Usage("name what to learn from: --data FILE (see `pitchwright eval data show upworthy`)")
    from eval.datasets.upworthy import read_headline_tests
    from eval.figures import figures
    from eval.proxies.headline.learning import Recipe
    from eval.proxies.headline.making import make
    from service.evaluations.commands import show_figures

    started = time.perf_counter()
    tests = read_headline_tests([data])
    _tell(tests)
    with Progress() as progress:
        made = make(tests, Recipe(), seed=seed, progress=progress)
    made.proxy.save(out)
    size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    note(f"The proxy is in {out}, {size:.1f} MB. {made.proxy.manifest.limits}")
    summary = figures(
        "pitchwright eval proxy train",
        made.figures,
        seconds=time.perf_counter() - started,
        seed=seed,
        data=_digests(tests, made.proxy.manifest.encoder),
    )
    show_figures(summary, as_json=as_json)


@proxy.command("explain")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--control", help="The text in use today; without it each is compared with the others.")
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An artefact of `eval proxy train`; the shipped one without it.",
)
@data_option
@json_option
def explain(
    texts: tuple[str, ...], control: str | None, model: Path | None, data: Path | None, as_json: bool
) -> None:
    """Say how likely each TEXT is to be clicked more than the others, or than the control, and why.

    With --data, the most similar headlines that were tested stand beside it, with what became of them.

    Example: pitchwright eval proxy explain "You won't believe it" "Why bread goes stale, and what helps"
    """
    from eval.proxies.headline.model import SHIPPED, HeadlineProxy

    opened = HeadlineProxy.load(model or SHIPPED)
    opinions = opened.compare(texts, None if control is None else [control], by_word=True)
    similar = _similar(texts, data) if data is not None else {}
    if as_json:
        print_json(
            [
                {"text": text, "opinion": opinion, "similar": similar.get(text, ())}
                for text, opinion in zip(texts, opinions, strict=True)
            ]
        )
        return
    for text, opinion in zip(texts, opinions, strict=True):
        print_text("\n".join([text, *_lines(opinion), *_like(similar.get(text, ())), ""]))
    note(opened.manifest.limits)


def _similar(texts: tuple[str, ...], data: Path, k: int = 3) -> dict[str, "tuple[Tested, ...]"]:
    from eval.datasets.upworthy import read_headline_tests
    from eval.proxies.headline.similar import SimilarHeadlines, rivals
    from indexing.sentence import load_embedder

    headlines, embedder = rivals(read_headline_tests([data])), load_embedder()
    tested = SimilarHeadlines(headlines, embedder.encode(headlines.texts))
    return dict(zip(texts, tested.like(embedder.encode(texts), k), strict=True))


def _lines(opinion: "Opinion", most: int = 8) -> list[str]:
    if not opinion.known:
        return [f"  don't know: {opinion.why_not}"]
    lines = [f"  {opinion.p:.0%} to be clicked more ({opinion.low:.0%} to {opinion.high:.0%})"]
    return lines + [f"  {one.value:+.2f}  {one.name}" for one in opinion.contributions[:most]]


def _like(found: "tuple[Tested, ...]") -> list[str]:
    return [f"  like ({one.similarity:.2f}): {one.told()}" for one in found]


def _tell(tests: "HeadlineTests") -> None:
    for text in tests.notes:
        note(text)


def _digests(tests: "HeadlineTests", encoder: str) -> dict[str, str]:
    names = ("data", "test")
    made = {name: sha256[:16] for name, sha256 in zip(names, tests.digests, strict=False)}
    return made | {"encoder": encoder[:16]}
