"""A model in a folder: weights, tokenizer and what ends an answer, read by the lightest code that can."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from prompts.errors import EngineUnavailable
from service.llm.chat_tokens import ChatTokens, FileTokens
from service.llm.llama import Llama, read_config
from service.llm.network import Network


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine needs of a folder."""

    network: Network
    tokens: ChatTokens
    ends: frozenset[int]
    """Tokens that end an answer."""


def open_model(folder: Path) -> LocalModel:
    """Load a folder of safetensors with its tokenizer and chat template; code in it is never run.

    Only what takes transformers waits for its import. Raises `EngineUnavailable` when something is missing or
    broken.
    """
    weights = _weights(folder)
    tokens = open_tokens(folder)
    try:
        network = _load_network(folder, weights)
        ends = read_ends(folder)
    # Whatever torch, transformers, safetensors raise on a broken folder: no common base.
    except Exception as error:
        raise EngineUnavailable(f"the model in {str(folder)!r} does not load: {error}") from error
    return LocalModel(network=network, tokens=tokens, ends=ends)


def open_tokens(folder: Path) -> ChatTokens:
    """Read a model's tokenizer and chat template. Raises `EngineUnavailable` when there is no such model."""
    _weights(folder)
    try:
        tokens = FileTokens.open(folder) or _hub_tokens(folder)
    # Whatever transformers, tokenizers, jinja2 raise on a broken folder: no common base.
    except Exception as error:
        raise EngineUnavailable(f"the model in {str(folder)!r} does not load: {error}") from error
    if tokens is None:
        raise EngineUnavailable(f"the model in {str(folder)!r} has no chat template: use an instruct model")
    return tokens


def _weights(folder: Path) -> list[Path]:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise EngineUnavailable(
            f"no model in {str(folder)!r} (no *.safetensors): set PITCHWRIGHT_ENGINE_MODEL to a folder "
            "with one, or PITCHWRIGHT_ENGINE_URL to a server"
        )
    return weights


def _hub_tokens(folder: Path) -> ChatTokens | None:
    from service.llm.hub_model import HubTokens

    return HubTokens.open(folder)


def _load_network(folder: Path, weights: Sequence[Path]) -> Network:
    config = read_config(folder)
    if config is not None:
        return Llama.load(config, weights)
    from service.llm.hub_model import HubNetwork

    return HubNetwork.load(folder)


def read_ends(folder: Path) -> frozenset[int]:
    """Read the tokens that end an answer: the generation's settings go before the model's.

    Raises `OSError` or `msgspec.DecodeError` when there is nothing to read them from, `ValueError` when the
    files name none.
    """
    for name in ("generation_config.json", "config.json"):
        file = folder / name
        if file.exists():
            settings = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
            ends = msgspec.convert(settings.get("eos_token_id"), int | list[int] | None)
            if ends is not None:
                return frozenset([ends] if isinstance(ends, int) else ends)
    raise ValueError("neither generation_config.json nor config.json says which token ends an answer")
