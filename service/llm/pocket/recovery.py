"""Whether tone and stage can be read off a text: classifiers trained on the corpus, asked about answers."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from prompts.variant import Fields
from service.llm.pocket.corpus import Pair
from service.llm.pocket.sketch import texts_of

_text_features: Any = import_module("sklearn.feature_extraction.text")
_linear: Any = import_module("sklearn.linear_model")
_pipeline: Any = import_module("sklearn.pipeline")

TONE_PAIRS = 12_000
"""Samples the tone is learnt from; the stage, told in one line of several, needs all there are."""

_WORD = r"[a-z']+|[!?{}]"


class Recovery:
    """Names the tone and the stage of a text, slots and all.

    Logistic regression on TF-IDF of words and word pairs, over all tones and over the four stages, fitted on
    samples of the corpus. It sees the text alone.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        fresh = [(sketch, fields) for sketch, fields in pairs if not sketch.rewrite]
        toned = fresh[:TONE_PAIRS]
        self._tone = _fit([_text(fields) for _, fields in toned], [sketch.tone for sketch, _ in toned])
        staged = [(sketch.stage, fields) for sketch, fields in fresh if sketch.stage is not None]
        self._stage = _fit([_text(fields) for _, fields in staged], [stage for stage, _ in staged])

    def tones(self, texts: Sequence[Fields]) -> list[str]:
        """Name the tone of each text."""
        return [str(name) for name in self._tone.predict([_text(fields) for fields in texts])]

    def stages(self, texts: Sequence[Fields]) -> list[str]:
        """Name the stage of each text, told or not."""
        return [str(name) for name in self._stage.predict([_text(fields) for fields in texts])]


def _text(fields: Fields) -> str:
    return " \n ".join(texts_of(fields)).lower()


def _fit(texts: Sequence[str], names: Sequence[str]) -> Any:
    vectorizer = _text_features.TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=_WORD
    )
    model = _pipeline.make_pipeline(vectorizer, _linear.LogisticRegression(C=20.0, max_iter=400))
    return model.fit(texts, names)
