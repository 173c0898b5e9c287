"""What decides a training: every choice of it as one value, so that a checkpoint and a card can name them."""

from typing import Literal

import msgspec

Optimiser = Literal["muon", "adamw"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of one training. The defaults are those of the model that ships."""

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
    """How much more a token of an interest's phrase counts in the loss than any other token of the answer."""
    curriculum: bool = False
    """Whether the first fifth holds short channels only."""
    batch_tokens: int = 3072
    """Tokens of a step, padding included."""
