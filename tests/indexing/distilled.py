"""A small static embedder for tests: few words of the vocabulary, the texts of the small world's kind."""

from typing import Any

import numpy as np

from indexing.distillation import LONGEST_TOKENS, Distilled, distil
from indexing.embedder import Embedder
from indexing.sentence import locate_model
from indexing.static_embedder import read_tokenizer

THINGS = (
    *("garden trowel", "watering can", "spade for the vegetable patch", "seed tray", "garden hose"),
    *("guitar with six strings", "violin bow", "drum sticks", "piano stool", "music stand"),
    *("graphics card", "computer mouse", "laptop sleeve", "keyboard for a tablet", "webcam"),
)
TEXTS = tuple(f"{thing}{suffix}" for thing in THINGS for suffix in ("", ", second hand", " as a gift"))


def small_tokenizer() -> Any:
    """The offline model's tokenizer with only the words of `TEXTS` and single characters."""
    import json

    from tokenizers import Tokenizer

    path = locate_model("offline")[0] / "tokenizer.json"
    whole = read_tokenizer(path, LONGEST_TOKENS)
    used = {token for text in TEXTS for token in whole.encode(text, add_special_tokens=False).tokens}
    layout = json.loads(whole.to_str())
    special = [entry["content"] for entry in layout["added_tokens"]]
    kept = [
        *special,
        *sorted(used),
        *(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in used),
    ]
    for entry in layout["added_tokens"]:
        entry["id"] = special.index(entry["content"])
    layout["model"]["vocab"] = {token: number for number, token in enumerate(dict.fromkeys(kept))}
    for name, entry in layout["post_processor"]["special_tokens"].items():
        entry["ids"] = [special.index(name)]
    return Tokenizer.from_str(json.dumps(layout))


def distil_small(teacher: Embedder, *, dim: int | None = None, seed: int = 0) -> Distilled:
    """Distil the teacher on `TEXTS`, in a second."""
    return distil(TEXTS, teacher, small_tokenizer(), dim=dim, seed=seed)


def cosines(left: Embedder, right: Embedder, texts: tuple[str, ...]) -> float:
    """The mean cosine of two encoders of one space."""
    return float(np.mean(np.sum(left.encode(texts) * right.encode(texts), axis=1)))
