"""Who is left of an audience: the rules in their one order, over whole columns.

1. `suppressed`: on the list for this channel or for all, as a profile or by an address;
2. `denied`: the last word about the channel is no;
3. `no_consent`: there is no word, and the channel is opt-in;
4. `holdout`: in the group that is never written to;
5. `frequency_cap`: had as many messages as a cap allows.

Everybody is counted under the first rule that removes them, so the counts and those who are left add up. What
the law asks comes first, so that its counts do not depend on what the workspace chooses.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import TypeAlias, get_args

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.contact.model import Removed, Rule

RULES: tuple[Rule, ...] = get_args(Rule)
_UNIT = 2**64

Ids: TypeAlias = Sequence[str] | pl.Series
"""Profiles by place; a column where they are many."""


class Lists(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says about one channel, at one moment; ids that are in no audience do no harm."""

    suppressed: Collection[str]
    words: Mapping[str, bool]
    """Profile to whether the last word was yes; whoever said nothing is not in it."""
    capped: Collection[str]
    """Those who had as many messages as a cap allows."""
    opt_in: bool
    holdout: float
    key: bytes
    """The workspace's own, under which the holdout is drawn."""


class Recipients(msgspec.Struct, frozen=True, kw_only=True):
    """Who of an audience may be written to."""

    allowed: NDArray[np.bool_]
    """bool[n]: by place in the audience."""
    removed: tuple[Removed, ...]
    """By every rule, in their order."""


def apply_rules(ids: Ids, lists: Lists, *, erased: Collection[str] = ()) -> Recipients:
    """Apply every rule to an audience; CPU work.

    `erased` are nobody: neither allowed nor counted.
    """
    audience = pl.Series("id", ids, dtype=pl.String)
    said = list(lists.words)
    yes = [who for who in said if lists.words[who]]
    denied = _among(audience, [who for who in said if not lists.words[who]])
    unknown = ~(denied | _among(audience, yes))
    hits: dict[Rule, NDArray[np.bool_]] = {
        "suppressed": _among(audience, lists.suppressed),
        "denied": denied,
        "no_consent": unknown if lists.opt_in else np.zeros(len(ids), dtype=np.bool_),
        "holdout": held_out(ids, lists.key, lists.holdout),
        "frequency_cap": _among(audience, lists.capped),
    }
    left = ~_among(audience, erased)
    removed: list[Removed] = []
    for rule in RULES:
        hit = left & hits[rule]
        removed.append(Removed(rule=rule, removed=int(np.count_nonzero(hit))))
        left &= ~hit
    return Recipients(allowed=left, removed=tuple(removed))


def held_out(ids: Ids, key: bytes, share: float) -> NDArray[np.bool_]:
    """Say who is in the holdout, bool[n]: those whose hash, as a number from 0 to 1, is below the share.

    The hash is BLAKE2b of the id under the workspace's key, 8 bytes: the same profile is always in or always
    out, independently of channel, segment and time, and a larger share only adds to a smaller one. Of n
    profiles the share is met to about the square root of share * (1 - share) / n, as by drawing lots.
    """
    if share <= 0:
        return np.zeros(len(ids), dtype=np.bool_)
    digests = (
        blake2b(each.encode("utf-8", "surrogatepass"), digest_size=8, key=key, person=b"holdout").digest()
        for each in ids
    )
    drawn = np.fromiter((int.from_bytes(each) for each in digests), dtype=np.uint64, count=len(ids))
    return drawn < np.uint64(min(round(share * _UNIT), _UNIT - 1))


def _among(audience: pl.Series, ids: Collection[str]) -> NDArray[np.bool_]:
    if not ids:
        return np.zeros(len(audience), dtype=np.bool_)
    return audience.is_in(pl.Series(list(ids), dtype=pl.String).implode()).to_numpy()
