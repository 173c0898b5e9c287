"""What decides a training: every choice of it as one value, so that a checkpoint and a card can name them."""

from typing import Literal

import msgspec

Optimiser = Literal["muon", "adamw"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of one training. The defaults are those by which the model that ships began."""

    tokens: int = 14_000_000
    """To see in all, padding included."""
    seed: int = 1
    """Decides data, tokenizer and first weights."""
    width: int = 256
    layers: int = 4
    vocabulary: int = 3072
    optimiser: Optimiser = "muon"
    """`muon` for the hidden matrices and AdamW for the rest, or AdamW for all."""
    phrase_weight: float = 2.0
    """How much more a token of a phrase of interest or kind counts in the loss than others of the answer."""
    curriculum: bool = False
    """Whether the first fifth holds short channels only."""
    batch_tokens: int = 3072
    """Tokens of a step, padding included."""
    peak_rate: float = 3e-3
    """The learning rate between warm-up and decay."""
    decay_share: float = 0.4
    """The last share of all tokens, over which the learning rate falls to nearly nothing."""
    base: str | None = None
    """sha256 of the weights it went on from, hex; none when it began from nothing."""
