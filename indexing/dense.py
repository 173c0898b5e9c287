"""Layers that no longer learn, their weights laid out once as the processor's vector units read them best.

What torch calls for a product of float32 matrices is MKL, which leaves half the width of the vector units
idle on processors other than Intel's. oneDNN, which torch brings along as well and its compiler calls, uses
all of it.
"""

from __future__ import annotations

from typing import Any


class Dense:
    """x -> x W' + b, with GELU after it where that is wanted, in float32 on the CPU. Safe for threads."""

    def __init__(self, weight: Any, bias: Any = None, *, gelu: bool = False) -> None:
        """Take float32 tensor[out, in], copied where oneDNN can be had, and tensor[out], or none for 0."""
        import torch

        torch_: Any = torch
        self._torch = torch_
        self._bias = bias
        self._gelu = gelu
        self._packs = bool(torch_.backends.mkldnn.is_available())
        with torch_.no_grad():
            self._weight = torch_.ops.mkldnn._reorder_linear_weight(weight) if self._packs else weight

    def __call__(self, rows: Any) -> Any:
        """Compute it for float32 tensor[n, in]: tensor[n, out]."""
        torch = self._torch
        if self._packs:
            kind, how = ("gelu", "none") if self._gelu else ("none", "")
            return torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, kind, [], how)
        answer = torch.nn.functional.linear(rows, self._weight, self._bias)
        return torch.nn.functional.gelu(answer) if self._gelu else answer
