"""A model in a folder: weights, tokenizer and what ends an answer, read by the lightest code that can."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from prompts.errors import EngineUnavailable
from service.llm.chat_tokens import ChatTokens, FileTokens
from service.llm.llama import Llama, read_config
from service.llm.network import Network
from service.llm.sampling import Cuts

_GENERATION = "generation_config.json"
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Sampling(msgspec.Struct):
    top_p: _Share | None = None
    min_p: _Share | None = None


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine needs of a folder."""

    network: Network
    tokens: ChatTokens
    ends: frozenset[int]
    """Tokens that end an answer."""
    cuts: Cuts
    """What its makers would have it sampled with, where an ask does not say."""


def open_model(folder: Path) -> LocalModel:
    """Load a folder of safetensors with its tokenizer and chat template; code in it is never run.

    Only what takes transformers waits for its import. Raises `EngineUnavailable` when something is missing or
    broken.
    """
    weights = _weights(folder)
    tokens = open_tokens(folder)
    try:
        network = _load_network(folder, weights)
        ends, cuts = read_ends(folder), read_cuts(folder)
    # Whatever torch, transformers, safetensors raise on a broken folder: no common base.
    except Exception as error:
        raise EngineUnavailable(f"the model in {str(folder)!r} does not load: {error}") from error
    return LocalModel(network=network, tokens=tokens, ends=ends, cuts=cuts)


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
    for name in (_GENERATION, "config.json"):
        ends = msgspec.convert(_settings(folder / name).get("eos_token_id"), int | list[int] | None)
        if ends is not None:
            return frozenset([ends] if isinstance(ends, int) else ends)
    raise ValueError("neither generation_config.json nor config.json says which token ends an answer")


def read_cuts(folder: Path) -> Cuts:
    """Read `top_p` and `min_p` of the generation's settings; nothing is cut where they name none.

    Raises `OSError`, or `msgspec.DecodeError` when a value is no number from 0 to 1.
    """
    own = msgspec.convert(_settings(folder / _GENERATION), _Sampling)
    return Cuts(top_p=own.top_p or 1.0, min_p=own.min_p or 0.0)


def _settings(file: Path) -> dict[str, Any]:
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Any]) if file.exists() else {}
