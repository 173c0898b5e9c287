"""Stable orders of small integers, fast: key and place packed into one number, sorted without an index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FALLING_BITS = 31
"""Bits of what `falling_bits` gives."""

_BITS = 63


def bits_for(count: int) -> int:
    """Bits that hold every number from 0 to `count` - 1."""
    return max(count - 1, 0).bit_length()


def stable_order(keys: Ints, key_bits: int) -> tuple[Ints, Ints]:
    """Sort `keys`, int64[n], each in 0..2**key_bits - 1; give the sorted keys and their places, stable.

    Sorting plain integers is several times as fast as sorting an index by them, so key and place share
    one integer of 63 bits; keys too wide for that take the slow way, with the same result.
    """
    places = np.arange(len(keys), dtype=np.int64)
    place_bits = bits_for(len(keys))
    if key_bits + place_bits > _BITS:
        order = np.argsort(keys, kind="stable")
        return keys[order], order
    packed = (keys << place_bits) | places
    packed.sort()
    return packed >> place_bits, packed & ((1 << place_bits) - 1)


def falling_bits(values: npt.NDArray[np.float32]) -> Ints:
    """Map float32 of 0 and above to integers of 31 bits that sort the other way round."""
    return (0x7FFFFFFF - (values + np.float32(0)).view(np.int32)).astype(np.int64)


def run_starts(keys: Ints) -> Ints:
    """Places where a new value begins in sorted `keys`, int64[n]."""
    if not len(keys):
        return np.zeros(0, np.int64)
    return np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """Join the ranges starts[k]:starts[k] + lengths[k] to one array of places."""
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
