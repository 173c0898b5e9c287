"""The pocket model's network and how it is written down: a small Llama."""

from pathlib import Path
from typing import Any

import torch
import transformers

from service.llm import known_words
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.recipe import Recipe
from service.llm.pocket.vocabulary import hint_pieces, interest_lines, kind_lines

_transformers: Any = transformers

HEAD_WIDTH, POSITIONS = 32, 512
MIN_P = 0.25
"""How the weights are best sampled: inside a word it leaves out the slip that would garble it, and where a
new line begins it keeps every line that would do. Chosen on held-out briefs (see the model card)."""


def build_network(tokenizer: Any, recipe: Recipe) -> Any:
    """Return an untrained float32 `LlamaForCausalLM`; torch's seed decides its weights.

    The interests start from one shared direction, as do the kinds of products, and the length hints along a
    ramp, so that the model need not find out from scratch that they are alike.
    """
    width = recipe.width
    config = _transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width * 8 // 3 // 32 * 32,
        num_hidden_layers=recipe.layers,
        num_attention_heads=width // HEAD_WIDTH,
        num_key_value_heads=width // HEAD_WIDTH,
        head_dim=HEAD_WIDTH,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        rope_theta=10000.0,
    )
    network = _transformers.LlamaForCausalLM(config)
    embedding = network.model.embed_tokens.weight.data
    for lines in (interest_lines(), kind_lines()):
        embedding[[tokenizer.convert_tokens_to_ids(line) for line in lines]] += torch.randn(width) * 0.02
    hints = [tokenizer.convert_tokens_to_ids(piece) for piece in hint_pieces()]
    shared, ramp = torch.randn(width) * 0.02, torch.randn(width) * 0.03
    for place, token in enumerate(hints):
        embedding[token] = 0.3 * embedding[token] + shared + ramp * (2 * place / len(hints) - 1)
    return network


def save_model(network: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights (bfloat16 safetensors), configuration, tokenizer, template and words into a folder."""
    _transformers.logging.disable_progress_bar()
    kept = _transformers.LlamaForCausalLM(network.config)
    kept.load_state_dict(network.state_dict())
    kept = kept.to(torch.bfloat16)
    kept.generation_config.eos_token_id = tokenizer.eos_token_id
    kept.generation_config.pad_token_id = tokenizer.pad_token_id
    kept.generation_config.do_sample = True
    kept.generation_config.min_p = MIN_P
    kept.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / known_words.FILE).write_text("\n".join(load_lexicon().words()) + "\n", encoding="utf-8")
