"""The sentence encoder's own network in plain torch: lower layers that are read, and upper ones that learn.

The vector a sentence encoder ends in says what a text is about; how it is worded, which makes people click,
is said lower down. So headlines are read off a layer in the middle.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import safetensors
import tokenizers
import torch

from eval.datasets.upworthy import Ints
from eval.errors import ProxyError
from indexing.sentence import locate_model

_torch: Any = torch
_nn: Any = torch.nn
_safetensors: Any = safetensors
_tokenizers: Any = tokenizers

MOST_TOKENS = 64
"""Of a text; what is longer is no headline."""
_BATCH = 128
_HEADS = 12

Tell = Callable[[int], None]
"""Called with how many texts are done."""


class States(msgspec.Struct, frozen=True):
    """What a layer says of each token of n texts, one after the other."""

    values: npt.NDArray[np.float16]
    """float16[tokens, width]."""
    starts: Ints
    """int64[n + 1]: where each text begins, and the end."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        return np.diff(self.starts)

    def batch(self, rows: Ints) -> tuple[Any, Any]:
        """Lay texts side by side: float32 tensor[b, longest, width] and bool[b, longest], true at tokens."""
        lengths = self.lengths[rows]
        longest = int(lengths.max(initial=1))
        laid = np.zeros((len(rows), longest, self.values.shape[1]), np.float32)
        for place, row in enumerate(rows):
            laid[place, : lengths[place]] = self.values[self.starts[row] : self.starts[row + 1]]
        mask = np.arange(longest)[None, :] < lengths[:, None]
        return _torch.from_numpy(laid), _torch.from_numpy(mask)


class Encoder:
    """A BERT of safetensors: token embeddings and a stack of layers, in float32, which never change here."""

    def __init__(self, folder: Path, digest: str) -> None:
        """Load it from a folder. Raises `ProxyError` when it is not the network expected."""
        self.digest = digest
        try:
            self._tokens = _tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            with _safetensors.safe_open(str(folder / "model.safetensors"), framework="pt") as weights:
                read = weights.get_tensor
                self._words, self._places = (
                    read(f"embeddings.{name}_embeddings.weight").float() for name in ("word", "position")
                )
                self._kind = read("embeddings.token_type_embeddings.weight").float()[0]
                self._norm = _norm(read, "embeddings.LayerNorm", self.width)
                names = set(weights.keys())
                self._layers = [_layer(read, place, self.width) for place in range(_depth(names))]
        # Whatever safetensors, tokenizers and torch raise on a folder of another kind: no common base.
        except Exception as error:
            raise ProxyError(f"the encoder in {folder} is not a BERT of safetensors: {error}") from error
        self._tokens.enable_truncation(MOST_TOKENS)
        self._tokens.no_padding()

    @classmethod
    def open(cls, name: str = "auto") -> "Encoder":
        """Load all-MiniLM-L6-v2 from where `indexing.sentence.locate_model` finds it.

        Raises `indexing.errors.EmbedderError` when it is nowhere.
        """
        folder, _ = locate_model(name)
        return cls(folder, _digest(folder / "model.safetensors"))

    @property
    def width(self) -> int:
        return int(self._words.shape[1])

    @property
    def depth(self) -> int:
        return len(self._layers)

    def layers(self, start: int, end: int) -> Any:
        """Copy layers into a stack of their own, an `nn.ModuleList` that can learn."""
        copied = _nn.ModuleList([_new_layer(self.width) for _ in range(start, end)])
        for layer, own in zip(copied, self._layers[start:end], strict=True):
            layer.load_state_dict(own.state_dict())
        return copied

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Say which characters of a text each token stands for; an empty span for the two that frame it."""
        return [tuple(span) for span in self._tokens.encode(text).offsets]

    def read(self, texts: Sequence[str], layers: int, tell: Tell | None = None) -> States:
        """Read texts through the first layers, in batches of like length."""
        encoded: list[list[int]] = [each.ids for each in self._tokens.encode_batch(list(texts))]
        starts = np.concatenate([[0], np.cumsum([len(ids) for ids in encoded])]).astype(np.int64)
        values = np.empty((int(starts[-1]), self.width), np.float16)
        order: list[int] = np.argsort([len(ids) for ids in encoded], kind="stable").tolist()
        for place in range(0, len(order), _BATCH):
            rows = order[place : place + _BATCH]
            longest = max(len(encoded[row]) for row in rows)
            ids = np.zeros((len(rows), longest), np.int64)
            mask = np.zeros((len(rows), longest), np.bool_)
            for line, row in enumerate(rows):
                ids[line, : len(encoded[row])] = encoded[row]
                mask[line, : len(encoded[row])] = True
            with _torch.no_grad():
                hidden = self._words[_torch.from_numpy(ids)] + self._places[:longest] + self._kind
                hidden = run(self._layers[:layers], self._norm(hidden), _torch.from_numpy(mask))
            for line, row in enumerate(rows):
                values[starts[row] : starts[row + 1]] = hidden[line, : len(encoded[row])].numpy()
            if tell:
                tell(min(place + _BATCH, len(order)))
        return States(values, starts)


def run(layers: Any, hidden: Any, mask: Any) -> Any:
    """Pass float32 tensor[b, t, width] through layers; bool[b, t] is true at tokens."""
    for layer in layers:
        hidden = layer(hidden, src_key_padding_mask=~mask)
    return hidden


def pool(hidden: Any, mask: Any) -> Any:
    """Average over the tokens of each text: tensor[b, width]."""
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def pooled(layers: Any, states: States, rows: Ints) -> npt.NDArray[np.float32]:
    """Pass texts on through layers that do not learn, and average: float32[len(rows), width]."""
    answer = np.empty((len(rows), states.values.shape[1]), np.float32)
    order = np.argsort(states.lengths[rows], kind="stable")
    layers.eval()
    for place in range(0, len(order), _BATCH):
        some = order[place : place + _BATCH]
        hidden, mask = states.batch(rows[some])
        with _torch.no_grad():
            answer[some] = pool(run(layers, hidden, mask), mask).numpy()
    return answer


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _depth(names: set[str]) -> int:
    return len({name.split(".")[2] for name in names if name.startswith("encoder.layer.")})


def _norm(read: Callable[[str], Any], name: str, width: int) -> Any:
    norm = _nn.LayerNorm(width, eps=1e-12)
    norm.load_state_dict({kind: read(f"{name}.{kind}").float() for kind in ("weight", "bias")})
    return norm.requires_grad_(requires_grad=False)


def _new_layer(width: int) -> Any:
    return _nn.TransformerEncoderLayer(
        width, _HEADS, 4 * width, dropout=0.1, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    )


def _layer(read: Callable[[str], Any], place: int, width: int) -> Any:
    """Read a layer of BERT into torch's own, which keeps query, key and value in one matrix."""

    def both(name: str) -> dict[str, Any]:
        return {kind: read(f"encoder.layer.{place}.{name}.{kind}").float() for kind in ("weight", "bias")}

    heads = [both(f"attention.self.{name}") for name in ("query", "key", "value")]
    parts = {
        "self_attn.out_proj": both("attention.output.dense"),
        "norm1": both("attention.output.LayerNorm"),
        "linear1": both("intermediate.dense"),
        "linear2": both("output.dense"),
        "norm2": both("output.LayerNorm"),
    }
    state = {f"{part}.{kind}": value for part, values in parts.items() for kind, value in values.items()}
    for kind in ("weight", "bias"):
        state[f"self_attn.in_proj_{kind}"] = _torch.cat([head[kind] for head in heads])
    layer = _new_layer(width)
    layer.load_state_dict(state)
    return layer.eval().requires_grad_(requires_grad=False)
