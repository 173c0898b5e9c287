"""The pocket model's tokenizer: byte-level BPE, and one token per fixed piece of a prompt or answer."""

import random
import re
from collections.abc import Iterator
from typing import Any

import tokenizers
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

from prompts.interests import ANYONE, INTERESTS
from prompts.kinds import KINDS
from prompts.slots import HINT_EDGES, SLOT_NAMES
from service.llm.pocket.corpus import draw_sample
from service.llm.pocket.lexicon import REWRITES, TONES
from service.llm.pocket.phrase_rules import GOALS, STAGES
from service.llm.pocket.sketch import CHANNELS, dump_fields, write_prompt

_tokenizers: Any = tokenizers
_models: Any = models
_pre_tokenizers: Any = pre_tokenizers
_decoders: Any = decoders
_trainers: Any = trainers
_transformers: Any = transformers

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}<|assistant|>{{ m['content'] }}<|end|>"
    "{% else %}<|{{ m['role'] }}|>{{ m['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ("<pad>", "<s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
_WORDS = r" ?\p{Lu}?\p{Ll}+|\p{Lu}|\p{N}|\n| ?[^\s\p{L}\p{N}]+|\s+|\p{L}"
SAMPLES = 20_000


def interest_lines() -> list[str]:
    """Return the prompt's last lines, one per audience."""
    return [f"\naudience: {name}" for name in (*INTERESTS, ANYONE)]


def kind_lines() -> list[str]:
    """Return the prompt's lines that name the kind of product, one per kind."""
    return [f"\nkind: {name}" for name in KINDS]


def hint_pieces() -> list[str]:
    """Return every length hint as it stands behind a slot, shortest first."""
    return [f" ({edge})" for edge in sorted({edge for edges in HINT_EDGES.values() for edge in edges})]


def prompt_pieces() -> list[str]:
    """Return every fixed piece of a prompt. A line carries its newline, or it would match in an answer."""
    choices = {
        "\ntone": TONES,
        "\ngoal": GOALS,
        "\nstage": (*STAGES, "any"),
        "\nname": ("yes", "no"),
        "\nrewrite": REWRITES,
        "\nbelongs": ("yes", "no"),
    }
    lines = [f"channel: {channel}" for channel in CHANNELS]
    lines += [f"{key}: {value}" for key, values in choices.items() for value in values]
    for key in ("offer", "ends", "link"):
        lines += [f"\n{key}: ", f"\n{key}: none"]
    lines += ["\nproduct: ", "\nbenefits:", "\nbenefits: none", "\ndraft: "]
    return lines + kind_lines() + interest_lines()


def answer_pieces() -> list[str]:
    """Return every fixed piece of an answer's JSON."""
    openings = ['{"headlines": ["', '{"subject": "', '{"title": "', '{"text": "', '{"headline": "']
    middles = [
        '"], "descriptions": ["',
        '", "preheader": "',
        '", "body": "',
        '", "cta": "',
        '", "hashtags": ["',
    ]
    return [*openings, *middles, '", "', '"]}', '"}', "\\n\\n"]


def fixed_pieces() -> list[str]:
    """Return all pieces that are one token each: slots with and without a space, hints, lines, JSON."""
    slots = [f"{{{{{name}}}}}" for name in (*SLOT_NAMES, "first_name")]
    return [*slots, *(f" {slot}" for slot in slots), *hint_pieces(), *prompt_pieces(), *answer_pieces()]


def build_tokenizer(seed: int, size: int) -> Any:
    """Train the tokenizer on the corpus.

    Returns a `PreTrainedTokenizerFast` of `size` tokens, with the chat template.
    """
    pieces = fixed_pieces()
    tokenizer = _tokenizers.Tokenizer(_models.BPE())
    tokenizer.pre_tokenizer = _pre_tokenizers.Sequence(
        [
            _pre_tokenizers.Split(_tokenizers.Regex(_WORDS), behavior="isolated"),
            _pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = _decoders.ByteLevel()
    strip = re.compile("|".join(re.escape(piece) for piece in sorted(pieces, key=len, reverse=True)))
    rng = random.Random(f"tokenizer:{seed}")  # noqa: S311  a seeded stream, nothing secret

    def texts() -> Iterator[str]:
        for _ in range(SAMPLES):
            sketch, fields = draw_sample(rng)
            yield strip.sub("\n", f"{write_prompt(sketch)}\n{dump_fields(fields)}")

    trainer = _trainers.BpeTrainer(
        vocab_size=size - len(pieces),
        special_tokens=list(SPECIAL),
        initial_alphabet=_pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.add_tokens([_tokenizers.AddedToken(piece, normalized=False) for piece in pieces])
    fast = _transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",  # noqa: S106  a token of text, no secret
        eos_token="<|end|>",  # noqa: S106  likewise
        pad_token="<pad>",  # noqa: S106  likewise
        padding_side="left",
        clean_up_tokenization_spaces=False,
        additional_special_tokens=list(SPECIAL[2:5]),
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
