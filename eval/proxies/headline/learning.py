"""Learning from pairs: first a linear preference over what the encoder says, then its upper layers."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from eval.datasets.upworthy import Ints
from eval.proxies.headline.encoder import Encoder, States, pool, pooled, run
from eval.proxies.headline.pairs import Floats, Pairs

_linear: Any = import_module("sklearn.linear_model")
_torch: Any = torch
_nn: Any = torch.nn

Tell = Callable[[int, int], None]
"""Called with the steps done and all there are."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How the proxy is made. Chosen on folds, by story, that the quoted figures are not of."""

    lower: int = 2
    """Layers that stay as they are."""
    upper: int = 4
    """The layer headlines are read off; those between learn."""
    strength: float = 2e-4
    """Of the linear preference: sklearn's C, over standardised columns."""
    runs: int = 2
    """So often it is learnt, each time from other chance; the weights are averaged."""
    epochs: int = 3
    rate: float = 5e-5
    tests_per_step: int = 16
    warm_up: float = 0.1
    """Share of the steps in which the rate rises; afterwards it falls to nothing."""
    decay: float = 0.01


class Scale(msgspec.Struct, frozen=True):
    """How columns are brought to mean 0 and spread 1."""

    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]

    @classmethod
    def of(cls, columns: npt.NDArray[np.floating[Any]]) -> "Scale":
        """Measure float[n, d]; a column without spread stays as it is."""
        spread = columns.std(axis=0)
        spread[spread == 0] = 1.0
        return cls(columns.mean(axis=0).astype(np.float32), spread.astype(np.float32))

    def __call__(self, columns: npt.NDArray[np.floating[Any]]) -> Floats:
        return ((columns - self.mean) / self.spread).astype(np.float64)


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """A preference: utility(text) = weights · scale([pooled upper layer, surface])."""

    layers: Any
    """`nn.ModuleList` of the layers that learnt."""
    scale: Scale
    weights: Floats
    """float64[d]."""

    def columns(self, states: States, surface: Floats, rows: Ints) -> Floats:
        """Standardised columns of texts, float64[len(rows), d]."""
        return self.scale(np.hstack([pooled(self.layers, states, rows), surface[rows]]))

    def tokens(self, states: States) -> list[npt.NDArray[np.float32]]:
        """Read a few texts to the end, all in one batch: float32[tokens, width] of each."""
        hidden, mask = states.batch(np.arange(len(states), dtype=np.int64))
        with _torch.no_grad():
            read = run(self.layers, hidden, mask).numpy()
        return [text[:length] for text, length in zip(read, states.lengths, strict=True)]

    def columns_of(self, read: Sequence[npt.NDArray[np.float32]], surface: Floats) -> Floats:
        """Standardised columns of texts that were read, as `columns` gives them."""
        return self.scale(np.hstack([np.stack([tokens.mean(axis=0) for tokens in read]), surface]))

    def by_token(self, tokens: npt.NDArray[np.float32]) -> Floats:
        """Say what each token of a text that was read adds to its utility, float64[tokens]; surface left out.

        The pooled layer is a mean over tokens and the preference linear, so the parts add up exactly. A
        token's part is what its place in this text makes of it, beside the average of all training texts.
        """
        width = tokens.shape[1]
        scaled = (tokens - self.scale.mean[:width]) / self.scale.spread[:width]
        return (scaled.astype(np.float64) @ self.weights[:width]) / len(tokens)


def prefer(columns: Floats, pairs: Pairs, strength: float) -> Floats:
    """Fit P(left wins) = sigma(w · (x_left - x_right)), each pair weighing its evidence; weights float64[d].

    Bradley-Terry over features, with an L2 penalty of 1/(2 strength) |w|²: R. A. Bradley, M. E. Terry, "Rank
    analysis of incomplete block designs", Biometrika 39 (1952). Assumes pairs are independent; those of one
    test share headlines, so the penalty is chosen by story and never from the likelihood.
    """
    model = _linear.LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
    apart = columns[pairs.left] - columns[pairs.right]
    model.fit(apart, pairs.won, sample_weight=pairs.evidence)
    return np.asarray(model.coef_[0], np.float64)


def learn(
    encoder: Encoder,
    states: States,
    surface: Floats,
    pairs: Pairs,
    recipe: Recipe,
    *,
    seed: int,
    tell: Tell | None = None,
) -> Learnt:
    """Learn from pairs: the linear preference over unchanged layers, and from there the layers with it.

    Starting from the fitted preference keeps what the encoder knows from being bent by a random one: A. Kumar
    et al., "Fine-tuning can distort pretrained features and underperform out-of-distribution", ICLR 2022.
    Runs that start alike end close enough to be averaged, which does what an ensemble does at the price of
    one: M. Wortsman et al., "Model soups", ICML 2022. The layers are kept in half precision, as they ship, so
    that what is measured is what ships.
    """
    rows = np.unique(np.concatenate([pairs.left, pairs.right]))
    start = encoder.layers(recipe.lower, recipe.upper)
    columns = np.zeros((len(states), encoder.width + surface.shape[1]), np.float32)
    columns[rows] = np.hstack([pooled(start, states, rows), surface[rows]])
    scale = Scale.of(columns[rows])
    weights = prefer(scale(columns), pairs, recipe.strength)
    layers = encoder.layers(recipe.lower, recipe.upper)
    total = [_torch.zeros_like(parameter) for parameter in layers.parameters()]
    preference = np.zeros_like(weights)
    for run_number in range(recipe.runs):
        own = encoder.layers(recipe.lower, recipe.upper)

        def told(done: int, steps: int, before: int = run_number) -> None:
            if tell:
                tell(before * steps + done, recipe.runs * steps)

        chance = seed * recipe.runs + run_number
        preference += _tune(own, weights, scale, states, surface, pairs, recipe, chance, told)
        total = [before + each.detach() for before, each in zip(total, own.parameters(), strict=True)]
    layers.requires_grad_(requires_grad=False)
    for parameter, added in zip(layers.parameters(), total, strict=True):
        parameter.copy_((added / recipe.runs).half().float())
    return Learnt(layers=layers.eval(), scale=scale, weights=preference / recipe.runs)


def _tune(
    layers: Any,
    weights: Floats,
    scale: Scale,
    states: States,
    surface: Floats,
    pairs: Pairs,
    recipe: Recipe,
    seed: int,
    tell: Tell,
) -> Floats:
    _torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    for parameter in layers.parameters():
        parameter.requires_grad_(requires_grad=True)
    preference = _nn.Parameter(_torch.tensor(weights, dtype=_torch.float32))
    mean, spread = _torch.from_numpy(scale.mean), _torch.from_numpy(scale.spread)
    seen = _torch.tensor(surface, dtype=_torch.float32)
    learning = [*layers.parameters(), preference]
    optimiser = _torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.decay)
    by_test = _by_test(pairs)
    per_epoch = math.ceil(len(by_test) / recipe.tests_per_step)
    steps = recipe.epochs * per_epoch
    rate = _torch.optim.lr_scheduler.LambdaLR(optimiser, partial(_rate, steps=steps, warm_up=recipe.warm_up))
    layers.train()
    done = 0
    for _ in range(recipe.epochs):
        for some in _shuffled(by_test, recipe.tests_per_step, random):
            rows, sides = np.unique(np.stack([pairs.left[some], pairs.right[some]]), return_inverse=True)
            hidden, mask = states.batch(rows)
            read = _torch.cat([pool(run(layers, hidden, mask), mask), seen[rows]], dim=1)
            utility = ((read - mean) / spread) @ preference
            sides = _torch.from_numpy(sides.reshape(2, -1))
            apart = utility[sides[0]] - utility[sides[1]]
            won = _torch.tensor(pairs.won[some], dtype=_torch.float32)
            lost = _nn.functional.binary_cross_entropy_with_logits(apart, won, reduction="none")
            loss = (lost * _torch.tensor(pairs.evidence[some], dtype=_torch.float32)).mean()
            optimiser.zero_grad()
            loss.backward()
            _nn.utils.clip_grad_norm_(learning, 1.0)
            optimiser.step()
            rate.step()
            done += 1
            tell(done, steps)
    layers.eval()
    return preference.detach().numpy().astype(np.float64)


def _by_test(pairs: Pairs) -> list[Ints]:
    """Places of the pairs of each test."""
    order: Ints = np.argsort(pairs.tests, kind="stable").astype(np.int64)
    splits: Any = np.split(order, np.flatnonzero(np.diff(pairs.tests[order])) + 1)
    return list(splits)


def _shuffled(groups: list[Ints], size: int, random: np.random.Generator) -> Iterator[Ints]:
    order: list[int] = random.permutation(len(groups)).tolist()
    for place in range(0, len(order), size):
        yield np.concatenate([groups[number] for number in order[place : place + size]])


def _rate(step: int, steps: int, warm_up: float) -> float:
    rising = max(1, int(warm_up * steps))
    return min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))


def covariance(columns: Floats, pairs: Pairs, weights: Floats, strength: float) -> Floats:
    """Compute how unsure the weights are: float64[d, d], the inverse curvature of `prefer`'s loss at them.

    Laplace's approximation, (I/strength + sum_i e_i p_i (1 - p_i) x_i x_i')^-1 over pairs i of difference
    x_i, evidence e_i and predicted p_i: D. MacKay, "The evidence framework applied to classification
    networks", Neural Computation 4 (1992). Takes pairs as independent and the layers as given, so it is too
    small: the intervals say how far the linear part alone could be off.
    """
    apart = columns[pairs.left] - columns[pairs.right]
    p = 1 / (1 + np.exp(-(apart @ weights)))
    curved = apart * (pairs.evidence * p * (1 - p))[:, None]
    return np.linalg.inv(np.eye(len(weights)) / strength + apart.T @ curved).astype(np.float64)


def strangeness(columns: Floats, unsure: Floats) -> Floats:
    """Compute how far texts are from those learnt from: sqrt(x' C x), float64[n], C the weights' covariance.

    It is the utility's own standard error: small where training had many headlines of the kind, large in
    directions it hardly varied in (the leverage of regression).
    """
    return np.sqrt(np.einsum("nd,de,ne->n", columns, unsure, columns, optimize=True))
