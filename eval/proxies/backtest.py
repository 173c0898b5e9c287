"""Every proxy put to the outcomes a workspace logged, none of which it had seen: in order of time.

At each origin (a quarter, a half, three quarters of all trials, by time) the history learns what was known
then, and every proxy predicts the texts that compete until the next origin. So history is only ever tested on
outcomes later than what it learnt from (A. P. Dawid, "The prequential approach", JRSS A 147 (1984), 278-292).
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
import numpy as np
import polars as pl

from eval.proxies.blend import blend
from eval.proxies.history.history import History, learn
from eval.proxies.outcomes import Copy, Outcomes, count
from eval.proxies.port import Floats, Prediction, Proxy

ORIGINS = (0.25, 0.5, 0.75)
LEAST_SHOWN = 100
"""People a variant needs between two origins; at a rate of 2 % that is two clicks, and less says nothing."""

Progress = Callable[[str, int, int | None], None]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that competed between two origins, what was predicted of them, and what happened."""

    group: tuple[str, ...]
    shown: Floats
    clicked: Floats
    """float64[n], people."""
    predictions: dict[str, Prediction]
    """By proxy; `history`, and where there is another one `blend`, among them."""
    weights: dict[str, Floats]
    """Of each proxy in the blend; empty without one."""
    due: Floats
    """float64[n]: clicks history expected; NaN in a channel it knew nothing of."""
    seen: int
    """Of how many texts history knew anything."""


class BackTest(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons, and what was left out of them."""

    comparisons: tuple[Comparison, ...]
    people: int
    """In the comparisons."""
    origins: tuple[datetime, ...]
    set_aside: dict[str, int]
    """People by reason."""


def run_back_test(
    found: Outcomes, proxies: Mapping[str, Proxy], progress: Progress | None = None
) -> BackTest:
    """Predict and compare; CPU work. `proxies` are those that read texts: history is always put to the test.

    Set aside and counted: people of the first quarter, from which is learnt, variants shown to fewer than
    `LEAST_SHOWN` people between two origins, and variants without any to compete with.
    """
    trials = found.trials
    aside = dict(found.set_aside)
    origins = _origins(trials)
    comparisons: list[Comparison] = []
    if origins:
        aside["learnt_from_only"] = trials.filter(pl.col("shown") <= origins[0]).height
    for number, origin in enumerate(origins):
        later = origins[number + 1] if number + 1 < len(origins) else None
        tested = trials.filter(
            pl.col("shown") > origin, pl.lit(value=True) if later is None else pl.col("shown") <= later
        )
        made, rare, alone = _compare(found, tested, learn(count(found, origin)), proxies)
        comparisons += made
        aside["variant_rarely_shown"] = aside.get("variant_rarely_shown", 0) + rare
        aside["variant_without_rival"] = aside.get("variant_without_rival", 0) + alone
        if progress:
            progress("origins", number + 1, len(origins))
    people = sum(int(each.shown.sum()) for each in comparisons)
    return BackTest(comparisons=tuple(comparisons), people=people, origins=tuple(origins), set_aside=aside)


def _origins(trials: pl.DataFrame) -> list[datetime]:
    if not trials.height:
        return []
    return sorted({trials["shown"][int(share * (trials.height - 1))] for share in ORIGINS})


def _compare(
    found: Outcomes, tested: pl.DataFrame, history: History, proxies: Mapping[str, Proxy]
) -> tuple[list[Comparison], int, int]:
    """Compare what was shown; also how many people were left out with rare variants and with lone ones."""
    counted = tested.group_by("variant").agg(pl.len(), pl.col("clicked").is_not_null().sum().alias("clicks"))
    groups: dict[tuple[str, ...], list[tuple[Copy, int, int]]] = {}
    rare = 0
    for variant, shown, clicked in counted.sort("variant").iter_rows():
        copy = found.copies[variant]
        if shown >= LEAST_SHOWN:
            groups.setdefault(copy.group, []).append((copy, shown, clicked))
        else:
            rare += shown
    alone = sum(rows[0][1] for rows in groups.values() if len(rows) == 1)
    comparisons = [
        _comparison(group, rows, history, proxies) for group, rows in sorted(groups.items()) if len(rows) > 1
    ]
    return comparisons, rare, alone


def _comparison(
    group: tuple[str, ...],
    rows: list[tuple[Copy, int, int]],
    history: History,
    proxies: Mapping[str, Proxy],
) -> Comparison:
    cells = [copy.cell for copy, _, _ in rows]
    texts = [copy.text for copy, _, _ in rows]
    predictions = {name: proxy.utilities(texts) for name, proxy in proxies.items()}
    predictions[history.name] = history.utilities(cells)
    weights: dict[str, Floats] = {}
    if len(predictions) > 1:
        blended = blend(predictions, predictions[history.name].spread)
        weights = blended.weights
        predictions["blend"] = blended.prediction
    people = np.array([shown for _, shown, _ in rows], dtype=np.float64)
    return Comparison(
        group=group,
        shown=people,
        clicked=np.array([clicked for _, _, clicked in rows], dtype=np.float64),
        predictions=predictions,
        weights=weights,
        due=people * history.rates(cells),
        seen=sum(history.evidence(cell).shown > 0 for cell in cells),
    )
