"""Headline tests made up for tests of the proxy: whose better texts are known."""

import numpy as np

from eval.datasets.upworthy import HeadlineTests

SUBJECTS = ("a baker", "two nurses", "the mayor", "my neighbour", "some students", "an old sailor")
DEEDS = ("found a way to", "tried to", "will never", "asked us to", "had no reason to", "went out to")
THINGS = ("mend the roof", "count the birds", "cross the river", "plant a tree", "read the map")


def made_up(tests: int, *, seed: int, packages: int = 3, pull: float = 0.8) -> HeadlineTests:
    """Draw tests in which a headline that asks is clicked exp(pull) times as often; one story a test."""
    random = np.random.default_rng(seed)
    texts: list[str] = []
    clicks: list[int] = []
    owner: list[int] = []
    for test in range(tests):
        for package in range(packages):
            parts = [str(random.choice(kind)) for kind in (SUBJECTS, DEEDS, THINGS)]
            asks = bool(random.random() < 0.5)
            text = f"{' '.join(parts).capitalize()} on day {test * packages + package}"
            texts.append(f"Why {text[0].lower()}{text[1:]}?" if asks else f"{text}.")
            clicks.append(int(random.binomial(3000, 0.012 * np.exp(pull * asks))))
            owner.append(test)
    owners = np.array(owner, np.int64)
    return HeadlineTests(
        texts=tuple(texts),
        tests=owners,
        stories=owners,
        files=np.zeros(len(texts), np.int64),
        impressions=np.full(len(texts), 3000, np.int64),
        clicks=np.array(clicks, np.int64),
        digests=("0" * 64,),
        notes=(),
    )
