"""A Llama in plain torch, on the processor, where a small model spends its time on all but arithmetic.

Matrices that read the same input are one matrix, norms are folded into the matrices after them, rotary
embeddings are one complex product, and keys and values lie in one buffer with room. Importing transformers'
own takes longer than loading a small model and writing the first answer. Several rows go through a matrix as
`indexing.dense` lays it out, two to three times as fast on processors other than Intel's; what that costs to
begin makes a single row twice as slow, so a small matrix is kept as it is, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import torch as safetensors
from torch.nn import functional

from indexing.dense import Dense

_functional: Any = functional
_torch: Any = torch
_safetensors: Any = safetensors

ROOM = 64
"""Tokens by which the buffer of keys and values grows."""

SMALL_MATRIX = 4_000_000
"""Numbers up to which a matrix is kept for single rows as well; a larger one takes long to read, however."""


class _Rope(msgspec.Struct, frozen=True):
    rope_type: str = "default"
    rope_theta: float = 10_000.0


class LlamaConfig(msgspec.Struct, frozen=True):
    """The part of a `config.json` that decides what a Llama computes, under its published names."""

    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    rope_theta: float = 10_000.0
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: _Rope | None = None
    quantization_config: dict[str, Any] | None = None

    @property
    def head_width(self) -> int:
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def shared_heads(self) -> int:
        """Heads of keys and values, each shared by one or several heads of queries."""
        return self.num_key_value_heads or self.num_attention_heads


def read_config(folder: Path) -> LlamaConfig | None:
    """Read a folder's configuration; none when it is not of a Llama this module computes as published.

    Raises `OSError` when there is none to read.
    """
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=LlamaConfig)
    except msgspec.DecodeError:
        return None
    plain = (
        config.model_type == "llama"
        and config.hidden_act == "silu"
        and not (config.attention_bias or config.mlp_bias)
        and not (config.rope_scaling or config.quantization_config)
        and (config.rope_parameters is None or config.rope_parameters.rope_type == "default")
    )
    return config if plain else None


class _Matrix:
    """x -> x W', for float32 W[output, input] and x[n, input]."""

    def __init__(self, weight: Any) -> None:
        self._several = Dense(weight)
        self._one = weight.T.contiguous() if weight.numel() <= SMALL_MATRIX else None

    def __call__(self, x: Any) -> Any:
        return self._several(x) if self._one is None or len(x) > 1 else x @ self._one


class _Layer:
    """One layer's matrices, the norm before it folded in."""

    def __init__(self, weights: Mapping[str, Any], prefix: str, config: LlamaConfig) -> None:
        before = weights[f"{prefix}.input_layernorm.weight"]
        after = weights[f"{prefix}.post_attention_layernorm.weight"]
        width = config.head_width
        query, key, value = (weights[f"{prefix}.self_attn.{name}_proj.weight"] for name in "qkv")
        self.attend = _folded([_interleaved(query, width), _interleaved(key, width), value], before)
        self.attended = _Matrix(weights[f"{prefix}.self_attn.o_proj.weight"])
        gate, up = (weights[f"{prefix}.mlp.{name}_proj.weight"] for name in ("gate", "up"))
        self.widen = _folded([gate, up], after)
        self.narrow = _Matrix(weights[f"{prefix}.mlp.down_proj.weight"])


def _folded(matrices: Sequence[Any], norm: Any) -> _Matrix:
    return _Matrix(torch.cat(list(matrices)) * norm)


def _interleaved(matrix: Any, width: int) -> Any:
    """Bring the two halves of each head, which rotary embeddings turn together, side by side."""
    return matrix.unflatten(0, (-1, 2, width // 2)).transpose(1, 2).flatten(0, 2)


class Llama:
    """Adapter of `service.llm.network.Network`, in float32."""

    grows = True

    def __init__(self, config: LlamaConfig, weights: Mapping[str, Any]) -> None:
        """Fold the weights; raises `KeyError` or `RuntimeError` when some are missing or of another shape."""
        self.config = config
        self._epsilon = torch.tensor(config.rms_norm_eps)
        self.embeddings: Any = weights["model.embed_tokens.weight"]
        self.layers = [
            _Layer(weights, f"model.layers.{number}", config) for number in range(config.num_hidden_layers)
        ]
        tied = config.tie_word_embeddings
        head = self.embeddings if tied else weights["lm_head.weight"]
        self.head = _folded([head], weights["model.norm.weight"])
        self.turns = _turns(config)
        self.parameters = sum(weight.numel() for name, weight in weights.items() if name != "lm_head.weight")
        self.parameters += 0 if tied else head.numel()

    @classmethod
    def load(cls, config: LlamaConfig, files: Sequence[Path]) -> Llama:
        """Load weights from safetensors files; raises what safetensors, torch and the class raise."""
        weights: dict[str, Any] = {}
        for file in files:
            weights |= {name: weight.float() for name, weight in _safetensors.load_file(file).items()}
        return cls(config, weights)

    @property
    def longest(self) -> int:
        return self.config.max_position_embeddings

    @property
    def vocabulary(self) -> int:
        return self.config.vocab_size

    def begin(self) -> LlamaReading:
        return LlamaReading(self)

    def forward(self, tokens: Any, places: Any, memory: Any, start: int, mask: Any) -> Any:
        """Read int64[rows, n] tokens at their `places`, and return the last one's float32[rows, vocabulary].

        `memory` is float32[layers, 2, rows, shared heads, room, width]: keys and values, of which columns
        `start` to `start + n` are written. `mask`, float32[rows, 1, n, start + n], is 0 where a token looks
        at a column and minus infinity elsewhere.
        """
        config = self.config
        rows, n = tokens.shape
        width, heads, shared = config.head_width, config.num_attention_heads, config.shared_heads
        turned, end = heads + shared, start + n
        turns = self.turns[places].unsqueeze(2)
        x = self.embeddings[tokens].flatten(0, 1)
        for layer, (keys, values) in zip(self.layers, memory, strict=True):
            out = layer.attend(self._normed(x)).view(rows, n, turned + shared, width)
            pairs = torch.view_as_complex(out[:, :, :turned].unflatten(-1, (-1, 2)))
            rotated = torch.view_as_real(pairs * turns).flatten(-2)
            keys[:, :, start:end] = rotated[:, :, heads:].transpose(1, 2)
            values[:, :, start:end] = out[:, :, turned:].transpose(1, 2)
            queries = rotated[:, :, :heads]
            if layer is self.layers[-1] and n > 1:
                # Only the last token's scores are wanted, and nothing looks at this layer's others again.
                queries, mask = queries[:, -1:], mask[:, :, -1:]
                x = x.view(rows, n, -1)[:, -1]
            found = _functional.scaled_dot_product_attention(
                queries.transpose(1, 2),
                keys[:, :, :end],
                values[:, :, :end],
                attn_mask=mask,
                enable_gqa=heads != shared,
            )
            x = x + layer.attended(found.transpose(1, 2).reshape(x.shape[0], -1))
            gate, up = layer.widen(self._normed(x)).chunk(2, dim=-1)
            x = x + layer.narrow(_functional.silu(gate).mul_(up))
        return self.head(self._normed(x))

    def _normed(self, x: Any) -> Any:
        """Scale rows to a root mean square of one: x / sqrt(|x|² / size + epsilon)."""
        size = _torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return x * torch.addcmul(self._epsilon, size, size, value=1 / self.config.hidden_size).rsqrt_()


def _turns(config: LlamaConfig) -> Any:
    """Return complex64[places, width / 2]: by what a pair is turned at each place."""
    theta = config.rope_parameters.rope_theta if config.rope_parameters else config.rope_theta
    width = config.head_width
    speeds = 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
    angles = torch.outer(torch.arange(config.max_position_embeddings, dtype=torch.float32), speeds)
    return _torch.polar(torch.ones_like(angles), angles)


class LlamaReading:
    """Adapter of `service.llm.network.Reading`.

    All rows end at the same column of the memory; the shorter ones have unused columns on their left.
    """

    def __init__(self, llama: Llama) -> None:
        self._llama = llama
        self._lengths: list[int] = []
        self._end = 0
        self._memory: Any = self._empty(0, 0)
        self._mask: Any = torch.zeros(0, 1, 1, 0)
        """float32[rows, 1, 1, room]: minus infinity in the columns a row does not use."""

    def join(self, prompts: Sequence[Sequence[int]]) -> Any:
        # The variants of a draft have one prompt: it is read once, and what was read of it is copied.
        first, lengths = len(self._lengths), [len(prompt) for prompt in prompts]
        place_of = {prompt: place for place, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        width = max(lengths)
        tokens = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in place_of])
        unused = torch.tensor([[width - len(prompt)] for prompt in place_of])
        columns = torch.arange(width)
        places = (columns - unused).clamp_min(0)
        # An unused column looks at itself: what looks at nothing becomes NaN, and NaN would spread.
        seen = (columns >= unused)[:, None, :] & (columns <= columns[:, None]) | torch.eye(width).bool()
        self._make_room(first + len(prompts), width)
        self._lengths += lengths
        self._mask[first : len(self._lengths)] = self._unused(lengths)
        memory = self._memory[:, :, first : len(self._lengths), :, self._end - width :]
        scores = self._llama.forward(tokens, places, memory[:, :, : len(place_of)], 0, _mask(seen[:, None]))
        if len(place_of) < len(prompts):
            read = torch.tensor([place_of[tuple(prompt)] for prompt in prompts])
            memory[..., :width, :] = memory[:, :, read, :, :width]
            scores = scores[read]
        return scores

    def read(self, tokens: Sequence[int]) -> Any:
        rows = len(self._lengths)
        if self._end == self._memory.shape[4]:
            self._move(self._memory.shape[2], max(self._lengths))
        places = torch.tensor(self._lengths)[:, None]
        # What lies before the longest row is of rows that have left.
        longest = max(self._lengths)
        used = slice(self._end - longest, self._end + 1)
        mask, memory = self._mask[:rows, ..., used], self._memory[:, :, :rows, :, used]
        scores = self._llama.forward(torch.tensor(tokens)[:, None], places, memory, longest, mask)
        self._end += 1
        self._lengths = [length + 1 for length in self._lengths]
        return scores

    def drop(self, rows: Collection[int]) -> list[int]:
        kept = [row for row in range(len(self._lengths)) if row not in rows]
        order = list(range(len(kept)))
        holes = [row for row in order if row in rows]
        # Only rows from the end move, so that what a step costs hardly depends on who leaves.
        for hole, row in zip(holes, reversed(kept), strict=False):
            self._memory[:, :, hole, :, : self._end] = self._memory[:, :, row, :, : self._end]
            self._mask[hole] = self._mask[row]
            order[hole] = row
        self._lengths = [self._lengths[row] for row in order]
        return order

    def _make_room(self, rows: int, width: int) -> None:
        """See to it that there are so many rows, and so many columns up to the end."""
        if rows > self._memory.shape[2] or width > (self._end if self._lengths else self._memory.shape[4]):
            self._move(max(rows, self._memory.shape[2]), max([width, *self._lengths]))
        elif not self._lengths:
            self._end = width

    def _move(self, rows: int, end: int) -> None:
        """Move into a memory of so many rows, the rows' end at that column and room after it."""
        held, longest = len(self._lengths), max(self._lengths, default=0)
        memory = self._empty(rows, end + ROOM)
        kept = self._memory[:, :, :held, :, self._end - longest : self._end]
        memory[:, :, :held, :, end - longest : end] = kept
        self._memory, self._end = memory, end
        self._mask = torch.zeros(rows, 1, 1, end + ROOM)
        self._mask[:held] = self._unused(self._lengths)

    def _unused(self, lengths: Sequence[int]) -> Any:
        """Return float32[rows, 1, 1, room], the mask of rows of these lengths."""
        first = torch.tensor([self._end - length for length in lengths], dtype=torch.long)
        columns = torch.arange(self._memory.shape[4])
        return _mask((columns >= first[:, None])[:, None, None])

    def _empty(self, rows: int, room: int) -> Any:
        """Return zeros: what a mask hides must still be a number."""
        config = self._llama.config
        return torch.zeros(config.num_hidden_layers, 2, rows, config.shared_heads, room, config.head_width)


def _mask(seen: Any) -> Any:
    """Turn a mask of truth values into one that is added to scores of attention."""
    return torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))
