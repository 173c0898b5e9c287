"""Chat messages to tokens and back, by a folder's own `tokenizer.json` and chat template.

Only for folders that say no more than these two do: transformers adds to them for some tokenizer classes,
and takes seconds to import.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol

import jinja2
import msgspec
import tokenizers
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompts.engine import Message
from prompts.errors import EngineError

_tokenizers: Any = tokenizers

AS_WRITTEN = frozenset({"TokenizersBackend", "PreTrainedTokenizerFast"})
"""Classes of transformers that take `tokenizer.json` as it is."""

_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class ChatTokens(Protocol):
    """A tokenizer with a chat template."""

    @property
    def definition(self) -> str:
        """The text of a `tokenizer.json`. Raises `EngineError` for a tokenizer that has none."""
        ...

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Turn messages, and the opening of an answer, into tokens.

        Raises `EngineError` when the chat template refuses them.
        """
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn an answer's tokens into text, without special ones."""
        ...


class FileTokens:
    """Adapter of `ChatTokens` that reads the files itself."""

    def __init__(self, folder: Path, settings: dict[str, Any], template: str) -> None:
        """Read the tokenizer; raises whatever tokenizers and jinja2 raise on what they cannot read."""
        self.definition = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self._tokenizer = _tokenizers.Tokenizer.from_str(self.definition)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # As transformers renders templates: https://huggingface.co/docs/transformers/chat_templating
        surroundings: Any = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        surroundings.filters["tojson"] = _to_json
        surroundings.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        self._template = surroundings.from_string(template)
        self._names = {name: _text(settings[name]) for name in _SPECIAL if settings.get(name)}

    @classmethod
    def open(cls, folder: Path) -> "FileTokens | None":
        """Read a folder's tokenizer; none when it takes transformers to read it.

        Raises `OSError` for files missing, and what the class raises.
        """
        settings = msgspec.json.decode((folder / "tokenizer_config.json").read_bytes(), type=dict[str, Any])
        as_written = settings.get("tokenizer_class") in AS_WRITTEN
        if not as_written or settings.get("clean_up_tokenization_spaces") or settings.get("add_prefix_space"):
            return None
        file = folder / "chat_template.jinja"
        template = file.read_text(encoding="utf-8") if file.exists() else settings.get("chat_template")
        return cls(folder, settings, template) if isinstance(template, str) else None

    def encode(self, messages: Sequence[Message]) -> list[int]:
        chat = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text = self._template.render(messages=chat, add_generation_prompt=True, **self._names)
        except jinja2.TemplateError as error:
            raise EngineError(f"the chat template refuses the messages: {error}") from error
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(list(tokens), skip_special_tokens=True)


def _text(token: str | dict[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _now(pattern: str) -> str:
    return datetime.now().strftime(pattern)  # noqa: DTZ005  a template asks for the date on the wall
