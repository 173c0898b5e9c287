"""Copy given on the command line: fields as NAME=TEXT, and texts in files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from prompts.channels import PLAIN, Channel, channel_read
from prompts.variant import Fields
from service.console import Usage

PARSED = frozenset({".yaml", ".yml", ".json"})
"""Suffixes of files that hold texts or fields; any other file is one plain text."""


def fields_of(channel: str, pairs: Sequence[str]) -> Fields:
    """Read fields given as NAME=TEXT; a list's name is given once for each text. Raises Usage."""
    found = channel_read(channel)
    names = [field.name for field in found.fields]
    fields: Fields = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or name not in names:
            raise Usage(f"{pair[:60]!r} is no field: write NAME=TEXT, where {channel} has {', '.join(names)}")
        if found.field(name).items is not None:
            earlier = fields.get(name, [])
            fields[name] = [*(earlier if isinstance(earlier, list) else [earlier]), text]
        elif name in fields:
            raise Usage(f"{name} is given twice, and {channel} has one: send each text in a file's list")
        else:
            fields[name] = text
    return fields


def text_or_fields(channel: str | None, values: Sequence[str]) -> str | Fields | None:
    """Read a text given as one value, or as NAME=TEXT values of a channel's fields. Raises Usage."""
    if not values:
        return None
    found = channel_read(channel or PLAIN.name)
    if len(values) == 1 and not _is_field(found, values[0]):
        return values[0]
    return fields_of(found.name, values)


def texts_of_file(path: Path) -> list[str | Fields]:
    """Read texts from a file, `-` being stdin: a YAML or JSON list, one object of fields, or plain text.

    Raises Usage for what cannot be read.
    """
    try:
        content = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} cannot be read: {error}") from error
    if path.suffix.lower() not in PARSED:
        return [content]
    try:
        document: Any = yaml.safe_load(content)
        return msgspec.convert(document if isinstance(document, list) else [document], list[str | Fields])
    except (yaml.YAMLError, RecursionError, msgspec.ValidationError, UnicodeEncodeError) as error:
        reason = " ".join(str(error).split())
        raise Usage(
            f"{path}: {reason}; write a list of texts, each a string or an object of fields"
        ) from error


def _is_field(channel: Channel, value: str) -> bool:
    name, sign, _ = value.partition("=")
    return bool(sign) and any(field.name == name for field in channel.fields)
