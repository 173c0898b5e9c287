"""How well discovery finds the interests that were planted in a demo world, beside simpler groupings.

Adjusted mutual information compares groups with everyone's stronger interest: 0 on average for groups drawn
at random, 1 for the same groups. Everyone has two interests and buys other things besides, and only the
stronger one counts as truth, so that no grouping of what they did comes near 1.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

from eval.datasets.demo_world import INTERESTS, DemoWorld
from eval.figures import Figure, bootstrap, figure
from indexing.clustering import discover
from indexing.groups import propose
from indexing.snapshot import Snapshot

STARTS = 4

_cluster: Any = import_module("sklearn.cluster")
_metrics: Any = import_module("sklearn.metrics")


class FoundGroups(msgspec.Struct, frozen=True, kw_only=True):
    """What discovery found in one world."""

    k: int
    agreement: float
    """Adjusted mutual information with everyone's stronger interest."""
    word_counts: float
    """The same for as many groups of k-means on TF-IDF."""
    random: float
    """The same for as many groups drawn at random."""
    stability: float
    chance: float
    overlap: float
    """Jaccard of the proposed definitions' members with the groups', mean by size."""


def find_groups(snapshot: Snapshot, demo: DemoWorld, word_counts: Any) -> FoundGroups:
    """Discover groups in a demo world, k chosen by stability; `word_counts` is TF-IDF, a row per profile."""
    grouping = discover(snapshot.tastes, snapshot.item_vectors, seed=demo.seed)
    ids = snapshot.profiles["id"].gather(grouping.rows).to_list()
    truth = [INTERESTS.index(demo.truth.profiles[profile][0]) for profile in ids]
    by_words = _cluster.KMeans(n_clusters=grouping.k, n_init=STARTS, random_state=demo.seed)
    at_random = np.random.default_rng(demo.seed).integers(grouping.k, size=len(truth))
    groups = propose(grouping, snapshot)
    agreed = grouping.agreement
    return FoundGroups(
        k=grouping.k,
        agreement=_agreement(truth, grouping.labels),
        word_counts=_agreement(truth, by_words.fit_predict(word_counts[grouping.rows])),
        random=_agreement(truth, at_random),
        stability=0.0 if agreed is None else agreed.stability,
        chance=0.0 if agreed is None else agreed.chance,
        overlap=float(np.average([group.overlap for group in groups], weights=[g.size for g in groups])),
    )


def _agreement(truth: Sequence[int], labels: Any) -> float:
    return float(_metrics.adjusted_mutual_info_score(truth, labels))


def group_figures(found: Sequence[FoundGroups], seeds: Sequence[int]) -> list[Figure]:
    """Turn what was found in worlds of these seeds into figures."""
    name = "audiences.groups.adjusted_mutual_information"
    ours = [each.agreement for each in found]
    return [
        *(
            figure(f"{name}.seed_{seed}", each.agreement, baseline=("k-means on TF-IDF", each.word_counts))
            for seed, each in zip(seeds, found, strict=True)
        ),
        figure(
            name,
            float(np.mean(ours)),
            interval=bootstrap(ours, seed=0),
            n=len(found),
            baseline=("k-means on TF-IDF", float(np.mean([each.word_counts for each in found]))),
        ),
        figure(
            f"{name}.beside_random",
            float(np.mean(ours)),
            n=len(found),
            baseline=("random labels", float(np.mean([each.random for each in found]))),
        ),
        figure(
            "audiences.groups.count",
            float(np.mean([each.k for each in found])),
            n=len(found),
            baseline=("interests planted", float(len(INTERESTS))),
        ),
        figure(
            "audiences.groups.stability",
            float(np.mean([each.stability for each in found])),
            n=len(found),
            baseline=("profiles without groups", float(np.mean([each.chance for each in found]))),
        ),
        figure(
            "audiences.groups.definition_overlap",
            float(np.mean([each.overlap for each in found])),
            n=len(found),
        ),
    ]
