"""Which kind of index so many vectors get within so much memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from indexing.errors import BudgetError

IndexKind = Literal["flat", "ivf"]

FLAT_BELOW = 50_000
"""Exact search answers within milliseconds up to here."""

DEFAULT_MEMORY_BYTES = 2 * 1024**3
"""For one index: about nine million interests of 384 dimensions."""

_ROW_BYTES = 8
_CODE_EXTRA_BYTES = 20
"""Beside its bits a quantised vector has two factors and a number, and lists end in half-filled blocks."""
_LISTS_PER_ROOT = 3
_SMALLEST_LIST = 39
"""FAISS warns of a k-means with fewer points per centre."""
_MIB = 1024**2


class IndexPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to build."""

    kind: IndexKind
    lists: int = 0
    """Of an inverted file; 0 for a flat index."""
    bytes: int
    """Estimate of file and resident size."""


def plan_index(size: int, dim: int, memory_bytes: int, kind: IndexKind | None = None) -> IndexPlan:
    """Choose for `size` vectors of `dim` dimensions, or see whether `kind` fits.

    Exact below `FLAT_BELOW` where it fits, quantised otherwise. Raises `BudgetError` saying what would
    fit when nothing wanted does.
    """
    plans = [_PLANS[wanted](size, dim) for wanted in ((kind,) if kind else _preferred(size))]
    for plan in plans:
        if plan.bytes <= memory_bytes:
            return plan
    smallest = min(plans, key=lambda plan: plan.bytes)
    raise BudgetError(
        f"A memory budget of {memory_bytes / _MIB:,.1f} MiB holds no index of {size:,} vectors of {dim} "
        f"dimensions: the smallest ({smallest.kind}) takes {smallest.bytes / _MIB:,.1f} MiB, allow that."
    )


def count_lists(size: int) -> int:
    """Choose the number of inverted lists: the power of two next to 3 * sqrt(size), none below 39 vectors."""
    wanted = 2 ** round(math.log2(max(1.0, _LISTS_PER_ROOT * math.sqrt(size))))
    return max(1, min(wanted, size // _SMALLEST_LIST))


def _preferred(size: int) -> tuple[IndexKind, ...]:
    return ("flat", "ivf") if size < FLAT_BELOW else ("ivf",)


def _plan_flat(size: int, dim: int) -> IndexPlan:
    return IndexPlan(kind="flat", bytes=size * (4 * dim + _ROW_BYTES))


def _plan_ivf(size: int, dim: int) -> IndexPlan:
    lists = count_lists(size)
    code_bytes = math.ceil(dim / 8) + _CODE_EXTRA_BYTES
    block = 32 * code_bytes // 2  # on average the last block of a list is half empty
    return IndexPlan(
        kind="ivf", lists=lists, bytes=size * (code_bytes + _ROW_BYTES) + lists * (4 * dim + block)
    )


_PLANS: dict[IndexKind, Callable[[int, int], IndexPlan]] = {"flat": _plan_flat, "ivf": _plan_ivf}
