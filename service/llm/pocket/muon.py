"""Muon: momentum whose update of each hidden matrix is made orthogonal.

`torch.optim.Muon` works in bfloat16, which processors without it emulate hundreds of times slower; this one
works in the weights' own precision, matrices of one shape together.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5


def orthogonalise(matrices: Any) -> Any:
    """Return float[n, rows, columns] with all singular values near 1 and the singular vectors kept.

    Five steps of the quintic Newton-Schulz iteration X <- aX + (bA + cA²)X with A = XXᵀ, from X scaled to
    spectral norm at most 1. Singular values come out between about .7 and 1.2, which serves as well. Keller
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-2, -1) if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.transpose(-2, -1)
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.transpose(-2, -1) if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, at the scale of AdamW's updates: .2 · sqrt(longer side).

    For matrices only. Weights decay by `weight_decay` times the rate.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    # torch types a closure's loss as the result; there is none here.
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, closure: Callable[[], float] | None = None
    ) -> None:
        """Move every matrix that has a gradient."""
        del closure
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Any]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(tuple(weight.shape), []).append(weight)
            for shape, weights in shapes.items():
                updates = orthogonalise(torch.stack([self._update(weight, group) for weight in weights]))
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                for weight, update in zip(weights, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(update, alpha=-rate)

    def _update(self, weight: Any, group: dict[str, Any]) -> Any:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        held = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
        return weight.grad.lerp(held, group["momentum"])
