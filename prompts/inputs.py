"""What a template may read: every input by name, with its kind and the dialects it is made for.

The kind decides what a template may do with an input. A brief's text only ever arrives `fenced` or in
`parts`, and those can be shown whole or left out, never cut, changed or taken apart.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from prompts.engine import Dialect

Kind = Literal["word", "text", "flag", "fenced", "parts"]
"""`word`: one of ours, such as a tone, and the only kind a filter may change. `text`: lines of ours.
`flag`: true or false. `fenced`: the brief's text between marks. `parts`: such as `slots.offer`."""

BOTH: tuple[Dialect, ...] = ("full", "pocket")
FULL: tuple[Dialect, ...] = ("full",)
POCKET: tuple[Dialect, ...] = ("pocket",)


class Readable(msgspec.Struct, frozen=True):
    """One input: its kind, the dialects that may read it, and the names of its parts."""

    kind: Kind
    dialects: tuple[Dialect, ...] = BOTH
    parts: tuple[str, ...] = ()


INPUTS: Mapping[str, Readable] = {
    "channel": Readable("word"),
    "channel_title": Readable("word"),
    "limits": Readable("text"),
    "answer_schema": Readable("text"),
    "merge_tag": Readable("text", FULL),
    "link_in_text": Readable("flag"),
    "tone": Readable("word"),
    "goal": Readable("word"),
    "goal_words": Readable("word"),
    "stage": Readable("word"),
    "stage_words": Readable("word"),
    "personalise": Readable("flag"),
    "language": Readable("word"),
    "brand": Readable("fenced", FULL),
    "audience": Readable("fenced", FULL),
    "product": Readable("fenced", FULL),
    "offer": Readable("fenced", FULL),
    "rewrite_instruction": Readable("word"),
    "rewrite_draft": Readable("fenced", FULL),
    "examples": Readable("fenced", FULL),
    "wishes": Readable("fenced", FULL),
    "interest": Readable("word"),
    "kind": Readable("word"),
    "belongs": Readable("flag"),
    "slots": Readable("parts", POCKET, ("product", "benefits", "offer", "ends", "link")),
    "rewrite": Readable("parts", POCKET, ("instruction", "draft")),
}
"""A test holds the names to `render.Context`, and the parts to its structs."""

NEEDED: Mapping[Dialect, str] = {"full": "product", "pocket": "slots"}
"""The input without which copy cannot name what it advertises."""
