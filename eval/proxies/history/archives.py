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
from eval.proxies.history.tally import Cell, Counts, Tally, tally_of
from eval.proxies.port import Floats

_LEAST = 1000
"""People a headline must have been shown to, so that enough are left to come next."""
_CAMPAIGNS = ("all", "men", "women")


def measure_upworthy(file: Path, seed: int, progress: Progress | None = None) -> list[Figure]:
    """Measure on tests of headlines: what some people per headline tell of all the others.

    `n100` learns from 100 people per headline, and so on; `mixed` from 30 to 1,000, another number for each.
    Beside the log-loss: of two headlines of a test, how often the one ahead by history is ahead among the
    later people too, beside the one ahead by raw rate (*winner*); and how often the 95 % interval of a
    difference, widened by the sampling variance of what came later, held. Raises `DatasetError` when the
    file is another one.
    """
    tests = _upworthy(file)
    shown, clicked = tests["impressions"].to_numpy(), tests["clicks"].to_numpy()
    whole = learn(Tally(dict(zip(_cells(tests), map(Counts, shown.tolist(), clicked.tolist()), strict=True))))
    figures = [
        figure(f"history.upworthy.sd.{factor}", whole.channels["web"][factor]) for factor in ("item", "text")
    ]
    rng = np.random.default_rng(seed)
    sizes = {f"n{size}": np.full(len(shown), size) for size in SIZES[1:]}
    sizes["mixed"] = np.exp(rng.uniform(np.log(SIZES[0]), np.log(SIZES[-1]), len(shown))).astype(np.int64)
    for done, (name, size) in enumerate(sizes.items(), start=1):
        drawn = np.minimum(size, shown // 2)
        hits = rng.hypergeometric(clicked, shown - clicked, drawn)
        figures += _thinned(f"history.upworthy.{name}", tests, drawn, hits, seed)
        if progress:
            progress("headline tests", done, len(sizes))
    return figures


def _thinned(name: str, tests: pl.DataFrame, drawn: Ints, hits: Ints, seed: int) -> list[Figure]:
    """Learn from `hits` clicks of `drawn` people a headline, and measure on all the others."""
    cells, labels = _cells(tests), tests["test"].to_list()
    groups = places_of(labels)
    learnt = [Counts(*counts) for counts in zip(drawn.tolist(), hits.tolist(), strict=True)]
    history = learn(Tally(dict(zip(cells, learnt, strict=True))))
    guessed = guesses(history, cells, learnt)
    shown = tests["impressions"].to_numpy().astype(np.float64) - drawn
    clicked = tests["clicks"].to_numpy().astype(np.float64) - hits
    rates = np.empty(len(cells))
    for members in groups:
        rates[members] = (clicked[members].sum() + 0.5) / (shown[members].sum() + 1)
    odds = np.log((clicked + 0.5) / (shown - clicked + 0.5))
    noise = 1 / (shown * rates * (1 - rates))
    return [
        *losses(
            f"{name}.log_loss",
            {key: _observed_loss(shown, clicked, guess) for key, guess in guessed.items()},
            seed,
            labels,
        ),
        *_winners(name, groups, guessed, clicked / shown, seed),
        coverage(name, [covered(history, cells, members, odds, noise) for members in groups], seed),
    ]


def _cells(tests: pl.DataFrame) -> list[Cell]:
    rows = tests.select("test", "headline").iter_rows()
    return [Place("web", item=test).cell(headline) for test, headline in rows]


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
    right: dict[str, Floats] = {}
    pairs = [members[np.array(np.triu_indices(len(members), k=1))] for members in groups]
    first, second = np.concatenate(pairs, axis=1)
    label = np.repeat(np.arange(len(groups)), [each.shape[1] for each in pairs]).tolist()
    for key in ("history", "raw"):
        ahead = np.sign(guessed[key][first] - guessed[key][second])
        right[key] = 0.5 + 0.5 * ahead * np.sign(later[first] - later[second])
    means = {key: float(values.mean()) for key, values in right.items()}
    gain = right["history"] - right["raw"]
    return [
        figure(
            f"{name}.winner",
            means["history"],
            interval=bootstrap(right["history"], seed=seed, groups=label),
            n=len(first),
            baseline=("raw", means["raw"]),
        ),
        figure(
            f"{name}.winner.gain_on_raw",
            float(gain.mean()),
            interval=bootstrap(gain, seed=seed, groups=label),
            n=len(first),
        ),
    ]


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
