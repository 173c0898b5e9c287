"""The proxy as it ships: a few learnt layers over the sentence encoder, a preference, and how sure it is."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import safetensors.torch as safetensors
import torch

from eval.errors import ProxyError
from eval.figures import Figure
from eval.html.charts import Bin
from eval.proxies.headline.calibration import Calibration, probability
from eval.proxies.headline.encoder import Encoder, States
from eval.proxies.headline.learning import Learnt, Recipe, Scale, strangeness
from eval.proxies.headline.pairs import Floats
from eval.proxies.headline.surface import NAMES, surface
from eval.proxies.port import Prediction, prediction
from prompts.checks.language import other_language
from prompts.reading_ease import words

_torch: Any = torch
_safetensors: Any = safetensors

SHIPPED = Path(__file__).parent / "artifact"
FORMAT = 1
MANIFEST, WEIGHTS = "manifest.json", "head.safetensors"
FEWEST_WORDS, MOST_CHARACTERS = 3, 300
MEANING = "how it is worded"
FRAME = "the sentence as a whole"
OTHERS = "how the others are worded"
_WORD = re.compile(r"\S+")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an artefact comes from, what it needs and how well it does."""

    format: int = FORMAT
    encoder: str
    """sha256 of the sentence encoder's weights, hex: the layers belong to it alone."""
    recipe: Recipe
    seed: int
    calibration: Calibration
    strangest: float
    """Standard error of a utility above which a text is too far from those learnt from."""
    surface: tuple[str, ...]
    """Names of the surface columns, in order."""
    data: dict[str, str]
    """sha256 of each file learnt from, by name."""
    split: str
    licence: str
    limits: str
    figures: tuple[Figure, ...]
    """Out of fold, by the same recipe."""
    reliability: tuple[Bin, ...] = ()
    """How often favourites won, by how sure it was, of the same pairs; an older artefact has none."""


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one property adds to a text's chance, on the log-odds scale; they add up to the logit of `p`."""

    name: str
    value: float


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What the proxy says of one text against others."""

    known: bool
    """False: it does not know, and `p` is not to be used."""
    why_not: str = ""
    p: float
    """Probability that it is clicked more than the others on average, in a test like those learnt from."""
    low: float
    high: float
    """95 % of the linear part's uncertainty; see `learning.covariance`."""
    contributions: tuple[Contribution, ...]
    """Largest first."""


def read_manifest(folder: Path = SHIPPED) -> Manifest:
    """Read an artefact's manifest; raises `OSError` or `msgspec.DecodeError` when it cannot be."""
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


class HeadlineProxy:
    """Predicts which of several texts people click more. Safe for threads: nothing changes after loading."""

    name: Literal["headline"] = "headline"

    def __init__(self, encoder: Encoder, learnt: Learnt, covariance: Floats, manifest: Manifest) -> None:
        """Take the parts. Raises `ProxyError` when the layers were learnt over another encoder."""
        if manifest.encoder != encoder.digest:
            raise ProxyError(
                f"the headline proxy was made for the encoder {manifest.encoder[:16]}, this one is "
                f"{encoder.digest[:16]}: train one for it with `pitchwright eval proxy train`"
            )
        self._encoder = encoder
        self._learnt = learnt
        self._covariance = covariance
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path = SHIPPED, encoder: Encoder | None = None) -> "HeadlineProxy":
        """Open an artefact. Raises `ProxyError` when it is missing, damaged, or of another encoder."""
        encoder = encoder or Encoder.open()
        try:
            manifest = read_manifest(folder)
            read = _safetensors.load_file(folder / WEIGHTS)
            recipe = manifest.recipe
            layers = encoder.layers(recipe.lower, recipe.upper)
            layers.load_state_dict(
                {name[7:]: value.float() for name, value in read.items() if name.startswith("layers.")}
            )
            layers.eval().requires_grad_(requires_grad=False)
            scale = Scale(read["mean"].numpy(), read["spread"].numpy())
            weights = read["weights"].numpy().astype(np.float64)
            covariance = read["covariance"].numpy().astype(np.float64)
        # Whatever safetensors, torch and msgspec raise on a broken artefact: no common base.
        except Exception as error:
            raise ProxyError(
                f"the headline proxy in {folder} does not load: {error}. Make one with "
                "`pitchwright eval proxy train`"
            ) from error
        if manifest.format != FORMAT or manifest.surface != NAMES:
            raise ProxyError(
                f"the headline proxy in {folder} has format {manifest.format} or other surface features than "
                f"this version's (format {FORMAT}): make it again with `pitchwright eval proxy train`"
            )
        return cls(encoder, Learnt(layers=layers, scale=scale, weights=weights), covariance, manifest)

    def save(self, folder: Path) -> None:
        """Write the artefact: layers in half precision, the rest in single, and the manifest."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = {f"layers.{name}": value.half() for name, value in self._learnt.layers.state_dict().items()}
        rest = {
            "mean": self._learnt.scale.mean,
            "spread": self._learnt.scale.spread,
            "weights": self._learnt.weights,
            "covariance": self._covariance,
        }
        parts |= {name: _torch.tensor(value, dtype=_torch.float32) for name, value in rest.items()}
        _safetensors.save_file({name: value.contiguous() for name, value in parts.items()}, folder / WEIGHTS)
        (folder / MANIFEST).write_text(
            json.dumps(msgspec.to_builtins(self.manifest), indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )

    def columns(self, texts: Sequence[str]) -> Floats:
        """Read texts into standardised columns, float64[n, d]; CPU work, about 2 ms a headline."""
        return self._learnt.columns(self._read(texts), surface(texts), np.arange(len(texts), dtype=np.int64))

    def _read(self, texts: Sequence[str]) -> States:
        return self._encoder.read(texts, self.manifest.recipe.lower)

    def utilities(self, texts: Sequence[str]) -> Prediction:
        """Predict true log click rates up to a constant, as `eval.proxies.port.Proxy` asks.

        A text it does not know keeps mean 0 and the whole spread.
        """
        calibration = self.manifest.calibration
        columns = self.columns(texts)
        utility = columns @ self._learnt.weights
        unknown = np.array([bool(self.stranger(text, row)) for text, row in zip(texts, columns, strict=True)])
        known = ~unknown.astype(np.bool_)
        centre = float(utility[known].mean()) if known.any() else 0.0
        return prediction(
            np.where(known, calibration.rate * (utility - centre), 0.0),
            np.where(known, calibration.residual, calibration.spread),
            calibration.spread,
        )

    def stranger(self, text: str, row: Floats) -> str:
        """Say why the proxy does not know a text of the given columns, float64[d]; empty when it does."""
        if len(words(text)) < FEWEST_WORDS:
            return f"fewer than {FEWEST_WORDS} words"
        if len(text) > MOST_CHARACTERS:
            return f"{len(text):,} characters; it has read headlines of at most {MOST_CHARACTERS}"
        if language := other_language(text, "en"):
            return f"not English but, it seems, {language}"
        strange = float(strangeness(row[None], self._covariance)[0])
        if strange > self.manifest.strangest:
            most = self.manifest.strangest
            return f"too unlike the headlines it has read ({strange:.3f}, at most {most:.3f})"
        return ""

    def compare(
        self, texts: Sequence[str], others: Sequence[str] | None = None, *, by_word: bool = False
    ) -> list[Opinion]:
        """Say of each text how likely it beats the others: those given, or else the rest of the texts.

        Against several others it is compared with what they are worth on average. With `by_word` the words of
        each text are told apart. Raises `ProxyError` when there is nothing to compare with.
        """
        if (others is None and len(texts) < 2) or (others is not None and not others):
            raise ProxyError(f"{len(texts)} text and nothing to compare with: give another, or a control")
        together = [*texts, *(others or ())]
        read = self._learnt.tokens(self._read(together))
        columns = self._learnt.columns_of(read, surface(together))
        mine, beside = columns[: len(texts)], columns[len(texts) :]
        theirs = None if others is None else beside.mean(axis=0)
        strange_other = self._first_stranger(others or (), beside)
        answers: list[Opinion] = []
        for place, text in enumerate(texts):
            rest = np.delete(mine, place, axis=0).mean(axis=0) if theirs is None else theirs
            why_not = self.stranger(text, mine[place]) or strange_other
            worded = self._by_word(text, self._learnt.by_token(read[place]), rest) if by_word else None
            answers.append(self._opinion(mine[place] - rest, why_not, worded))
        return answers

    def _first_stranger(self, texts: Sequence[str], columns: Floats) -> str:
        for text, row in zip(texts, columns, strict=True):
            if why := self.stranger(text, row):
                return f"what it is compared with is {why}"
        return ""

    def _by_word(self, text: str, parts: Floats, rest: Floats) -> list[Contribution]:
        """Tell a text's words apart.

        `parts`, float64[tokens], is what each token adds; `rest`, float64[d], are the columns of what the
        text is compared with.
        """
        width = len(rest) - len(NAMES)
        words = [match.span() for match in _WORD.finditer(text)]
        worth = dict.fromkeys(words, 0.0)
        frame = 0.0
        for (start, end), value in zip(self._encoder.spans(text), parts.tolist(), strict=True):
            word = next((span for span in words if start < end and span[0] <= start < span[1]), None)
            if word is None:
                frame += value
            else:
                worth[word] += value
        made = [Contribution(name=f'"{text[slice(*span)]}"', value=value) for span, value in worth.items()]
        theirs = -float(rest[:width] @ self._learnt.weights[:width])
        return [*made, Contribution(name=FRAME, value=frame), Contribution(name=OTHERS, value=theirs)]

    def _opinion(self, apart: Floats, why_not: str, worded: Sequence[Contribution] | None) -> Opinion:
        slope = self.manifest.calibration.slope
        parts = slope * apart * self._learnt.weights
        logit = float(parts.sum())
        error = slope * float(strangeness(apart[None], self._covariance)[0])
        p, low, high = probability(np.array([logit, logit - 1.96 * error, logit + 1.96 * error])).tolist()
        seen = parts[-len(NAMES) :]
        made = [Contribution(name=MEANING, value=float(parts[: -len(NAMES)].sum()))]
        if worded is not None:
            made = [Contribution(name=each.name, value=slope * each.value) for each in worded]
        made += [Contribution(name=name, value=float(value)) for name, value in zip(NAMES, seen, strict=True)]
        made.sort(key=lambda one: -abs(one.value))
        return Opinion(
            known=not why_not,
            why_not=why_not,
            p=p,
            low=low,
            high=high,
            contributions=tuple(one for one in made if one.value),
        )
