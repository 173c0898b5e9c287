"""A BERT sentence encoder run on many texts at once without padding.

The tokens of all texts lie one after the other: everything but attention looks at one token at a time and
takes them as one long matrix, and attention looks at each text alone. So no work is spent on padding, the
weights are read once for all texts, and a text's row depends on its company in the last bits alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from indexing.dense import Dense
from indexing.embedder import Vectors

MOST_TOKENS = 1024
"""Run at once: more is no faster, and what the widest layer makes of them takes 6 MiB."""


class _Layer(NamedTuple):
    """One layer; a norm is a weight and a bias."""

    attended: Dense
    """Query, key and value in one matrix."""
    joined: Dense
    joined_norm: tuple[Any, Any]
    widened: Dense
    narrowed: Dense
    narrowed_norm: tuple[Any, Any]


class PackedBert:
    """The network of a sentence-transformers model; made by `of`."""

    def __init__(self, model: Any) -> None:
        from tokenizers import Tokenizer

        bert = model[0].auto_model
        state: dict[str, Any] = {name: value.detach() for name, value in bert.state_dict().items()}
        # A copy: the library sets padding and truncation of its own as it goes.
        self._tokenizer: Any = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(model.max_seq_length)
        self._heads = int(bert.config.num_attention_heads)
        self._epsilon = float(bert.config.layer_norm_eps)
        self._words, self._places, kinds = (
            state[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        self._kind = kinds[0]
        self._norm = _pair(state, "embeddings.LayerNorm")
        self._layers = [
            _layer(state, f"encoder.layer.{n}") for n in range(int(bert.config.num_hidden_layers))
        ]

    @classmethod
    def of(cls, model: Any) -> PackedBert | None:
        """Take over a sentence-transformers model; none for one of another make.

        It must be a BERT on the CPU in float32 that reads a text as it is, and means its tokens' vectors.
        """
        kinds = [type(module).__name__ for module in model]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            return None
        bert = model[0].auto_model
        alike = (
            type(bert).__name__ == "BertModel"
            and (bert.config.hidden_act, str(bert.dtype)) == ("gelu", "torch.float32")
            and (model.device.type, model[1].pooling_mode) == ("cpu", "mean")
            and not bert.config.is_decoder
            and not model[0].do_lower_case
            and not model.default_prompt_name
            and hasattr(model.tokenizer, "backend_tokenizer")
        )
        return cls(model) if alike else None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts into float32[n, width], the mean of their tokens' vectors; not yet of unit length."""
        read: list[list[int]] = [each.ids for each in self._tokenizer.encode_batch(list(texts))]
        rows = np.empty((len(read), self._words.shape[1]), np.float32)
        # Of like length together, so that a batch is neither many short texts nor a few long ones by chance.
        order = sorted(range(len(read)), key=lambda place: len(read[place]))
        while order:
            some = _first_tokens(order, read)
            del order[: len(some)]
            rows[some] = self._run([read[place] for place in some])
        return rows

    def _run(self, read: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Run texts, each a list of token numbers, through the network."""
        import torch
        import torch.nn.functional as functional

        torch_: Any = torch
        f: Any = functional
        lengths = [len(each) for each in read]
        tokens = torch_.from_numpy(np.concatenate([np.asarray(each, np.int64) for each in read]))
        places = torch_.from_numpy(np.concatenate([np.arange(length) for length in lengths]))

        def norm(hidden: Any, by: tuple[Any, Any]) -> Any:
            return f.layer_norm(hidden, hidden.shape[-1:], *by, self._epsilon)

        with torch_.inference_mode():
            hidden = norm(self._words[tokens] + self._places[places] + self._kind, self._norm)
            for layer in self._layers:
                seen = self._attend(f, layer.attended(hidden), lengths)
                hidden = norm(hidden + layer.joined(seen), layer.joined_norm)
                hidden = norm(hidden + layer.narrowed(layer.widened(hidden)), layer.narrowed_norm)
            return torch_.stack([text.mean(dim=0) for text in hidden.split(lengths)]).numpy()

    def _attend(self, f: Any, attended: Any, lengths: Sequence[int]) -> Any:
        """Let each text's tokens look at one another: tensor[tokens, 3 * width] to [tokens, width]."""
        split = attended.view(len(attended), 3, self._heads, -1)
        seen: Any = attended.new_empty(len(attended), self._heads, split.shape[-1])
        start = 0
        for length in lengths:
            query, key, value = split[start : start + length].permute(1, 2, 0, 3).unsqueeze(1)
            looked = f.scaled_dot_product_attention(query, key, value)
            seen[start : start + length] = looked[0].transpose(0, 1)
            start += length
        return seen.view(len(attended), -1)


def _first_tokens(order: Sequence[int], read: Sequence[Sequence[int]]) -> list[int]:
    """Take texts while there is room for their tokens, at least one."""
    some, room = [order[0]], MOST_TOKENS - len(read[order[0]])
    for place in order[1:]:
        room -= len(read[place])
        if room < 0:
            break
        some.append(place)
    return some


def _layer(state: dict[str, Any], name: str) -> _Layer:
    import torch

    heads = [_pair(state, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    joined: Any = torch.cat
    return _Layer(
        attended=Dense(joined([weight for weight, _ in heads]), joined([bias for _, bias in heads])),
        joined=Dense(*_pair(state, f"{name}.attention.output.dense")),
        joined_norm=_pair(state, f"{name}.attention.output.LayerNorm"),
        widened=Dense(*_pair(state, f"{name}.intermediate.dense"), gelu=True),
        narrowed=Dense(*_pair(state, f"{name}.output.dense")),
        narrowed_norm=_pair(state, f"{name}.output.LayerNorm"),
    )


def _pair(state: dict[str, Any], name: str) -> tuple[Any, Any]:
    return state[f"{name}.weight"], state[f"{name}.bias"]
