"""The history proxy on outcomes of real people: archives that stand in for a workspace's log.

Upworthy's archive (Matias et al. 2021, CC BY 4.0) has totals of each headline, not people. Drawing n
of a headline's people without replacement is what its first n would have been had they come in random order:
*thinning* by the hypergeometric distribution is exact: clicks among n of N people of whom y clicked are
Hypergeometric(N, y, n). What is learnt from and what comes next share nobody. Tests that were probably not
randomised are left out, and so are headlines shown to fewer than 1,000 people.

The Open Bandit data (Saito et al. 2020, CC BY 4.0) are single impressions in time, of items shown at random;
the first half is learnt from, the second comes next. An item stands for a text, a position for a segment.
"""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from eval.errors import DatasetError
from eval.figures import Figure, bootstrap, figure
from eval.proxies.history.history import Place, learn
from eval.proxies.history.measure import SIZES, Ints, Progress, coverage, covered, guesses, losses, places_of
from eval.proxies.history.tally import Counts, tally_of
from eval.proxies.port import Floats

_LEAST = 1000
"""People a headline must have been shown to, so that enough are left to come next."""
_CAMPAIGNS = ("all", "men", "women")


def measure_upworthy(file: Path, seed: int, progress: Progress | None = None) -> list[Figure]:
    """Measure on tests of headlines: what n people per headline tell of all the others.

    Beside the log-loss: how often the headline ahead at n people is ahead among the later ones too, by
    history and by raw rates (*winner*); and how often the 95 % interval of a difference, widened by the
    sampling variance of what came later, held. Raises `DatasetError` when the file is another one.
    """
    tests = _upworthy(file)
    places = [Place("web", item=test) for test in tests["test"]]
    cells = [place.cell(text) for place, text in zip(places, tests["headline"], strict=True)]
    shown, clicked = tests["impressions"].to_numpy(), tests["clicks"].to_numpy()
    groups = places_of(tests["test"].to_list())
    whole = learn(
        tally_of((cell, Counts(*counts)) for cell, *counts in zip(cells, shown, clicked, strict=True))
    )
    figures = [
        figure(f"history.upworthy.sd.{factor}", whole.channels["web"][factor]) for factor in ("item", "text")
    ]
    for done, size in enumerate(SIZES[1:]):
        if progress:
            progress("headline tests", done, len(SIZES) - 1)
        rng = np.random.default_rng((seed, size))
        drawn = np.minimum(size, shown // 2)
        hits = rng.hypergeometric(clicked, shown - clicked, drawn)
        learnt = [Counts(int(n), int(y)) for n, y in zip(drawn, hits, strict=True)]
        history = learn(tally_of(zip(cells, learnt, strict=True)))
        later, later_clicked = (shown - drawn).astype(np.float64), (clicked - hits).astype(np.float64)
        guessed = guesses(history, cells, learnt)
        name = f"history.upworthy.n{size}"
        figures += losses(
            f"{name}.log_loss",
            {key: _observed_loss(later, later_clicked, guess) for key, guess in guessed.items()},
            seed,
            tests["test"].to_list(),
        )
        figures += _winners(name, groups, guessed, later_clicked / later, seed)
        odds = np.log((later_clicked + 0.5) / (later - later_clicked + 0.5))
        rates = np.empty(len(cells))
        for members in groups:
            rates[members] = (later_clicked[members].sum() + 0.5) / (later[members].sum() + 1)
        noise = 1 / (later * rates * (1 - rates))
        held = [covered(history, cells, members, odds, noise) for members in groups]
        figures.append(coverage(name, held, seed))
    if progress:
        progress("headline tests", len(SIZES) - 1, len(SIZES) - 1)
    return figures


def measure_open_bandit(folder: Path, seed: int) -> list[Figure]:
    """Measure on random impressions of items: what the first half tells of the second.

    Raises `DatasetError` when a file is missing or another one.
    """
    frame = pl.concat([_campaign(folder, name) for name in _CAMPAIGNS])
    halves = [
        frame.filter(pl.col("late") == late)
        .group_by("campaign", "position", "item")
        .agg(pl.len().alias("shown"), pl.col("click").sum().alias("clicked"))
        for late in (False, True)
    ]
    tallies = [
        tally_of(
            (Place(campaign, segment=position).cell(item), Counts(shown, clicked))
            for campaign, position, item, shown, clicked in half.sort(
                "campaign", "position", "item"
            ).iter_rows()
        )
        for half in halves
    ]
    history = learn(tallies[0])
    cells = list(tallies[1])
    later = np.array(list(tallies[1].values()), dtype=np.float64)
    guessed = guesses(history, cells, [history.evidence(cell) for cell in cells])
    return losses(
        "history.open_bandit.log_loss",
        {key: _observed_loss(later[:, 0], later[:, 1], guess) for key, guess in guessed.items()},
        seed,
        [(cell.channel, cell.text) for cell in cells],
    )


def digest(upworthy: Path | None, open_bandit: Path | None) -> dict[str, str]:
    """Return the start of the sha256 of each file that is measured on, by its name."""
    files = [] if open_bandit is None else [_bandit_file(open_bandit, name) for name in _CAMPAIGNS]
    files += [] if upworthy is None else [upworthy]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


def _bandit_file(folder: Path, campaign: str) -> Path:
    return folder / f"random_{campaign}.csv.gz"


def _observed_loss(shown: Floats, clicked: Floats, guess: Floats) -> Floats:
    """Compute the log-loss of what came next, in nats per 1,000 people."""
    return -1000 * (clicked * np.log(guess) + (shown - clicked) * np.log1p(-guess)) / shown


def _winners(
    name: str, groups: list[Ints], guessed: dict[str, Floats], later: Floats, seed: int
) -> list[Figure]:
    """Say how often the headline that leads leads later, over pairs; a tie either way counts half."""
    figures: list[Figure] = []
    for key in ("history", "raw"):
        right: list[float] = []
        label: list[int] = []
        for number, members in enumerate(groups):
            first, second = np.triu_indices(len(members), k=1)
            ahead = np.sign(guessed[key][members][first] - guessed[key][members][second])
            after = np.sign(later[members][first] - later[members][second])
            right += (0.5 + 0.5 * ahead * after).tolist()
            label += [number] * len(first)
        interval = bootstrap(right, seed=seed, groups=label)
        figures.append(figure(f"{name}.winner.{key}", float(np.mean(right)), interval=interval, n=len(right)))
    return figures


def _upworthy(file: Path) -> pl.DataFrame:
    """Read headlines of randomised tests that compare at least two, packages of one headline summed."""
    wanted = ("clickability_test_id", "headline", "impressions", "clicks", "randomisation_suspect")
    frame = _csv(file, wanted)
    return (
        frame.filter(pl.col("randomisation_suspect") == 0)
        .group_by(pl.col("clickability_test_id").alias("test"), "headline")
        .agg(pl.col("impressions").sum(), pl.col("clicks").sum())
        .filter(pl.col("impressions") >= _LEAST)
        .filter(pl.len().over("test") > 1)
        .sort("test", "headline")
    )


def _campaign(folder: Path, name: str) -> pl.DataFrame:
    frame = _csv(_bandit_file(folder, name), ("timestamp", "item_id", "position", "click"))
    return frame.sort("timestamp").select(
        pl.lit(name).alias("campaign"),
        pl.col("position").cast(pl.String),
        pl.format("item {}", "item_id").alias("item"),
        pl.col("click"),
        (pl.int_range(pl.len()) >= pl.len() // 2).alias("late"),
    )


def _csv(file: Path, wanted: tuple[str, ...]) -> pl.DataFrame:
    try:
        frame = pl.read_csv(file, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(f"{file} cannot be read: {error}") from None
    missing = [name for name in wanted if name not in frame.columns]
    if missing or not frame.height:
        raise DatasetError(
            f"{file} has {frame.height} rows and no column {missing}: this is another data set"
        )
    return frame.select(wanted)
