"""Whatever else transformers can load: its networks and tokenizers behind the engine's own two ports."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import jinja2
import torch
import transformers

from prompts.engine import Message
from prompts.errors import EngineError

_transformers: Any = transformers
_LOCAL = {"local_files_only": True, "trust_remote_code": False}


class HubNetwork:
    """Adapter of `service.llm.network.Network` for any causal language model, in float32."""

    grows = False

    def __init__(self, model: Any) -> None:
        self._model = model
        self.parameters: int = model.num_parameters()
        self.longest: int = model.config.max_position_embeddings
        self.vocabulary: int = model.config.vocab_size

    @classmethod
    def load(cls, folder: Path) -> "HubNetwork":
        """Load a folder of safetensors; code in it is never run. Raises whatever transformers raises."""
        _transformers.logging.disable_progress_bar()
        model = _transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **_LOCAL
        )
        return cls(model.eval())

    def begin(self) -> "HubReading":
        return HubReading(self._model)


class HubReading:
    """Adapter of `service.llm.network.Reading`: prompts padded on the left, and transformers' own cache."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache: Any = None
        self._mask: Any = None
        """int64[rows, columns]: 1 where a column holds a token."""
        self._places: Any = None
        """int64[rows, 1]: the place of each row's last token."""

    def join(self, prompts: Sequence[Sequence[int]]) -> Any:
        width = max(map(len, prompts))
        padded = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        self._mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        self._cache = _transformers.DynamicCache(config=self._model.config)
        places = (self._mask.cumsum(dim=-1) - 1).clamp_min(0)
        self._places = places[:, -1:]
        return self._scores(torch.tensor(padded), places)

    def read(self, tokens: Sequence[int]) -> Any:
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        self._places = self._places + 1
        return self._scores(torch.tensor(tokens)[:, None], self._places)

    def drop(self, rows: Collection[int]) -> list[int]:
        order = [row for row in range(len(self._mask)) if row not in rows]
        index = torch.tensor(order, dtype=torch.long)
        self._mask, self._places = self._mask[index], self._places[index]
        self._cache.batch_select_indices(index)
        return order

    def _scores(self, tokens: Any, places: Any) -> Any:
        out = self._model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=places,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float()


class HubTokens:
    """Adapter of `service.llm.chat_tokens.ChatTokens`."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def open(cls, folder: Path) -> "HubTokens | None":
        """Read a folder's tokenizer; none without a chat template. Raises whatever transformers raises."""
        tokenizer = _transformers.AutoTokenizer.from_pretrained(folder, **_LOCAL)
        return cls(tokenizer) if getattr(tokenizer, "chat_template", None) else None

    @property
    def definition(self) -> str:
        if not self._tokenizer.is_fast:
            raise EngineError(
                "this model's tokenizer has no tokenizer.json, which constrained decoding needs: "
                "ask without a JSON schema, or use a model that has one"
            )
        return self._tokenizer.backend_tokenizer.to_str()

    def encode(self, messages: Sequence[Message]) -> list[int]:
        chat = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        except jinja2.TemplateError as error:
            raise EngineError(f"the chat template refuses the messages: {error}") from error
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True)
